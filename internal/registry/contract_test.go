package registry_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/apikey/apikeytest"
	"latchkey/internal/audit"
	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/gate"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

// trap is a real table that calls spring before each method, by its name. An error of spring is
// the method's.
type trap struct {
	apikeytest.Store
	meters ratelimit.Store
	spring func(ctx context.Context, method string) error
}

var (
	_ registry.Store  = (*trap)(nil)
	_ ratelimit.Store = (*trap)(nil)
)

func (t *trap) Find(ctx context.Context, id string) (apikey.Record, error) {
	if err := t.spring(ctx, "Find"); err != nil {
		return apikey.Record{}, err
	}
	return t.Store.Find(ctx, id)
}

func (t *trap) Resolve(ctx context.Context, alias string) (string, error) {
	if err := t.spring(ctx, "Resolve"); err != nil {
		return "", err
	}
	return t.Store.Resolve(ctx, alias)
}

func (t *trap) Meter(ctx context.Context, id string) (ratelimit.Meter, error) {
	if err := t.spring(ctx, "Meter"); err != nil {
		return ratelimit.Meter{}, err
	}
	return t.Store.Meter(ctx, id)
}

func (t *trap) Rehash(ctx context.Context, from, to *apikey.Key, n int) error {
	if err := t.spring(ctx, "Rehash"); err != nil {
		return err
	}
	return t.Store.Rehash(ctx, from, to, n)
}

func (t *trap) Text(k *apikey.Key, rev int64) ([]byte, error) {
	if err := t.spring(nil, "Text"); err != nil {
		return nil, err
	}
	return t.Store.Text(k, rev)
}

func (t *trap) Write(ctx context.Context, changes ...registry.Write) error {
	if err := t.spring(ctx, "Write"); err != nil {
		return err
	}
	return t.Store.Write(ctx, changes...)
}

func (t *trap) Trail(ctx context.Context, id string, since time.Time, from string, limit int) ([]audit.Sealed, string, error) {
	if err := t.spring(ctx, "Trail"); err != nil {
		return nil, "", err
	}
	return t.Store.Trail(ctx, id, since, from, limit)
}

func (t *trap) UserTrail(ctx context.Context, userID, from string, limit int) ([]audit.Sealed, string, error) {
	if err := t.spring(ctx, "UserTrail"); err != nil {
		return nil, "", err
	}
	return t.Store.UserTrail(ctx, userID, from, limit)
}

func (t *trap) AllTrails(ctx context.Context, most int) ([]registry.TrailPlace, error) {
	if err := t.spring(ctx, "AllTrails"); err != nil {
		return nil, err
	}
	return t.Store.AllTrails(ctx, most)
}

func (t *trap) Entries(ctx context.Context, places []registry.TrailPlace) ([]audit.Sealed, error) {
	if err := t.spring(ctx, "Entries"); err != nil {
		return nil, err
	}
	return t.Store.Entries(ctx, places)
}

func (t *trap) Stored(ctx context.Context, id string) (*apikey.Key, []byte, error) {
	if err := t.spring(ctx, "Stored"); err != nil {
		return nil, nil, err
	}
	return t.Store.Stored(ctx, id)
}

func (t *trap) Witness(ctx context.Context, id string) (audit.Witness, error) {
	if err := t.spring(ctx, "Witness"); err != nil {
		return audit.Witness{}, err
	}
	return t.Store.Witness(ctx, id)
}

func (t *trap) Reply(ctx context.Context, name string) (registry.Reply, error) {
	if err := t.spring(ctx, "Reply"); err != nil {
		return registry.Reply{}, err
	}
	return t.Store.Reply(ctx, name)
}

func (t *trap) List(ctx context.Context, userID string, after registry.Position, limit int) ([]*apikey.Key, error) {
	if err := t.spring(ctx, "List"); err != nil {
		return nil, err
	}
	return t.Store.List(ctx, userID, after, limit)
}

func (t *trap) Records(ctx context.Context, ids []string) (map[string]apikey.Record, error) {
	if err := t.spring(ctx, "Records"); err != nil {
		return nil, err
	}
	return t.Store.Records(ctx, ids)
}

func (t *trap) Meters(ctx context.Context, ids []string) (map[string]ratelimit.Meter, error) {
	if err := t.spring(ctx, "Meters"); err != nil {
		return nil, err
	}
	return t.Store.Meters(ctx, ids)
}

func (t *trap) Usage(ctx context.Context, id string, from, to ratelimit.Date) ([]ratelimit.DayUsage, error) {
	if err := t.spring(ctx, "Usage"); err != nil {
		return nil, err
	}
	return t.Store.Usage(ctx, id, from, to)
}

func (t *trap) Usages(ctx context.Context, ids []string, from, to ratelimit.Date) (map[string][]ratelimit.DayUsage, error) {
	if err := t.spring(ctx, "Usages"); err != nil {
		return nil, err
	}
	return t.Store.Usages(ctx, ids, from, to)
}

func (t *trap) ListAll(ctx context.Context, userID string, most int) ([]*apikey.Key, error) {
	if err := t.spring(ctx, "ListAll"); err != nil {
		return nil, err
	}
	return t.Store.ListAll(ctx, userID, most)
}

func (t *trap) Recount(ctx context.Context, userID string, now time.Time) (registry.Places, error) {
	if err := t.spring(ctx, "Recount"); err != nil {
		return registry.Places{}, err
	}
	return t.Store.Recount(ctx, userID, now)
}

func (t *trap) Places(ctx context.Context, userID string, now time.Time) (registry.Places, error) {
	if err := t.spring(ctx, "Places"); err != nil {
		return registry.Places{}, err
	}
	return t.Store.Places(ctx, userID, now)
}

func (t *trap) Refused(ctx context.Context, keys []*apikey.Key, from, to ratelimit.Date) (map[string]apikey.Refusals, error) {
	if err := t.spring(ctx, "Refused"); err != nil {
		return nil, err
	}
	return t.Store.Refused(ctx, keys, from, to)
}

func (t *trap) OlderUses(ctx context.Context, ids []string) (map[string]time.Time, error) {
	if err := t.spring(ctx, "OlderUses"); err != nil {
		return nil, err
	}
	return t.Store.OlderUses(ctx, ids)
}

func (t *trap) Spend(ctx context.Context, id string, s ratelimit.Spend) (ratelimit.Meter, error) {
	if err := t.spring(ctx, "Spend"); err != nil {
		return ratelimit.Meter{}, err
	}
	return t.meters.Spend(ctx, id, s)
}

func (t *trap) RecordUsage(ctx context.Context, id string, days []ratelimit.DayUsage) error {
	if err := t.spring(ctx, "RecordUsage"); err != nil {
		return err
	}
	return t.meters.RecordUsage(ctx, id, days)
}

func (t *trap) Touch(ctx context.Context, id string, at time.Time) error {
	if err := t.spring(ctx, "Touch"); err != nil {
		return err
	}
	return t.meters.Touch(ctx, id, at)
}

// deed is one operation: its preparation, and the call itself. It may be done twice.
type deed struct {
	name    string
	prepare func(t *testing.T, b *bench, root registry.Caller) (do func(context.Context) error)
	// without are methods without which it is done all the same, when they fail or do not answer.
	without []string
}

func pass(b *bench, g *gate.Gate, token string, cost int64) func(context.Context) error {
	return func(ctx context.Context) error {
		v, err := g.Check(ctx, gate.Request{Credential: b.Format.Credential(token), Cost: cost})
		if err == nil && !v.Valid() {
			err = fmt.Errorf("refused: %s", v.Code)
		}
		return err
	}
}

var deeds = []deed{
	{"a key is checked on the day after it was used", func(t *testing.T, b *bench, _ registry.Caller) func(context.Context) error {
		token := b.Token(t)
		b.Issue(t, token, nil)
		for range 2 { // the first use on a day leaves the mark of the day before
			if err := pass(b, b.Gate(0), token.Reveal(), 1)(t.Context()); err != nil {
				t.Fatal(err)
			}
			b.Clock.Pass(24 * time.Hour)
		}
		return pass(b, b.Gate(0), token.Reveal(), 1)
	}, []string{"RecordUsage"}}, // the marks stay until the day is recorded
	{"a foreign token is checked, of which only the plain hash is stored", func(t *testing.T, b *bench, _ registry.Caller) func(context.Context) error {
		token := b.Foreign()
		b.Issue(t, token, func(k *apikey.Key) {
			k.Secrets = []apikey.Secret{b.Hasher.HashOf(sha256.Sum256([]byte(token.Reveal())))}
		})
		return pass(b, b.Gate(0), token.Reveal(), 1)
	}, []string{"Text", "Rehash"}}, // the hash stays as it was
	{"an unlimited key is checked", func(t *testing.T, b *bench, _ registry.Caller) func(context.Context) error {
		token := b.Token(t)
		b.Issue(t, token, func(k *apikey.Key) { k.Unlimited = true })
		return pass(b, b.Gate(0), token.Reveal(), 1)
	}, []string{"Touch"}}, // it is only noted
	{"an upstream's key is looked at", func(t *testing.T, b *bench, _ registry.Caller) func(context.Context) error {
		b.Upstream = apikeytest.Saying(apikey.Verdict{Code: apikey.CodeValid, Key: &apikey.Key{
			ID: "upstream-k", UserID: "u1", Enabled: true, Limit: apikey.DefaultLimit(),
		}})
		g := b.Gate(0)
		b.Upstream = nil
		return pass(b, g, b.Foreign().Reveal(), 0)
	}, nil},
	{"a key is made, which is one too many before they are counted again", func(t *testing.T, b *bench, _ registry.Caller) func(context.Context) error {
		return func(ctx context.Context) error {
			copied := *b.Deployment
			behind := bench{&copied} // the trap
			behind.Options.Store = b.Options.Store.(*trap).Store
			behind.Registry = registry.New(behind.Options)
			user := fmt.Sprintf("u%d", b.Count())
			own := behind.caller(t, user, nil)
			own.Idempotency = registry.Idempotency{Key: "a-request-of-16-characters"}
			for range b.Options.MaxKeys {
				behind.Issue(t, behind.Token(t), func(k *apikey.Key) { k.UserID = user })
			}
			_, _, err := b.Registry.Create(ctx, own, user, apikey.Live, apikey.Change{})
			if errors.Is(err, apikey.ErrTooManyKeys) {
				err = nil
			}
			return err
		}
	}, nil},
	{"a key is found, changed and rotated", func(t *testing.T, b *bench, root registry.Caller) func(context.Context) error {
		return func(ctx context.Context) error {
			k, _, err := b.Registry.Create(ctx, root, "u1", apikey.Live, apikey.Change{})
			if err != nil {
				return err
			}
			if _, err := b.Registry.Find(ctx, root, k.ID); err != nil {
				return err
			}
			if _, err := b.Registry.Update(ctx, root, k.ID, func(*apikey.Key) (apikey.Change, error) {
				name := "n"
				return apikey.Change{Name: &name}, nil
			}); err != nil {
				return err
			}
			issued, err := b.Registry.Rotate(ctx, root, k.ID, time.Hour)
			if err != nil {
				return err
			}
			_, err = b.Registry.Bounded(ctx, apikey.Record{Key: issued.Key})
			return err
		}
	}, nil},
	{"a caller asks what it may grant", func(t *testing.T, b *bench, _ registry.Caller) func(context.Context) error {
		own := b.caller(t, "u-grants", nil)
		return func(ctx context.Context) error {
			g, err := b.Registry.Grants(ctx, own)
			if err == nil && !g.Write {
				err = errors.New("it may change nothing")
			}
			return err
		}
	}, nil},
	{"keys and trails are listed", func(t *testing.T, b *bench, root registry.Caller) func(context.Context) error {
		k, _, err := b.Registry.Create(t.Context(), root, "u1", apikey.Live, apikey.Change{})
		if err != nil {
			t.Fatal(err)
		}
		return func(ctx context.Context) error {
			_, err := b.Registry.List(ctx, root, registry.Query{UserID: "u1", Limit: 10})
			if err == nil {
				_, _, err = b.Registry.Records(ctx, root, registry.Query{UserID: "u1", Limit: 10})
			}
			if err == nil {
				var records []apikey.Record
				records, _, err = b.Registry.Records(ctx, root, registry.Query{All: true, Sort: registry.SortSpent, Limit: 10})
				if err == nil {
					_, err = b.Registry.UsageOf(ctx, records, registry.Days{From: apikeytest.Noon.AddDate(0, 0, -1), To: apikeytest.Noon})
				}
			}
			if err == nil {
				_, _, err = b.Registry.Records(ctx, root, registry.Query{UserID: "u1", NeverUsed: true, Limit: 10})
			}
			if err == nil {
				_, err = b.Registry.Trail(ctx, root, k.ID, "", 10)
			}
			if err == nil {
				_, err = b.Registry.UserTrail(ctx, root, registry.TrailQuery{UserID: "u1", Limit: 10})
			}
			if err == nil {
				_, err = b.Registry.UserTrail(ctx, root, registry.TrailQuery{All: true, Limit: 10})
			}
			if err == nil {
				_, err = b.Registry.CheckTrail(ctx, k.ID)
			}
			return err
		}
	}, nil},
	{"a user's usage is summed up", func(t *testing.T, b *bench, root registry.Caller) func(context.Context) error {
		for range 3 {
			b.Issue(t, b.Token(t), func(k *apikey.Key) { k.UserID = "u-usage" })
		}
		return func(ctx context.Context) error {
			_, err := b.Registry.UserUsage(ctx, root, "u-usage", registry.Days{From: apikeytest.Noon.AddDate(0, 0, -1), To: apikeytest.Noon})
			return err
		}
	}, nil},
}

// A table that panics, fails or does not answer at any of its methods leads to no decision, within
// the patience of the caller. It leaves no lock held and no caller waiting, and the next request is
// served.
func TestATableMayFailAtAnyMethod(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long and runs one step after another")
	}
	dynamotest.AnyEngine(t)
	var mu sync.Mutex
	sprung := make(map[string]bool)
	t.Run("deeds", func(t *testing.T) {
		for _, d := range append(slices.Clone(deeds), policyDeed) {
			t.Run(d.name, func(t *testing.T) {
				t.Parallel()
				for _, method := range d.try(t) {
					mu.Lock()
					sprung[method] = true
					mu.Unlock()
				}
			})
		}
	})
	if left := working(); left != "" {
		t.Errorf("somebody still waits:\n%s", left)
	}
	for _, contract := range []reflect.Type{reflect.TypeFor[registry.Store](), reflect.TypeFor[ratelimit.Store]()} {
		for i := range contract.NumMethod() {
			if name := contract.Method(i).Name; !sprung[name] {
				t.Errorf("%s.%s is called by no deed, or not by way of the trap", contract, name)
			}
		}
	}
}

// try does d while each of the methods that it calls fails in each way, and returns them.
func (d deed) try(t *testing.T) (methods []string) {
	options, _ := dynamotest.Faulty(t) // without faults: those are made here
	b := newBenchBefore(t, dynamo.Open(options))
	b.Patience = 2 * time.Second
	b.Configure(func(o *registry.Options) {
		o.MaxKeys, o.Pause = 2, func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	})
	var mu sync.Mutex
	seen := make(map[string]bool)
	mode, at := "", ""
	set := func(how, method string) {
		mu.Lock()
		defer mu.Unlock()
		mode, at = how, method
	}
	all := &trap{Store: b.Table.Store, meters: b.Meters, spring: func(ctx context.Context, method string) error {
		mu.Lock()
		seen[method] = true
		how := mode
		if method != at {
			how = ""
		}
		mu.Unlock()
		switch {
		case how == "":
			return nil
		case how == "panic":
			panic("canary of a table")
		case how == "silence" && ctx != nil:
			<-ctx.Done()
			return ctx.Err()
		}
		return errSprung
	}}
	b.Configure(func(o *registry.Options) { o.Store = all })
	b.Meters, b.Table = all, &apikeytest.Spy{Store: all}
	root := b.caller(t, "root", admin)

	do := d.prepare(t, b, root)
	clear(seen)
	if err := attempt(t, do, time.Minute); err != nil {
		t.Fatal(err)
	}
	methods = slices.Sorted(maps.Keys(seen))
	for _, method := range methods {
		for _, how := range []string{"panic", "error", "silence"} {
			patience := time.Minute
			if how == "silence" {
				if patience = 300 * time.Millisecond; slices.Contains(d.without, method) {
					patience = 2 * time.Second // enough to do without
				}
			}
			do := d.prepare(t, b, root)
			set(how, method)
			err := attempt(t, do, patience)
			set("", "")
			if (err == nil) != (how != "panic" && slices.Contains(d.without, method)) {
				t.Errorf("%s at %s: %v", how, method, err)
			}
			if isCallersMistake(err) {
				t.Errorf("%s at %s: it is said to be the caller's mistake: %v", how, method, err)
			}
			if err := attempt(t, do, time.Minute); err != nil {
				t.Errorf("after %s at %s: %v", how, method, err)
			}
		}
	}
	return methods
}

var errSprung = errors.New("sprung")

func isCallersMistake(err error) bool {
	for _, mistake := range []error{apikey.ErrNotFound, apikey.ErrConflict, apikey.ErrEnded, apikey.ErrForbidden, apikey.ErrInvalid, apikey.ErrTooManyKeys} {
		if errors.Is(err, mistake) {
			return true
		}
	}
	return false
}

// attempt does something as a transport does: with an end to its patience, and a panic is an error.
func attempt(t *testing.T, do func(context.Context) error, patience time.Duration) error {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		defer func() {
			if cause := recover(); cause != nil {
				done <- fmt.Errorf("panic: %v", cause)
			}
		}()
		done <- do(ctx)
	}()
	select {
	case err := <-done:
		return err
	case <-time.After(2 * time.Minute):
		t.Fatalf("it does not end:\n%s", working())
		return nil
	}
}

// working waits until no goroutine but the caller's is within the package, and returns the stacks
// of those that stay.
func working() string {
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		buffer := make([]byte, 1<<20)
		var left []string
		for i, stack := range bytes.Split(buffer[:runtime.Stack(buffer, true)], []byte("\n\n")) {
			if s := string(stack); i > 0 && (strings.Contains(s, "latchkey/internal/apikey.") || strings.Contains(s, "latchkey/internal/ratelimit.")) {
				left = append(left, s)
			}
		}
		if len(left) == 0 || time.Now().After(end) {
			return strings.Join(left, "\n\n")
		}
	}
}
