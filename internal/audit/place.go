package audit

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// TimeLayout formats a time in UTC with milliseconds, as entries, positions in lists and the API
// show it. Call UTC before Format, because the Z is literal. Texts of this layout sort as their
// times do.
const TimeLayout = "2006-01-02T15:04:05.000Z"

const seqDigits = 9

// Place is the place of an entry. Life is when the present life of its subject began: a subject
// that was deleted and made again begins another life. Seq is the number of the entry in that life,
// from 0 on.
type Place struct {
	Life time.Time `json:"life"`
	Seq  int64     `json:"seq"`
}

// String writes p so that texts sort as places do.
func (p Place) String() string {
	return fmt.Sprintf("%s#%0*d", p.Life.UTC().Format(TimeLayout), seqDigits, p.Seq)
}

// Compare orders places by life, and within one life by number.
func (p Place) Compare(q Place) int {
	return cmp.Or(p.Life.Compare(q.Life), cmp.Compare(p.Seq, q.Seq))
}

// ParsePlace reads the output of [Place.String].
func ParsePlace(text string) (Place, error) {
	life, seq, _ := strings.Cut(text, "#")
	at, err := time.Parse(TimeLayout, life)
	if err != nil {
		return Place{}, fmt.Errorf("%q is no place of an entry", text)
	}
	n, err := strconv.ParseInt(seq, 10, 64)
	p := Place{Life: at, Seq: n}
	if err != nil || n < 0 || p.String() != text {
		return Place{}, fmt.Errorf("%q is no place of an entry", text)
	}
	return p, nil
}
