package audit_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"latchkey/internal/audit"
)

// The whole table was put back, or subjects are gone.
func TestACheckpointFindsDeedsThatTheTableDoesNotShow(t *testing.T) {
	n := notary('k')
	made := func(count int, last func(*audit.Entry)) trail {
		r := trail{now: noon}
		for i := range count {
			if i < count-1 {
				r.write(t, n, 365*day, nil)
			} else {
				r.write(t, n, 365*day, last)
			}
		}
		return r
	}
	last := func(e *audit.Entry) { e.Last = true }
	ends := func(e *audit.Entry) { e.Forgotten = e.At.Add(10 * day) }
	none := trail{subject: audit.Subject{ID: "k"}}
	untrailed := trail{subject: audit.Subject{ID: "k", Place: audit.Place{Life: noon, Seq: 3}}}
	at := noon.Add(20 * day) // the time of the checkpoint
	fork := made(2, nil)
	fork.now = fork.now.Add(time.Hour)
	fork.write(t, n, 365*day, nil)
	later := trail{now: at.Add(day)}
	later.write(t, n, 365*day, nil)
	again := made(3, last)
	again.now = at.Add(day)
	again.write(t, n, 365*day, nil)
	for name, c := range map[string]struct {
		then, now trail
		after     time.Duration
		want      string
	}{
		"nothing changed": {made(3, nil), made(3, nil), day, ""},
		"it was changed":  {made(3, nil), made(5, nil), day, ""},
		"it was put back": {
			made(3, nil), made(2, nil), day,
			"#000000002 was there at the checkpoint: the subject was put back to entry 2026-11-24T12:00:00.000Z#000000001",
		},
		"it was put back, and changed": {made(3, nil), fork, day, "#000000002 is not the one of the checkpoint"},
		"all of it is gone": {
			made(3, nil), none, day, "#000000002 was there at the checkpoint, and nothing of its subject is left",
		},
		"it was deleted long ago":        {made(3, last), none, 400 * day, ""},
		"it was deleted since, long ago": {made(3, nil), none, 366 * day, ""},
		"it was deleted since":           {made(3, nil), made(4, last), day, ""},
		"it ended by itself":             {made(3, ends), none, day, ""},
		"it was deleted, and is there": {
			made(3, last), made(2, nil), day, "#000000002 was there at the checkpoint: the subject was put back",
		},
		"it was deleted, and begun again": {made(3, last), again, 2 * day, ""},
		"it was made since":               {none, later, 2 * day, ""},
		"it was made before, and forgotten": {
			none, made(3, nil), day, "#000000002 is of a life that was over at the checkpoint",
		},
		"it has no trail yet":            {untrailed, untrailed, day, ""},
		"it has a trail by now":          {untrailed, made(5, nil), day, ""},
		"its trail is gone":              {made(3, nil), untrailed, day, "has no trail any more"},
		"one without a trail is gone":    {untrailed, none, day, "#000000003 was there at the checkpoint, and nothing"},
		"one without a trail was put in": {none, untrailed, day, "#000000003 has no trail, and its subject was not there"},
	} {
		point := audit.Checkpoint{At: at, Marks: map[string]audit.Mark{}}
		if m := audit.MarkOf(c.then.subject, c.then.witness, c.then.entries); m != nil {
			point.Marks["k"] = *m
		}
		text, err := n.WriteCheckpoint(point)
		if err != nil {
			t.Fatal(err)
		}
		if point, err = n.ReadCheckpoint(text); err != nil {
			t.Fatal(err)
		}
		now := at.Add(c.after)
		if err := c.now.check(n, now); err != nil {
			t.Errorf("%s: the trail alone: %v", name, err)
		}
		err = point.Compare(c.now.subject, c.now.witness, c.now.entries, 365*day, now)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestACheckpointIsSigned(t *testing.T) {
	n := notary('k')
	r := trail{now: noon}
	r.write(t, n, day, nil)
	text, err := n.WriteCheckpoint(audit.Checkpoint{At: noon, Marks: map[string]audit.Mark{"k": *audit.MarkOf(r.subject, r.witness, r.entries)}})
	if err != nil {
		t.Fatal(err)
	}
	for name, other := range map[string]string{
		"another place":   strings.Replace(string(text), `"seq":0`, `"seq":1`, 1),
		"another time":    strings.Replace(string(text), `"at":"2026`, `"at":"2025`, 1),
		"another subject": strings.Replace(string(text), `"k":`, `"l":`, 1),
		"no seal":         `{"at":"2026-11-24T12:00:00Z","marks":{}}`, "nothing": "", "no JSON": "x",
	} {
		if other == string(text) {
			t.Errorf("%s: %s", name, text)
		}
		if _, err := n.ReadCheckpoint([]byte(other)); !errors.Is(err, audit.ErrNotACheckpoint) {
			t.Errorf("%s is read: %v", name, err)
		}
	}
	if _, err := notary('x').ReadCheckpoint(text); !errors.Is(err, audit.ErrNotACheckpoint) {
		t.Errorf("another deployment's is read: %v", err)
	}
}

// A subject of a version without trails has a trail from its next change on. Its earlier state
// stays unknown.
func TestATrailMayBeginLate(t *testing.T) {
	n := notary('k')
	r := trail{now: noon, subject: audit.Subject{ID: "k", Place: audit.Place{Life: noon.Add(-day), Seq: 3}}}
	standing := func(want audit.Standing) {
		t.Helper()
		if got, err := n.Check(r.subject, r.witness, r.entries, r.now); got != want || err != nil {
			t.Errorf("%d, %v, want %d", got, err, want)
		}
	}
	standing(audit.Untrailed)
	r.write(t, n, 10*day, nil)
	standing(audit.Partial)
	r.write(t, n, 10*day, nil)
	standing(audit.Partial)
	r.drop(0)
	if err := r.check(n, r.now); err == nil {
		t.Error("the first entry is removed, and is not missed")
	}
	r.now = r.now.Add(9 * day) // the entry is forgotten
	standing(audit.Authentic)
}
