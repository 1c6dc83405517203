package registrytest

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/audit"
	"latchkey/internal/registry"
)

// change writes the next change of k with its audit entry and witness.
func change(t *testing.T, s Store, k *apikey.Key, isNew bool, edit func(*registry.Write)) error {
	t.Helper()
	n := audit.NewNotary([]byte("the key of a trail"))
	w := registry.Write{To: k, At: Morning().Add(time.Duration(k.Rev) * time.Minute)}
	place := audit.Place{Life: k.CreatedAt}
	if !isNew {
		from := *k
		w.From, place.Seq = &from, k.Rev+1
	}
	entry := audit.Entry{At: w.At, Action: "update", Subject: k.ID, Owner: k.UserID}
	sealed, head, witness, err := n.Append(k.Trail, place, entry, time.Hour)
	must(t, err)
	k.Trail = head
	record, err := s.Text(k, place.Seq)
	must(t, err)
	k.Trail.Seal = n.Seal(k.ID, place, record)
	w.Entry, w.Witness = &sealed, &witness
	if edit != nil {
		edit(&w)
	}
	return s.Write(t.Context(), w)
}

// numbers returns the sequence numbers of entries.
func numbers(entries []audit.Sealed) string {
	var all []string
	for _, e := range entries {
		all = append(all, strconv.FormatInt(e.Place.Seq, 10))
	}
	return strings.Join(all, " ")
}

var trailContracts = []contract{
	{"Trail returns the entries of a key in pages, newest first", func(t *testing.T, s Store) {
		k := NewKey(1, "u1")
		must(t, change(t, s, k, true, nil))
		for range 4 {
			must(t, change(t, s, k, false, nil))
		}
		for _, c := range []struct {
			since time.Time
			from  string
			limit int
			want  string
			next  bool
		}{
			{limit: 0, want: "4 3 2 1 0"},
			{limit: 2, want: "4 3", next: true},
			{limit: 2, from: audit.Place{Life: k.CreatedAt, Seq: 2}.String(), want: "2 1", next: true},
			{limit: 2, from: audit.Place{Life: k.CreatedAt, Seq: 1}.String(), want: "1 0"},
			{since: k.CreatedAt, limit: 0, want: "4 3 2 1 0"},
			{since: k.CreatedAt.Add(time.Millisecond), limit: 0, want: ""},
		} {
			entries, next, err := s.Trail(t.Context(), k.ID, c.since, c.from, c.limit)
			if err != nil || numbers(entries) != c.want || (next != "") != c.next {
				t.Errorf("%+v: %q, next %q, %v", c, numbers(entries), next, err)
			}
			if c.next && next != "" {
				rest, _, err := s.Trail(t.Context(), k.ID, time.Time{}, next, 1)
				if err != nil || len(rest) != 1 || rest[0].Place.Seq != entries[len(entries)-1].Place.Seq-1 {
					t.Errorf("from %s: %q, %v", next, numbers(rest), err)
				}
			}
		}
	}},
	{"UserTrail returns the entries of all keys of one user, newest first", func(t *testing.T, s Store) {
		for n, user := range []string{"u1", "u2", "u1"} {
			k := NewKey(n, user)
			must(t, change(t, s, k, true, nil))
			must(t, change(t, s, k, false, nil))
		}
		// It may miss the entries of the last moments.
		var entries []audit.Sealed
		for try := 0; try < 100 && len(entries) < 4; try++ {
			var err error
			entries, _, err = s.UserTrail(t.Context(), "u1", "", 0)
			must(t, err)
		}
		if !slices.IsSortedFunc(entries, func(a, b audit.Sealed) int {
			return strings.Compare(registry.TrailPosition(b), registry.TrailPosition(a))
		}) || len(entries) != 4 {
			t.Errorf("%d entries: %+v", len(entries), entries)
		}
		for _, e := range entries {
			if e.Owner != "u1" {
				t.Errorf("an entry of %s", e.Owner)
			}
		}
		first, next, err := s.UserTrail(t.Context(), "u1", "", 3)
		if err != nil || len(first) != 3 || next == "" {
			t.Fatalf("%d entries, next %q, %v", len(first), next, err)
		}
		if rest, next, err := s.UserTrail(t.Context(), "u1", next, 3); err != nil || len(rest) != 1 || next != "" {
			t.Errorf("the rest: %d entries, next %q, %v", len(rest), next, err)
		}
	}},
	{"AllTrails returns the place of each entry, and Entries what is there", func(t *testing.T, s Store) {
		want := make(map[registry.TrailPlace]string)
		for n, user := range []string{"u1", "u2", "u1"} {
			k := NewKey(n, user)
			for _, first := range []bool{true, false} {
				must(t, change(t, s, k, first, func(w *registry.Write) {
					e := w.Entry
					want[registry.TrailPlace{Position: registry.TrailPosition(*e), Subject: e.Subject, Place: e.Place}] = e.Text
				}))
			}
		}
		var places []registry.TrailPlace
		for try := 0; try < 100 && len(places) < len(want); try++ { // it may miss the last ones
			var err error
			places, err = s.AllTrails(t.Context(), len(want))
			must(t, err)
		}
		for _, p := range places {
			entries, err := s.Entries(t.Context(), []registry.TrailPlace{p})
			if err != nil || len(entries) != 1 || entries[0].Text != want[p] {
				t.Errorf("%+v: %+v, %v", p, entries, err)
			}
		}
		_, err := s.AllTrails(t.Context(), len(want)-1)
		if fails(t, "one too many", err, registry.ErrTooMany); len(places) != len(want) {
			t.Errorf("%d places of %d", len(places), len(want))
		}
		none := registry.TrailPlace{Subject: NewKey(9, "u1").ID, Place: places[0].Place}
		entries, err := s.Entries(t.Context(), append(places, none))
		if err != nil || len(entries) != len(want) {
			t.Errorf("%d entries, %v", len(entries), err)
		}
	}},
	{"An entry is stored as it was written, also after its key is deleted", func(t *testing.T, s Store) {
		k := NewKey(1, "u1")
		var written audit.Sealed
		must(t, change(t, s, k, true, func(w *registry.Write) { written = *w.Entry }))
		must(t, s.Write(t.Context(), registry.Write{From: k, Delete: true}))
		entries, _, err := s.Trail(t.Context(), k.ID, time.Time{}, "", 0)
		if err != nil || len(entries) != 1 {
			t.Fatalf("%d entries, %v", len(entries), err)
		}
		if got := entries[0]; got.Text != written.Text || string(got.Sum) != string(written.Sum) ||
			!got.Until.Equal(written.Until) || got.Owner != written.Owner {
			t.Errorf("stored %+v, wrote %+v", got, written)
		}
	}},
	{"The stored witness must fit the change, unless the change is checked", func(t *testing.T, s Store) {
		k := NewKey(1, "u1")
		must(t, change(t, s, k, true, nil))
		must(t, change(t, s, k, false, nil))
		if w, err := s.Witness(t.Context(), k.ID); err != nil || w.Place.Seq != 1 || w.Subject != k.ID {
			t.Errorf("witness: %+v, %v", w, err)
		}
		// The record is altered outside the service, without an entry.
		must(t, Update(t, s, k))
		fails(t, "a change", change(t, s, k, false, nil), apikey.ErrUnwitnessed)
		stored, err := s.Find(t.Context(), k.ID)
		must(t, err)
		must(t, change(t, s, stored.Key, false, func(w *registry.Write) { w.Checked = true }))
		// Another life of the key begins while the witness of the first is stored.
		must(t, s.Write(t.Context(), registry.Write{From: stored.Key, Delete: true}))
		fails(t, "another life", change(t, s, NewKey(1, "u1"), true, nil), apikey.ErrUnwitnessed)
		must(t, change(t, s, NewKey(1, "u1"), true, func(w *registry.Write) { w.Checked = true }))
	}},
}
