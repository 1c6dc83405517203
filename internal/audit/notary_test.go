package audit_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"latchkey/internal/audit"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// trail is everything that is stored of a subject, and a clock.
type trail struct {
	subject audit.Subject
	witness audit.Witness
	entries []audit.Sealed
	now     time.Time
}

// clone returns a copy of the trail.
func (r *trail) clone() trail {
	c := *r
	c.entries = slices.Clone(r.entries)
	return c
}

func (r *trail) check(n audit.Notary, now time.Time) error {
	_, err := n.Check(r.subject, r.witness, r.entries, now)
	return err
}

// write appends an entry a day after the one before it, to be stored for keep.
func (r *trail) write(t *testing.T, n audit.Notary, keep time.Duration, edit func(*audit.Entry)) {
	t.Helper()
	place := audit.Place{Life: r.subject.Life, Seq: r.subject.Seq + 1}
	if place.Life.IsZero() {
		place = audit.Place{Life: r.now}
	}
	e := audit.Entry{Subject: "k", Owner: "u", At: r.now, Action: "update"}
	if edit != nil {
		edit(&e)
	}
	s, head, witness, err := n.Append(r.subject.Head, place, e, keep)
	if err != nil {
		t.Fatal(err)
	}
	r.entries, r.witness = append(r.entries, s), witness
	record := []byte(fmt.Sprintf("record %d", place.Seq))
	head.Seal = n.Seal("k", place, record)
	r.subject = audit.Subject{ID: "k", Place: place, Head: head, Record: record, Forgotten: e.Forgotten}
	if e.Last {
		r.subject = audit.Subject{ID: "k"}
	}
	r.now = r.now.Add(day)
}

// remove removes the subject.
func (r *trail) remove() { r.subject = audit.Subject{ID: "k"} }

// drop removes some entries.
func (r *trail) drop(places ...int) {
	for _, i := range slices.Backward(places) {
		r.entries = slices.Delete(r.entries, i, i+1)
	}
}

func notary(key byte) audit.Notary { return audit.NewNotary([]byte(strings.Repeat(string(key), 32))) }

func TestADeedToATrailIsFound(t *testing.T) {
	n := notary('k')
	swap := func(text, old, new string) string {
		if !strings.Contains(text, old) {
			t.Errorf("%s is not in %s", old, text)
		}
		return strings.Replace(text, old, new, 1)
	}
	// before returns the trail as it was after count entries.
	before := func(count int) trail {
		r := trail{now: noon}
		for range count {
			r.write(t, n, 365*day, nil)
		}
		return r
	}
	for name, c := range map[string]struct {
		do   func(*trail)
		want string // "": it is not found
	}{
		"nothing":                      {func(*trail) {}, ""},
		"the first is removed":         {func(r *trail) { r.drop(0) }, "#000000000 is missing"},
		"one between is removed":       {func(r *trail) { r.drop(2) }, "#000000002 is missing"},
		"the last is removed":          {func(r *trail) { r.drop(4) }, "#000000004 is missing"},
		"all but the last are removed": {func(r *trail) { r.drop(0, 1, 2, 3) }, "#000000003 is missing"},
		"all are removed":              {func(r *trail) { r.entries = nil }, "#000000004 is missing"},
		"a text is altered": {
			func(r *trail) { r.entries[1].Text = swap(r.entries[1].Text, "update", "create") },
			"#000000001 was altered",
		},
		"a sum is altered": {
			func(r *trail) { r.entries[1].Sum = r.entries[2].Sum },
			"#000000001 was altered",
		},
		"a sum is removed": {func(r *trail) { r.entries[1].Sum = nil }, "#000000001 was altered"},
		"two are exchanged": {func(r *trail) {
			a, b := &r.entries[1], &r.entries[2]
			a.Place, b.Place = b.Place, a.Place
			*a, *b = *b, *a
		}, "#000000001 is not in its place"},
		"one is copied to the end": {
			func(r *trail) { e := r.entries[1]; e.Seq = 5; r.entries = append(r.entries, e) },
			"#000000005 is not in its place",
		},
		"one is copied from another subject": {func(r *trail) {
			e, _, _, _ := n.Append(audit.Head{}, r.entries[0].Place, audit.Entry{Subject: "l", Owner: "u", At: noon}, day)
			e.Subject = "k"
			r.entries[0] = e
		}, "#000000000 is not in its place"},
		"one is forged by another's key": {func(r *trail) { forge(t, r) }, "#000000005 was altered"},
		"its owner is altered": {
			func(r *trail) { r.entries[1].Owner = "v" },
			"#000000001 was altered beside its text",
		},
		"its time is altered": {
			func(r *trail) { r.entries[1].At = noon },
			"#000000001 was altered beside its text",
		},
		"it may be forgotten earlier": {
			func(r *trail) { r.entries[1].Until = noon },
			"#000000001 was altered beside its text",
		},
		"the end is cut off, the head too": {
			func(r *trail) { r.drop(4); r.subject.Head = audit.Head{} },
			"#000000004 is the last one by its witness",
		},
		"the end is cut off, the head is made": {
			func(r *trail) { r.drop(4); r.subject.Head.Sum = r.entries[3].Sum; r.subject.Seq = 3 },
			"#000000004 is the last one by its witness",
		},
		"the end is cut off, the head is late": {
			func(r *trail) { r.drop(4); r.subject.Head.Until = noon },
			"#000000004 is missing",
		},
		"the record is altered": {
			func(r *trail) { r.subject.Record = []byte("another") },
			"#000000004 does not fit the subject's record",
		},
		"the seal is altered": {
			func(r *trail) { r.subject.Head.Seal = []byte("another") },
			"#000000004 does not fit the subject's record",
		},
		"the seal is removed": {
			func(r *trail) { r.subject.Head.Seal = nil },
			"#000000004 does not fit the subject's record",
		},
		"an older record is put in": {func(r *trail) {
			r.subject.Record, r.subject.Head.Seal = before(3).subject.Record, before(3).subject.Head.Seal
		}, "#000000004 does not fit the subject's record"},
		"the trail is removed": {
			func(r *trail) { r.entries = nil; r.subject.Head = audit.Head{} },
			"#000000004 is the last one by its witness, and the subject has no trail",
		},
		"the subject is removed": {func(r *trail) { r.remove() }, "#000000004 is the last one there"},
		"the subject and the end are removed": {
			func(r *trail) { r.drop(3, 4); r.remove() },
			"#000000002 is the last one there",
		},
		"the subject and all entries are": {
			func(r *trail) { r.entries = nil; r.remove() },
			"#000000004 is the last one by its witness, and the subject is gone",
		},
		"the subject is put back alone": {
			func(r *trail) { r.subject = before(3).subject },
			"#000000004 is the last one by its witness",
		},
		"subject and entries are put back": {
			func(r *trail) { w := r.witness; *r = before(3); r.witness = w },
			"#000000004 is the last one by its witness: the subject was put back to entry 2026-11-24T12:00:00.000Z#000000002",
		},
		"the witness is put back": {
			func(r *trail) { r.witness = before(3).witness },
			"#000000002 is the last one by its witness, which was put back",
		},
		"the witness is removed": {
			func(r *trail) { r.witness = audit.Witness{} },
			"#000000004 has no witness any more",
		},
		"the witness is altered": {
			func(r *trail) { r.witness.Last = true },
			"#000000004 has a witness that was altered",
		},
		"the witness is another's": {
			func(r *trail) { r.witness = theirs(t, n, *r) },
			"#000000004 has a witness that was altered",
		},
		"the head is removed, and written on": {
			func(r *trail) { r.subject.Head = audit.Head{}; r.write(t, n, 365*day, nil) },
			"#000000005 was written when its subject had no trail",
		},
		"a flaw was found before it": {
			func(r *trail) { r.write(t, n, 365*day, func(e *audit.Entry) { e.Flaw = "was written although" }) },
			"#000000005 was written although",
		},
		"it has grown since": {
			func(r *trail) { r.subject = before(3).subject; r.subject.Grown = 4 },
			"",
		},
		"it has grown by one less": {
			func(r *trail) { r.subject = before(2).subject; r.subject.Grown = 3 },
			"#000000004 is the last one by its witness",
		},
		"it has grown, and is cut off": {
			func(r *trail) { r.drop(2, 3, 4); r.subject = before(3).subject; r.subject.Grown = 4 },
			"#000000002 is missing",
		},
		"it has grown, and what was named not": {
			func(r *trail) { r.subject = before(3).subject; r.subject.Grown = 4; r.subject.Head = audit.Head{} },
			"#000000004 is the last one by its witness, and the subject has no trail",
		},
		// These deeds are found by a checkpoint only.
		"everything is put back":       {func(r *trail) { *r = before(3) }, ""},
		"everything there was is gone": {func(r *trail) { r.entries, r.witness = nil, audit.Witness{}; r.remove() }, ""},
	} {
		r := trail{now: noon}
		for range 5 {
			r.write(t, n, 365*day, nil)
		}
		c.do(&r)
		got := ""
		if err := r.check(n, r.now); err != nil {
			var b *audit.Break
			if !errors.As(err, &b) {
				t.Errorf("%s: %v", name, err)
			}
			got = err.Error()
		}
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// forge appends an entry under a key that is not the deployment's.
func forge(t *testing.T, r *trail) {
	subject, witness := r.subject, r.witness
	r.write(t, notary('x'), 365*day, nil)
	r.subject, r.witness = subject, witness
}

// theirs returns the witness of another subject with as many entries.
func theirs(t *testing.T, n audit.Notary, r trail) audit.Witness {
	t.Helper()
	_, _, w, err := n.Append(r.subject.Head, r.subject.Place, audit.Entry{Subject: "l", At: r.now}, day)
	if err != nil {
		t.Fatal(err)
	}
	w.Subject = "k"
	return w
}

// Entries are stored for 3 days, and one is written each day. On the sixth day the last three must
// exist, and DynamoDB may have removed any of those before.
func TestAForgottenEntryWasNotRemoved(t *testing.T) {
	n := notary('k')
	for missing := range 1 << 6 {
		r := trail{now: noon}
		for range 6 {
			r.write(t, n, 3*day, nil)
		}
		r.now = r.now.Add(-day) // the time of the last entry
		want := ""
		for i := range 6 {
			if bit := 5 - i; missing>>bit&1 == 1 {
				r.entries = slices.Delete(r.entries, bit, bit+1)
				if bit >= 3 {
					want = fmt.Sprintf("#00000000%d is missing", bit)
				}
			}
		}
		err := r.check(n, r.now)
		if want == "" && err != nil || want != "" && err == nil {
			t.Errorf("without %06b: %v, want %q", missing, err, want)
		}
		// Later all entries are forgotten, and the subject still exists.
		if err := (&trail{subject: r.subject, witness: r.witness}).check(n, r.now.Add(3*day)); err != nil {
			t.Error(err)
		}
	}
}

// If the retention is shortened, an older entry is still forgotten before a newer one. Otherwise
// Check could not tell whether the older one may be missing.
func TestAnOlderEntryIsNeverStoredLonger(t *testing.T) {
	n := notary('k')
	r := trail{now: noon}
	r.write(t, n, 100*day, nil)
	r.write(t, n, day, nil)
	if !r.entries[1].Until.Equal(noon.Add(100 * day)) {
		t.Errorf("stored until %s", r.entries[1].Until)
	}
	r.drop(0)
	if err := r.check(n, noon.Add(99*day)); err == nil {
		t.Error("the first may be missing")
	}
}

// Two entries may be written after the same entry, if the table was put back. They do not make one
// trail.
func TestATrailHasOneHistory(t *testing.T) {
	n := notary('k')
	one := trail{now: noon}
	for range 3 {
		one.write(t, n, 365*day, nil)
	}
	other := one.clone()
	other.now = one.now.Add(time.Hour)
	for range 2 {
		one.write(t, n, 365*day, nil)
		other.write(t, n, 365*day, nil)
	}
	for _, c := range []struct {
		from int
		want string
	}{{3, ""}, {4, "#000000004 does not follow"}, {5, "#000000004 is not the one"}} {
		mixed := append(slices.Clone(one.entries[:c.from]), other.entries[c.from:]...)
		if err := (&trail{subject: other.subject, witness: other.witness, entries: mixed}).check(n, other.now); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("from %d on the other: %v, want %q", c.from, err, c.want)
		}
	}
}

// A head whose entry is forgotten does not fit another subject, nor another life of its own
// subject.
func TestAHeadFitsOneLife(t *testing.T) {
	n := notary('k')
	first := trail{now: noon}
	first.write(t, n, day, nil)
	second := trail{now: noon.Add(30 * day)}
	second.write(t, n, 365*day, nil)
	foreign := trail{now: second.subject.Life}
	foreign.write(t, n, day, func(e *audit.Entry) { e.Subject = "l" })
	for name, head := range map[string]audit.Head{"an earlier life's": first.subject.Head, "another subject's": foreign.subject.Head} {
		second.subject.Head = head
		if err := (&trail{subject: second.subject, witness: second.witness}).check(n, noon.Add(60*day)); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestALifeEndsWithAnEntryThatSaysSo(t *testing.T) {
	n := notary('k')
	last := func(e *audit.Entry) { e.Last = true }
	ends := func(e *audit.Entry) { e.Forgotten = e.At.Add(10 * day) }
	for name, c := range map[string]struct {
		end   func(*audit.Entry)
		later time.Duration
		do    func(*trail)
		whole bool
	}{
		"deleted":                      {last, 0, func(*trail) {}, true},
		"deleted, and the end removed": {last, 0, func(r *trail) { r.drop(2) }, false},
		"deleted, and put back": {last, 0, func(r *trail) {
			w := trail{now: noon}
			w.write(t, n, 365*day, nil)
			w.write(t, n, 365*day, nil)
			r.subject = w.subject
		}, false},
		"ended, and removed":    {ends, 0, func(r *trail) { r.remove() }, false},
		"ended, and forgotten":  {ends, 10 * day, func(r *trail) { r.remove() }, true},
		"never ended, and gone": {nil, 10 * day, func(r *trail) { r.remove() }, false},
		"never ended, and all entries forgotten": { // its witness is still stored
			nil, 365 * day, func(r *trail) { r.remove() },
			false,
		},
		"ended, and all that is forgotten": {
			ends, 365 * day, func(r *trail) { r.remove(); r.entries, r.witness = nil, audit.Witness{} },
			true,
		},
		"deleted, and begun again": {
			last, 0, func(r *trail) { r.write(t, n, 365*day, nil); r.write(t, n, 365*day, nil) },
			true,
		},
		"removed, and begun again": {
			nil, 0, func(r *trail) { r.remove(); r.write(t, n, 365*day, nil) },
			false,
		},
		"deleted, begun again, that removed": {
			last, 0, func(r *trail) { r.write(t, n, 365*day, nil); r.remove() },
			false,
		},
	} {
		r := trail{now: noon}
		r.write(t, n, 365*day, nil)
		r.write(t, n, 365*day, nil)
		r.write(t, n, 365*day, c.end)
		c.do(&r)
		if err := r.check(n, r.now.Add(c.later)); (err == nil) != c.whole {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAPlaceIsReadAsItIsWritten(t *testing.T) {
	for _, p := range []audit.Place{{Life: noon}, {Life: noon.Add(time.Millisecond), Seq: 1}, {Life: noon, Seq: 999_999_999}} {
		if got, err := audit.ParsePlace(p.String()); err != nil || got != p {
			t.Errorf("%s: %v, %v", p, got, err)
		}
	}
	for _, text := range []string{
		"", "#", "x#000000001", "2026-11-24T12:00:00.000Z", "2026-11-24T12:00:00.000Z#1",
		"2026-11-24T12:00:00.000Z#-00000001", "2026-11-24T12:00:00.000Z#000000001#",
	} {
		if p, err := audit.ParsePlace(text); err == nil {
			t.Errorf("%q is %s", text, p)
		}
	}
}

func TestANotaryKeepsItsKeyToItself(t *testing.T) {
	if text := fmt.Sprintf("%v %+v %#v", notary('k'), notary('k'), notary('k')); strings.Contains(text, "kk") || strings.Contains(text, "107 107") {
		t.Error("a notary prints its key")
	}
}
