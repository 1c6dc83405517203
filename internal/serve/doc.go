// Package serve is latchkey as one long-running server: the same gate, registry, console and manual as
// the functions, without events in between.
//
// [New] puts an instance behind the routes of the template, so that routes, throttles and the
// gateway's own answers are those of a deployment. [Server.Run] serves it until its context ends. It
// then turns its readiness off, lets requests end, and closes the instance, which gives back leases
// and writes counts.
//
// [Monitor] has the liveness, the readiness and the metrics, for a port that no client reaches.
package serve
