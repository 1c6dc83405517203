// Package docs is the manual: Markdown pages for people, with their pictures. [Files] has them all,
// and package manual renders them for a browser.
//
// The reference pages (configuration, cli, api, errors, metrics, events) and the page of costs have two
// parts. A person writes the first part. The second part begins at [Mark], and package reference generates it from the
// code that it describes. Tests compare the two, and write the second part anew with
//
//	make manual
//
// [ReadPage] returns a page with its blocks of code. Tests run the blocks of bash on the local
// stack, word for word, and compare what they print with the block of text that follows. A block
// that cannot run there has the comment <!-- not run: REASON --> above it, and is checked for its
// syntax alone.
//
// A deployed program contains this package, so it imports the standard library alone.
package docs

import "embed"

// Files has the pages (*.md), the pictures (*.svg) and the pictures of the console (screens/*.png).
//
// A test of package manual takes the latter, as SCREENSHOTS=folder make browser writes them. They are
// stored with 128 colours.
//
//go:embed *.md *.svg screens/*.png
var Files embed.FS
