package picture

// box is one box of the picture, with its place, its name and its purpose.
type box struct {
	x, y, width int
	name, does  string
	internal    bool // a package of latchkey
}

const boxHeight = 56

// boxes are in the order in which a request meets them.
func boxes() []box {
	return []box{
		{20, 40, 120, "caller", "sends a key", false},
		{180, 40, 150, "API Gateway", "routes and throttles", false},
		{560, 40, 150, "your API", "gets identity headers", false},
		{180, 170, 150, "authorizer", "event to policy", true},
		{370, 170, 150, "admission", "credential and route", true},
		{560, 170, 150, "gate", "identify, judge, spend", true},
		{750, 170, 150, "ratelimit", "leases in memory", true},
		{940, 170, 120, "dynamo", "the table", true},
	}
}

// Rooms are the packages in the picture of a request, in the order in which a request meets them.
func Rooms() []string {
	var names []string
	for _, b := range boxes() {
		if b.internal {
			names = append(names, b.name)
		}
	}
	return names
}

// Request draws the way of a request.
func Request() []byte {
	d := draw(1080, 300, "The way of a request through latchkey")
	d.printf(`<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" `+
		`orient="auto"><path d="M0 0 10 5 0 10z" fill="%s"/></marker></defs>`+"\n", line)
	d.box(165, 138, 905, 152, ground, "")
	d.text(880, 158, quiet, "", "one Lambda function")
	for _, b := range boxes() {
		fill := "#ffffff"
		if b.internal {
			fill = room
		}
		d.box(b.x, b.y, b.width, boxHeight, fill, line)
		d.text(b.x+b.width/2, b.y+23, ink, `text-anchor="middle" font-weight="bold"`, b.name)
		d.text(b.x+b.width/2, b.y+43, line, `text-anchor="middle"`, b.does)
	}
	arrow := func(path string) { d.path(path, line, `marker-end="url(#tip)"`) }
	label := func(x, y int, text string) { d.text(x, y, line, "", text) }
	arrow("M140 68H180")
	arrow("M330 68H560")
	label(340, 60, "allow, and the answer returns")
	arrow("M255 96V170")
	label(265, 120, "the verdict returns the same way: allow, deny or error")
	arrow("M330 198H370")
	arrow("M520 198H560")
	arrow("M710 198H750")
	arrow("M900 198H940")
	arrow("M635 226v28h365v-28")
	label(645, 246, "one read, if the key is not in memory")
	label(645, 276, "ratelimit to dynamo: one write, if no lease is left")
	label(20, 120, "200 from your API")
	label(20, 140, "401 refused")
	label(20, 160, "429 over its limit")
	label(20, 180, "503 not decided")
	return d.end()
}
