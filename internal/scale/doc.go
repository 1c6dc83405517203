// Package scale has no code of its own. Its tests simulate a deployment under more load than this machine
// can make, and write the tables of the manual's page on capacity:
//
//	make scale
//
// Gates and limiters are the real ones. Virtual time and the partitions of a table are simulated. Package
// comments in the files say what is assumed of AWS.
package scale
