// Package scale has tests alone. They simulate deployments under more load than one machine can make:
// many instances with real gates and limiters, before a table whose partitions throttle. Time is virtual.
//
//	make scale
//
// writes the tables of the manual's page on capacity. Its constants are assumptions about AWS.
package scale
