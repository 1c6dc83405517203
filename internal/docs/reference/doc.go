// Package reference generates the second parts of the manual's reference pages from the code: variables,
// parameters, commands, routes, errors, metrics and events.
//
// No deployed program imports this package.
package reference
