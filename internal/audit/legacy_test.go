package audit

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// Earlier versions sealed the head of a trail without the record, and wrote no witness. Such a
// record is told apart from one that was altered, also where both versions changed one subject.
func TestARecordOfAnEarlierVersionIsToldApart(t *testing.T) {
	n := NewNotary([]byte(strings.Repeat("k", 32)))
	noon := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	var subjects []Subject // after each change
	var witnesses []Witness
	var entries []Sealed
	head := Head{}
	for seq, old := range []bool{true, true, false, true, false} {
		place := Place{Life: noon, Seq: int64(seq)}
		s, next, w, err := n.Append(head, place, Entry{Subject: "k", Owner: "u", At: noon.Add(time.Duration(seq) * time.Hour)}, 1000*time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		subject := Subject{ID: "k", Place: place, Record: []byte{byte(seq)}}
		if next.Seal = n.Seal("k", place, subject.Record); old {
			next.Seal = n.headSeal("k", place, next)
			w = Witness{}
			if seq > 0 {
				w = witnesses[seq-1] // that version does not replace the witness
			}
		}
		head, subject.Head = next, next
		subjects, witnesses, entries = append(subjects, subject), append(witnesses, w), append(entries, s)
	}
	now := noon.Add(100 * time.Hour)
	for seq, want := range []Standing{Unsealed, Unsealed, Authentic, Unsealed, Authentic} {
		if got, err := n.Check(subjects[seq], witnesses[seq], entries[:seq+1], now); got != want || err != nil {
			t.Errorf("after change %d: %d, %v, want %d", seq, got, err, want)
		}
	}
	other := func(s Subject, edit func(*Subject)) Subject { edit(&s); return s }
	for name, c := range map[string]struct {
		subject Subject
		witness Witness
		entries []Sealed
		want    string // "": Unsealed, and no break
	}{
		"its record is altered": {
			other(subjects[1], func(s *Subject) { s.Record = nil }), witnesses[1], entries[:2], "",
		},
		"put back to before it was sealed": {
			subjects[1], witnesses[4], entries[:2], "#000000004 is the last one by its witness",
		},
		"put back, its entries not": {subjects[1], Witness{}, entries, "#000000004 comes after"},
		"its seal is of the head again": {
			other(subjects[2], func(s *Subject) { s.Head.Seal = subjects[1].Head.Seal }), witnesses[2], entries[:3],
			"#000000002 does not fit",
		},
		"sealed by another": {
			other(subjects[1], func(s *Subject) { s.Head.Seal = []byte("x") }), witnesses[1], entries[:2],
			"#000000001 does not fit",
		},
		"its witness is removed once sealed": {subjects[4], Witness{}, entries, "#000000004 has no witness"},
		"its witness is an earlier one's now": {
			subjects[4], witnesses[2], entries, "#000000002 is the last one by its witness, which was put back",
		},
	} {
		got, err := n.Check(c.subject, c.witness, c.entries, now)
		var b *Break
		if c.want == "" && (err != nil || got != Unsealed) || c.want != "" && (!errors.As(err, &b) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %d, %v, want %q", name, got, err, c.want)
		}
	}
}
