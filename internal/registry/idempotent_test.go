package registry_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/apikey"
	"latchkey/internal/apikey/apikeytest"
	"latchkey/internal/audit"
	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/registry"
)

// asking is who with a name for the request.
func asking(who registry.Caller, key, body string) registry.Caller {
	who.Idempotency = registry.Idempotency{Key: key, Body: []byte(body)}
	return who
}

const name = "a-name-of-my-own"

func TestARequestMadeAgainIsAnsweredAsBefore(t *testing.T) {
	b := newBench(t)
	root, other := b.caller(t, "root", admin), b.caller(t, "root", admin)
	create := func(who registry.Caller) (string, error) {
		_, token, err := b.Registry.Create(t.Context(), who, "u1", apikey.Live, apikey.Change{})
		return token.Reveal(), err
	}
	rotate := func(id string) func(registry.Caller) (string, error) {
		return func(who registry.Caller) (string, error) {
			i, err := b.Registry.Rotate(t.Context(), who, id, time.Hour)
			return i.Token.Reveal(), err
		}
	}
	one, two := b.Issue(t, b.Token(t), nil).ID, b.Issue(t, b.Token(t), nil).ID
	seen := make(map[string]string)
	for _, c := range []struct {
		name string
		pass time.Duration
		do   func(registry.Caller) (string, error)
		who  registry.Caller
		same string // the step whose answer it repeats; empty: a new one
		err  error
	}{
		{"created", 0, create, asking(root, name, "x"), "", nil},
		{"again", 0, create, asking(root, name, "x"), "created", nil},
		{"much later", 24*time.Hour - time.Millisecond, create, asking(root, name, "x"), "created", nil},
		{"another body", 0, create, asking(root, name, "y"), "", apikey.ErrReused},
		{"rotated by that name", 0, rotate(one), asking(root, name, "x"), "", apikey.ErrReused},
		{"another caller", 0, create, asking(other, name, "y"), "", nil},
		{"another name", 0, create, asking(root, name+"!", "x"), "", nil},
		{"no name", 0, create, root, "", nil},
		{"no name again", 0, create, root, "", nil},
		{"after a day", time.Millisecond, create, asking(root, name, "y"), "", nil},
		{"and again", 0, create, asking(root, name, "y"), "after a day", nil},
		{"rotated", 0, rotate(one), asking(root, name+"-1", "x"), "", nil},
		{"rotated again", 0, rotate(one), asking(root, name+"-1", "x"), "rotated", nil},
		{"another key rotated", 0, rotate(two), asking(root, name+"-1", "x"), "", apikey.ErrReused},
		{"rotated with another name", 0, rotate(one), asking(root, name+"-2", "x"), "", apikey.ErrTwoSecrets},
		{"rotated with it when it can be", time.Hour, rotate(one), asking(root, name+"-2", "x"), "", nil},
		{"a name that is short", 0, create, asking(root, "fifteen-letters", "x"), "", apikey.ErrInvalid},
		{"a name that is long", 0, create, asking(root, strings.Repeat("n", 256), "x"), "", apikey.ErrInvalid},
		{"a name with a space", 0, create, asking(root, "a name of my own", "x"), "", apikey.ErrInvalid},
		{"a name in Greek", 0, create, asking(root, "ένα δικό μου όνομα", "x"), "", apikey.ErrInvalid},
	} {
		b.Clock.Pass(c.pass)
		token, err := c.do(c.who)
		if !errors.Is(err, c.err) || (c.err == nil) != (token != "") {
			t.Errorf("%s: %v, want %v", c.name, err, c.err)
			continue
		}
		for before, other := range seen {
			if (token == other) != (before == c.same) && err == nil {
				t.Errorf("%s: the same as %s: %v", c.name, before, token == other)
			}
		}
		if c.same == "" && err == nil {
			seen[c.name] = token
		}
	}
}

// The whole record comes back, as it was, whatever became of the key.
func TestARepeatedAnswerIsTheSame(t *testing.T) {
	b := newBench(t)
	root := b.caller(t, "root", admin)
	k := b.Issue(t, b.Token(t), func(k *apikey.Key) {
		k.Name, k.Metadata, k.ExpiresAt = "n", map[string]string{"a": "b"}, apikeytest.Noon.Add(48*time.Hour)
	})
	who := asking(root, name, "x")
	first := b.rotate(t, who, k.ID, time.Hour)
	if _, err := b.Registry.Update(t.Context(), root, k.ID, to(apikey.Change{Name: ptr("m")})); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Registry.Revoke(t.Context(), root, k.ID, ""); err != nil {
		t.Fatal(err)
	}
	again := b.rotate(t, who, k.ID, time.Hour)
	if first.Token.Reveal() != again.Token.Reveal() || !first.Previous.Equal(again.Previous) || !first.At.Equal(again.At) {
		t.Errorf("the answer is another: %v and %v", first, again)
	}
	want := *first.Key
	want.Secrets, want.Trail = nil, audit.Head{}
	if diff := cmp.Diff(&want, again.Key); diff != "" || want.Rev != 1 {
		t.Errorf("the record is another (-first +again):\n%s", diff)
	}
}

// listener keeps all that is written to the table.
type listener struct {
	next http.RoundTripper
	mu   sync.Mutex
	all  bytes.Buffer
}

func (l *listener) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.all.Write(body)
	l.mu.Unlock()
	r.Body = io.NopCloser(bytes.NewReader(body))
	return l.next.RoundTrip(r)
}

func TestTheTableAloneOpensNoReply(t *testing.T) {
	options := dynamotest.Options(t)
	heard := &listener{next: options.Transport}
	options.Transport = heard
	b := newBenchBefore(t, dynamo.Open(options))
	sealed := &replies{Store: b.Options.Store}
	b.Configure(func(o *registry.Options) { o.Store = sealed })
	root := b.caller(t, "root", admin)
	who := asking(root, name, "the body")
	_, token, err := b.Registry.Create(t.Context(), who, "u1", apikey.Live, apikey.Change{})
	if err != nil {
		t.Fatal(err)
	}
	if len(sealed.last.Sealed) == 0 || bytes.Contains(sealed.last.Sealed, []byte(token.Reveal()[8:24])) {
		t.Error("the reply is not sealed")
	}
	for what, text := range map[string]string{"token": token.Reveal()[24:], "name": name, "body": "the body"} {
		if strings.Contains(heard.all.String(), text) {
			t.Errorf("the %s is in the table", what)
		}
	}
	// A stored reply does not open for another name, for another request, or without the pepper.
	stored := sealed.last
	sealed.stands = &stored
	if _, _, err := b.Registry.Create(t.Context(), asking(root, name+"!", "the body"), "u1", apikey.Live, apikey.Change{}); err == nil || errors.Is(err, apikey.ErrConflict) {
		t.Errorf("under another name: %v", err)
	}
	b.Hasher = apikeytest.NewHasher(t, strings.Repeat("x", 32))
	if _, _, err := b.Registry.Create(t.Context(), who, "u1", apikey.Live, apikey.Change{}); err == nil {
		t.Error("it is opened with another secret")
	}
	b.Hasher = apikeytest.NewHasher(t, apikeytest.Master, "a-newer-pepper-of-16")
	sealed.stands = nil
	if _, again, err := b.Registry.Create(t.Context(), who, "u1", apikey.Live, apikey.Change{}); err != nil || again.Reveal() != token.Reveal() {
		t.Errorf("after a newer pepper came: %v", err)
	}
}

// An attacker who can only write to the table may copy one caller's reply to the place of another's
// request. A reply opens only for its caller, its request and its Idempotency-Key. Any other stored
// text is refused, and the caller never gets a token.
func TestAReplyOpensForItsOwnRequestOnly(t *testing.T) {
	b := newBench(t)
	sealed := &replies{Store: b.Options.Store}
	b.Configure(func(o *registry.Options) { o.Store = sealed })
	root, other := b.caller(t, "root", admin), b.caller(t, "root", admin)
	user := registry.Caller{UserID: "u1", Scopes: apikey.Scopes{apikey.ScopeWrite}}
	b.Configure(func(o *registry.Options) { o.Users = &apikey.Key{Limit: apikey.DefaultLimit()} })
	k := b.Issue(t, b.Token(t), nil)
	create := func(who registry.Caller) (apikey.Token, error) {
		_, token, err := b.Registry.Create(t.Context(), who, "", apikey.Live, apikey.Change{})
		return token, err
	}
	rotate := func(id string) func(registry.Caller) (apikey.Token, error) {
		return func(who registry.Caller) (apikey.Token, error) {
			issued, err := b.Registry.Rotate(t.Context(), who, id, 0)
			return issued.Token, err
		}
	}
	made, err := create(asking(root, name, "x"))
	if err != nil {
		t.Fatal(err)
	}
	stored := sealed.last
	broken, short := stored, stored
	broken.Sealed = append(bytes.Clone(stored.Sealed[:len(stored.Sealed)-1]), stored.Sealed[len(stored.Sealed)-1]^1)
	short.Sealed = stored.Sealed[:4]
	for _, c := range []struct {
		name   string
		stands registry.Reply
		do     func(registry.Caller) (apikey.Token, error)
		who    registry.Caller
		want   error
	}{
		{"its own request", stored, create, asking(root, name, "x"), nil},
		{"another key of the same user", stored, create, asking(other, name, "x"), apikey.ErrUnreadableReply},
		{"a user without a key", stored, create, asking(user, name, "x"), apikey.ErrUnreadableReply},
		{"another name", stored, create, asking(root, name+"!", "x"), apikey.ErrUnreadableReply},
		{"another body", stored, create, asking(root, name, "y"), apikey.ErrReused},
		{"another operation", stored, rotate(k.ID), asking(root, name, "x"), apikey.ErrReused},
		{"altered", broken, create, asking(root, name, "x"), apikey.ErrUnreadableReply},
		{"cut off", short, create, asking(root, name, "x"), apikey.ErrUnreadableReply},
	} {
		sealed.stands = &c.stands
		token, err := c.do(c.who)
		if !errors.Is(err, c.want) || (c.want == nil) != (token.Reveal() == made.Reveal()) || c.want != nil && token.Reveal() != "" {
			t.Errorf("%s: %v, want %v; a token: %v", c.name, err, c.want, token.Reveal() != "")
		}
	}
}

// replies is a real table that shows the reply it was given last, and may hand out
// one for any name.
type replies struct {
	registry.Store
	last   registry.Reply
	stands *registry.Reply
}

func (r *replies) Write(ctx context.Context, changes ...registry.Write) error {
	if changes[0].Reply != nil {
		r.last = *changes[0].Reply
	}
	return r.Store.Write(ctx, changes...)
}

func (r *replies) Reply(ctx context.Context, name string) (registry.Reply, error) {
	if r.stands != nil {
		return *r.stands, nil
	}
	return r.Store.Reply(ctx, name)
}

// Two at once are answered alike, or one of them is told to come again.
func TestTwoAtOnceMakeOneChange(t *testing.T) {
	b := newBench(t)
	root := b.caller(t, "root", admin)
	k := b.Issue(t, b.Token(t), nil)
	for what, do := range map[string]func(registry.Caller) (string, error){
		"create": func(who registry.Caller) (string, error) {
			_, token, err := b.Registry.Create(t.Context(), who, "u1", apikey.Live, apikey.Change{})
			return token.Reveal(), err
		},
		"rotate": func(who registry.Caller) (string, error) {
			i, err := b.Registry.Rotate(t.Context(), who, k.ID, time.Hour)
			return i.Token.Reveal(), err
		},
	} {
		var mu sync.Mutex
		answers := make(map[string]int)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				token, err := do(asking(root, name+what, "x"))
				if err != nil && !errors.Is(err, apikey.ErrConflict) {
					t.Errorf("%s: %v", what, err)
				}
				mu.Lock()
				defer mu.Unlock()
				answers[token]++
			})
		}
		wg.Wait()
		if delete(answers, ""); len(answers) != 1 {
			t.Errorf("%s: %d answers", what, len(answers))
		}
	}
	keys, err := b.Options.Store.List(t.Context(), "u1", registry.Position{}, 10)
	if err != nil || len(keys) != 2 {
		t.Errorf("%d keys, %v", len(keys), err)
	}
}

// Whatever is let down, asking again until there is an answer makes one change.
func TestARequestIsRepeatedUntilItIsAnswered(t *testing.T) {
	everyFault(t, func(t *testing.T, b *bench, root registry.Caller, inject func()) {
		who := asking(root, name, "x")
		user := "a user of " + root.KeyID
		k := b.Issue(t, b.Token(t), nil)
		inject()
		created, token, err := b.Registry.Create(t.Context(), who, user, apikey.Live, apikey.Change{})
		inject()
		again, repeated, againErr := b.Registry.Create(t.Context(), who, user, apikey.Live, apikey.Change{})
		keys, listErr := b.Options.Store.List(t.Context(), user, registry.Position{}, 10)
		if againErr != nil || listErr != nil || len(keys) != 1 || keys[0].ID != again.ID {
			t.Errorf("after %v: %v, %d keys, %v", err, againErr, len(keys), listErr)
		}
		if err == nil && (created.ID != again.ID || token.Reveal() != repeated.Reveal()) {
			t.Error("another key was created")
		}
		who = asking(root, name+"-2", "x")
		inject()
		issued, err := b.Registry.Rotate(t.Context(), who, k.ID, time.Hour)
		inject()
		second := b.rotate(t, who, k.ID, time.Hour)
		if err == nil && issued.Token.Reveal() != second.Token.Reveal() {
			t.Error("another token was made")
		}
		if v := b.Check(t, b.Gate(0), second.Token.Reveal()); !v.Valid() || v.Key.Rev != 1 {
			t.Errorf("after %v: %s", err, v.Code)
		}
	})
}
