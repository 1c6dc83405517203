package apikey_test

import (
	"fmt"
	"log"
	"strings"
	"time"

	"latchkey/internal/apikey"
)

// A Format makes and reads the tokens of a deployment. A token prints nothing of itself.
func ExampleFormat() {
	format, err := apikey.NewFormat("sk")
	if err != nil {
		log.Fatal(err)
	}
	token, err := format.New(apikey.Live, strings.NewReader(strings.Repeat("\x05", 200))) // use crypto/rand
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(token, token.ID(), token.Environment())

	again, err := format.Parse(token.Reveal())
	fmt.Println(again.ID() == token.ID(), again.Native(), err)

	c := format.Credential("Bearer " + token.Reveal())
	fmt.Println(c.Token().ID() == token.ID(), c.Missing())
	// Output:
	// [redacted] 5555555555555555 live
	// true true <nil>
	// true false
}

// A Change sets the given fields of a key. Check refuses a value that is out of bounds.
func ExampleChange() {
	name, scopes := "backup", apikey.Scopes{"tts", "stt:*"}
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	change := apikey.Change{Name: &name, Scopes: &scopes}
	k := apikey.Key{Name: "old", Enabled: true, CreatedAt: now}
	if err := change.Check(now); err != nil {
		log.Fatal(err)
	}
	if err := change.Apply(&k); err != nil {
		log.Fatal(err)
	}
	fmt.Println(k.Name, k.Scopes, k.Enabled, k.Status(now))

	yesterday := now.AddDate(0, 0, -1)
	fmt.Println(apikey.Change{ExpiresAt: &yesterday}.Check(now))
	// Output:
	// backup [tts stt:*] true active
	// expiresAt must be in the future
}
