package picture

// Partition is a partition of the table, by the pattern of its pk, such as key#<id>.
type Partition struct {
	Pattern string
	Items   []Item
}

// Item is an item of a partition, by the pattern of its sk.
type Item struct {
	Pattern    string
	Attributes []string // without pk and sk
}

const (
	tableWidth   = 460 // of a partition
	tableHead    = 30
	tableLine    = 15 // of attributes
	tableLetters = 64 // of a line of attributes
)

// itemHeight is the height of an item with its lines of attributes.
func itemHeight(lines []string) int { return 24 + tableLine*len(lines) }

// Table draws the items of the table by their partitions, in two columns.
func Table(partitions []Partition) []byte {
	height := func(p Partition) int {
		sum := tableHead + 8
		for _, item := range p.Items {
			sum += itemHeight(wrapped(item.Attributes))
		}
		return sum
	}
	bottoms := [2]int{16, 16}
	type place struct{ x, y int }
	places := make([]place, len(partitions))
	for i, p := range partitions {
		column := 0
		if bottoms[1] < bottoms[0] {
			column = 1
		}
		places[i] = place{16 + column*(tableWidth+16), bottoms[column]}
		bottoms[column] += height(p) + 16
	}
	d := draw(2*tableWidth+48, max(bottoms[0], bottoms[1]),
		"The partitions of the table, with the items and attributes of each")
	for i, p := range partitions {
		x, y := places[i].x, places[i].y
		d.box(x, y, tableWidth, height(p), "#ffffff", line)
		d.box(x, y, tableWidth, tableHead, room, line)
		d.text(x+12, y+20, quiet, `font-size="12"`, "pk")
		d.text(x+36, y+20, ink, `font-weight="bold" font-family="monospace"`, p.Pattern)
		y += tableHead
		for _, item := range p.Items {
			d.text(x+12, y+18, quiet, `font-size="12"`, "sk")
			d.text(x+36, y+18, ink, `font-family="monospace"`, item.Pattern)
			lines := wrapped(item.Attributes)
			for n, line := range lines {
				d.text(x+36, y+33+n*tableLine, quiet, `font-size="11"`, line)
			}
			y += itemHeight(lines)
		}
	}
	return d.end()
}

// wrapped is a list of attributes in lines that fit.
func wrapped(attributes []string) []string {
	var lines []string
	for i, name := range attributes {
		if i < len(attributes)-1 {
			name += ","
		}
		last := len(lines) - 1
		if last >= 0 && len(lines[last])+1+len(name) <= tableLetters {
			lines[last] += " " + name
		} else {
			lines = append(lines, name)
		}
	}
	return lines
}
