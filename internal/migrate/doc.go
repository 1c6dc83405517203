// Package migrate imports the keys of other services from files of any size.
//
// Call [Open] first. It judges the whole file, and refuses one that is no key file before anything is
// written. It returns a [Reader], from which [Job.Run] imports each key into the table of a registry.
// To find out what an import would do, run the job with the registry that [Rehearse] returns.
//
// A problem of one key is reported with the number of its line and does not end the import. No error
// repeats a token or other text that may be one.
package migrate
