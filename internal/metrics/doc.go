// Package metrics reports to CloudWatch what an instance does, in its embedded metric format: JSON
// lines on standard output, from which CloudWatch Logs makes metrics. Call [New] once per instance,
// and [Recorder.Watch] to wrap its handler.
//
// A line for each request would cost as much as the check itself. The recorder therefore adds up in
// memory, and writes at the end of an invocation if its last line is at least 10 s old.
//
//	metric      unit          dimensions                 meaning
//	Verdicts    Count         service; service and code  checks by verdict; code unavailable: could not decide
//	Latency     Milliseconds  service                    how long a check took, its I/O included
//	Reads       Count         service                    requests to the table that read, repeated ones included
//	Writes      Count         service                    requests to the table that write, repeated ones included
//	LeaseHits   Count         service                    checks that spent from a lease
//	MemoryHits  Count         service                    keys that were known without a read
//	Failures    Count         service                    invocations with an error that is not authorizer.ErrUnauthorized
//	ColdStart   Count         service and function_name  instances started
//
// The service is authorizer, validate or keys. Set SERVICE to another name where an account has two
// deployments.
//
// [Options.Extent] leaves out the metrics that no alarm watches, or all of them.
//
// [Recorder.Totals] returns the same counts to a process that writes no lines.
//
// A metric that is 0 is not written. A dimension has no more values than there are functions and
// codes: neither keys nor users are among them.
//
// A line covers up to 10 s before its time, and more if the instance was frozen meanwhile. An
// instance also writes at the end of its first invocation, so that one with a single invocation is
// seen. Its counts of the 10 s after its last line are lost when it ends, because Lambda does not
// notify a function without extensions. Latency is a sample of at most 100 values with the same
// distribution as all of them: Verdicts says how many checks there were.
package metrics
