package picture

import (
	"fmt"
	"strings"
)

// room is one box of the picture: where it is, what it is called, and what it does.
type room struct {
	x, y, width int
	name, does  string
	internal    bool // a package of latchkey
}

const roomHeight = 56

// rooms are in the order in which a request meets them.
func rooms() []room {
	return []room{
		{20, 40, 120, "caller", "sends a key", false},
		{180, 40, 150, "API Gateway", "routes and throttles", false},
		{560, 40, 150, "your API", "gets identity headers", false},
		{180, 170, 150, "authorizer", "event to credential", true},
		{370, 170, 150, "gate", "identify, judge, spend", true},
		{560, 170, 150, "ratelimit", "leases in memory", true},
		{750, 170, 120, "dynamo", "the table", true},
	}
}

// Rooms are the packages in the picture, in the order in which a request meets them.
func Rooms() []string {
	var names []string
	for _, r := range rooms() {
		if r.internal {
			names = append(names, r.name)
		}
	}
	return names
}

// Request draws the way of a request.
func Request() []byte {
	var b strings.Builder
	b.WriteString(`<svg xmlns="http://www.w3.org/2000/svg" width="890" height="300" viewBox="0 0 890 300" ` +
		`font-family="sans-serif" font-size="13" role="img" aria-label="The way of a request through latchkey">
<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto">` +
		`<path d="M0 0 10 5 0 10z" fill="#334155"/></marker></defs>
<rect width="890" height="300" rx="8" fill="#ffffff"/>
<rect x="165" y="138" width="715" height="152" rx="8" fill="#f1f5f9"/>
<text x="690" y="158" fill="#64748b">one Lambda function</text>
`)
	for _, r := range rooms() {
		fill := "#ffffff"
		if r.internal {
			fill = "#dbeafe"
		}
		fmt.Fprintf(&b, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"6\" fill=\"%s\" stroke=\"#334155\"/>\n",
			r.x, r.y, r.width, roomHeight, fill)
		middle := r.x + r.width/2
		fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\" font-weight=\"bold\" fill=\"#0f172a\">%s</text>\n",
			middle, r.y+23, r.name)
		fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\" fill=\"#334155\">%s</text>\n", middle, r.y+43, r.does)
	}
	arrow := func(path string) {
		fmt.Fprintf(&b, "<path d=\"%s\" stroke=\"#334155\" fill=\"none\" marker-end=\"url(#tip)\"/>\n", path)
	}
	label := func(x, y int, text string) {
		fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" fill=\"#334155\">%s</text>\n", x, y, text)
	}
	arrow("M140 68H180")
	arrow("M330 68H560")
	label(340, 60, "allow, and the answer returns")
	arrow("M255 96V170")
	label(265, 120, "the verdict returns the same way: allow, deny or error")
	arrow("M330 198H370")
	arrow("M520 198H560")
	arrow("M710 198H750")
	arrow("M445 226v28h365v-28")
	label(455, 246, "one read, if the key is not in memory")
	label(455, 276, "ratelimit to dynamo: one write, if no lease is left")
	label(20, 120, "200 from your API")
	label(20, 140, "401 refused")
	label(20, 160, "429 over its limit")
	label(20, 180, "503 not decided")
	b.WriteString("</svg>\n")
	return []byte(b.String())
}
