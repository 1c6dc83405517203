// Package browsertest runs tests of web pages in Chromium, against a local stack on a real engine. It
// has the build tag browser, and make browser installs its tools. Call [Main] from TestMain, and
// [Open] from a test:
//
//	func TestMain(m *testing.M) { browsertest.Main(m) }
//
//	func TestTheListIsEmptyAtFirst(t *testing.T) {
//		p := browsertest.Open(t, browsertest.Wide, "console/")
//		p.SignIn(browsertest.Root)
//		p.Wait("There are no keys yet")
//	}
//
// A test binary has one stack and one Chromium. Each page has an origin of its own, and so a storage
// of its own. A test fails if its page breaks the Content-Security-Policy, throws an error, or
// writes an error or a warning to the console.
package browsertest
