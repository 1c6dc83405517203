// Package metrics tells CloudWatch what an environment does, in its embedded
// metric format: a JSON line on standard output, of which CloudWatch Logs makes
// metrics. A line for each request would cost as much as the check itself, so
// that everything is added up in memory, and written at the end of an invocation
// when the last line is 10 s old.
//
//	metric       unit          dimensions                 what
//	Verdicts     Count         service; service and code  checks by verdict; code unavailable: it could not decide
//	Latency      Milliseconds  service                    how long a check took, its I/O included
//	Reads        Count         service                    requests to the table that read, repeated ones included
//	Writes       Count         service                    requests to the table that write, repeated ones included
//	LeaseHits    Count         service                    checks that spent from memory
//	MemoryHits   Count         service                    keys that were known without a read
//	Failures     Count         service                    invocations that returned an error, except authorizer.ErrUnauthorized
//	ColdStart    Count         service and function_name  environments started
//
// The service is authorizer, validate or keys, unless SERVICE says otherwise, as it
// should where an account has two deployments.
//
// Nothing is written that is 0, and no dimension has more values than there are
// functions and codes: neither keys nor users are among them.
//
// What a line adds up lies up to 10 s before its time, and longer when the
// environment was frozen meanwhile. An environment writes at the end of its first
// invocation too, so that a lonely one is seen; what it does in the 10 s after
// its last line is lost when it ends, of which Lambda gives no notice to a
// function without extensions. Latency is at most 100 values that lie as all of
// them do: how many there were is what Verdicts says.
package metrics
