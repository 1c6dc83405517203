package audit_test

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"latchkey/internal/audit"
)

// A subject is created and then changed. Its trail shows that someone altered its record
// afterwards.
func Example() {
	notary := audit.NewNotary([]byte(strings.Repeat("k", 32)))
	created := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)

	var subject audit.Subject
	var witness audit.Witness
	var trail []audit.Sealed
	for seq, action := range []string{"create", "disable"} {
		at := created.Add(time.Duration(seq) * time.Hour)
		place := audit.Place{Life: created, Seq: int64(seq)}
		entry := audit.Entry{Subject: "key 1", Owner: "ada", At: at, Action: action}
		sealed, head, w, err := notary.Append(subject.Head, place, entry, 365*24*time.Hour)
		if err != nil {
			fmt.Println(err)
			return
		}
		record := []byte("the attributes after " + action)
		head.Seal = notary.Seal("key 1", place, record)
		subject = audit.Subject{ID: "key 1", Place: place, Head: head, Record: record}
		witness, trail = w, append(trail, sealed)
	}

	later := created.Add(24 * time.Hour)
	standing, err := notary.Check(subject, witness, trail, later)
	fmt.Println("key 1", standing, err)

	subject.Record = []byte("the attributes after create") // it was never disabled, an attacker says
	_, err = notary.Check(subject, witness, trail, later)
	var broken *audit.Break
	if errors.As(err, &broken) {
		fmt.Println("entry", broken.Place, broken.Problem)
	}
	// Output:
	// key 1 is as written <nil>
	// entry 2026-11-24T08:00:00.000Z#000000001 does not fit the subject's record, which was altered
}

// A checkpoint that is stored elsewhere shows that a subject was removed with everything about it.
func ExampleCheckpoint_Compare() {
	notary := audit.NewNotary([]byte(strings.Repeat("k", 32)))
	created := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	retention := 365 * 24 * time.Hour
	place := audit.Place{Life: created}
	sealed, _, witness, err := notary.Append(audit.Head{}, place, audit.Entry{Subject: "key 1", At: created}, retention)
	if err != nil {
		fmt.Println(err)
		return
	}
	checkpoint := audit.Checkpoint{At: created.Add(time.Hour), Marks: map[string]audit.Mark{
		"key 1": *audit.MarkOf(audit.Subject{ID: "key 1"}, witness, []audit.Sealed{sealed}),
	}}

	gone := audit.Subject{ID: "key 1"}
	fmt.Println(checkpoint.Compare(gone, audit.Witness{}, nil, retention, created.Add(2*time.Hour)))
	// Output: key 1: entry 2026-11-24T08:00:00.000Z#000000000 was there at the checkpoint, and nothing of its subject is left
}
