// Package registry manages keys: it creates, lists, changes, rotates, revokes, deletes and imports
// them. Each change is one transaction, which also writes an audit entry and the entry's witness.
// Call the methods of [Registry].
//
// A caller's mistake is one of the sentinels of package apikey. Any other error means that it is
// not known whether the change was made.
package registry
