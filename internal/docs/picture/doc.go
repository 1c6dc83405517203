// Package picture draws the pictures of the manual as SVG, from the code and from real runs.
//
// The same program always draws the same bytes, so tests find a stored picture that has drifted:
//
//	make picture
//
// No deployed program imports this package.
package picture
