package picture_test

import (
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/apikey/apikeytest"
	"latchkey/internal/docs/picture"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

func TestMain(m *testing.M) { dynamotest.Main(m) }

// root stores an admin key and returns its caller.
func root(t *testing.T, d *apikeytest.Deployment) registry.Caller {
	t.Helper()
	k := d.Issue(t, d.Token(t), func(k *apikey.Key) { k.Scopes, k.UserID = apikey.Scopes{apikey.ScopeAdmin}, "admin" })
	return registry.Caller{KeyID: k.ID, UserID: k.UserID, Scopes: k.Scopes}
}

// A key is rotated twice and revoked, on a real table. In between, each of its tokens is tried every
// quarter of an hour.
func TestThePictureOfARotationIsTheOneThatIsDrawn(t *testing.T) {
	const hours, step = 72, 15 * time.Minute
	d := apikeytest.New(t, dynamotest.NewTable(t))
	admin, gate := root(t, d), d.Gate(0)
	first := d.Token(t)
	k := d.Issue(t, first, func(k *apikey.Key) { k.Limit = ratelimit.Limit{Requests: 1000, Window: time.Minute} })
	tokens := []apikey.Token{first}
	rows := []picture.Token{{Name: "first token"}, {Name: "second token"}, {Name: "third token"}}
	rotate := func(grace time.Duration) {
		issued, err := d.Registry.Rotate(t.Context(), admin, k.ID, grace)
		if err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, issued.Token)
	}
	does := map[time.Duration]func(){
		12 * time.Hour: func() { rotate(24 * time.Hour) },
		48 * time.Hour: func() { rotate(0) },
		66 * time.Hour: func() {
			if _, err := d.Registry.Revoke(t.Context(), admin, k.ID, ""); err != nil {
				t.Fatal(err)
			}
		},
	}
	begin := d.Clock.Time()
	for at := time.Duration(0); at < hours*time.Hour; at += step {
		// A rotation itself takes a moment.
		d.Clock.Pass(at - d.Clock.Time().Sub(begin))
		if do := does[at]; do != nil {
			do()
		}
		for i, token := range tokens {
			if v := d.Check(t, gate, token.Reveal()); v.Code != apikey.CodeValid {
				continue
			}
			spans := &rows[i].Accepted
			if last := len(*spans) - 1; last >= 0 && (*spans)[last].To == at {
				(*spans)[last].To += step
			} else {
				*spans = append(*spans, picture.Span{From: at, To: at + step})
			}
		}
	}
	for i, want := range []picture.Span{{From: 0, To: 36 * time.Hour}, {From: 12 * time.Hour, To: 48 * time.Hour}, {From: 48 * time.Hour, To: 66 * time.Hour}} {
		if got := rows[i].Accepted; len(got) != 1 || got[0] != want {
			t.Errorf("the %s was accepted in %v, want %v", rows[i].Name, got, want)
		}
	}
	check(t, "rotation.svg", picture.Rotation(hours, rows, []picture.Event{
		{At: 12 * time.Hour, Name: "rotate, grace 24 h"}, {At: 48 * time.Hour, Name: "rotate, grace 0"}, {At: 66 * time.Hour, Name: "revoke"},
	}))
}
