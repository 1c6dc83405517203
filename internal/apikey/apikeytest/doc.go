// Package apikeytest sets up a deployment for tests: a real table, a registry, and gates that share
// the table. Tests set its clock.
package apikeytest
