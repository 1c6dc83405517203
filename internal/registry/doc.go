// Package registry manages keys: it creates, lists, changes, rotates, revokes, deletes and imports
// them. Each change is one transaction, which also writes an audit entry and the entry's witness.
//
// Call [New] first, and then the methods of [Registry]. [Store] is everything that a registry
// stores, and [Write] says what one change writes. The files are named after the operations.
//
// A caller's mistake is one of the sentinels of package apikey. Any other error means that it is
// not known whether the change was made.
package registry
