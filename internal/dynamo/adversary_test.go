package dynamo_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/netip"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"latchkey/internal/apikey"
	"latchkey/internal/audit"
	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

// kinds are all items of the table, by how their sort keys begin. A new one must be named here, and
// be the subject of a deed below.
var kinds = map[string]string{
	"key": "key", "meter": "meter", "meter#": "further", "alias": "alias", "keys": "count", "reply": "reply", "audit#": "entry", "usage#": "usage", "head": "witness", "health": "health",
	"settings": "user", "plan": "plan", "left#": "left", "refused#": "refused", "previous": "older",
}

func kindOf(sk string) string {
	if begin, _, ok := strings.Cut(sk, "#"); ok {
		return kinds[begin+"#"]
	}
	return kinds[sk]
}

// The sort keys in the source are those that the adversary knows.
func TestEachKindOfItemIsKnownToTheAdversary(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long and runs one step after another")
	}
	written := make(map[string]bool)
	for _, c := range constants(t, func(name string) bool { return strings.HasSuffix(name, "Sort") }) {
		written[c] = true
	}
	for _, c := range slices.Sorted(maps.Keys(written)) {
		if kinds[c] == "" {
			t.Errorf("the adversary does nothing to items %q: what is found of that?", c)
		}
	}
	// And no item is written by another name.
	named := func(sk ast.Expr) bool {
		if sum, ok := sk.(*ast.BinaryExpr); ok {
			sk = sum.X
		}
		if call, ok := sk.(*ast.CallExpr); ok {
			name, ok := call.Fun.(*ast.Ident)
			return ok && name.Name == "usageMonth"
		}
		name, ok := sk.(*ast.Ident)
		return ok && strings.HasSuffix(name.Name, "Sort")
	}
	inSource(t, func(n ast.Node) {
		switch n := n.(type) {
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok && f.Name == "primaryKey" && !named(n.Args[1]) {
				t.Errorf("an item is addressed without the name of its kind: %v", n.Args[1])
			}
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok && key.Name == "SK" && !named(n.Value) {
				t.Errorf("an item is written without the name of its kind: %v", n.Value)
			}
		}
	})
	if len(written) != len(kinds) {
		t.Errorf("%v are written, %v are known", slices.Sorted(maps.Keys(written)), slices.Sorted(maps.Keys(kinds)))
	}
}

// constants are the values of the package's string constants with some names.
func constants(t *testing.T, named func(string) bool) (values []string) {
	t.Helper()
	inSource(t, func(n ast.Node) {
		if spec, ok := n.(*ast.ValueSpec); ok {
			for i, name := range spec.Names {
				if named(name.Name) && i < len(spec.Values) {
					value, err := strconv.Unquote(spec.Values[i].(*ast.BasicLit).Value)
					if err != nil {
						t.Fatal(err)
					}
					values = append(values, value)
				}
			}
		}
	})
	return values
}

// attributesOf are the attributes of a struct that is stored.
func attributesOf(t *testing.T, structure string) (names []string) {
	t.Helper()
	inSource(t, func(n ast.Node) {
		if spec, ok := n.(*ast.TypeSpec); ok && spec.Name.Name == structure {
			for _, field := range spec.Type.(*ast.StructType).Fields.List {
				tag, err := strconv.Unquote(field.Tag.Value)
				if err != nil {
					t.Fatal(err)
				}
				name, _, _ := strings.Cut(reflect.StructTag(tag).Get("dynamodbav"), ",")
				names = append(names, name)
			}
		}
	})
	if len(names) == 0 {
		t.Fatalf("there is no struct %s", structure)
	}
	return names
}

func inSource(t *testing.T, visit func(ast.Node)) {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool { visit(n); return true })
	}
}

// world is a table with all kinds of items, and copies of it from earlier.
type world struct {
	t                 *testing.T
	o                 dynamo.Options
	r                 *registry.Registry
	now               time.Time
	key, other, third string // ids: the victim's, another's, and one that was imported
	early, late       map[place]attributes
	point             audit.Checkpoint
}

type place struct{ pk, sk string }

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, o: dynamotest.Options(t), now: morning}
	w.o.Transport = nil // thousands of requests, and the network does not matter
	w.r = newRegistry(t, w.o, func() time.Time { return w.now })
	root := registry.Caller{UserID: "root", Scopes: apikey.Scopes{apikey.ScopeAdmin}, Idempotency: registry.Idempotency{Key: "0123456789abcdef"}}
	everything := apikey.Change{
		Name: ptr("n"), Description: ptr("d"), Scopes: &apikey.Scopes{"tts"}, Limit: &ratelimit.Limit{Requests: 5, Window: time.Minute},
		Quota: &ratelimit.Quota{Requests: 100, Period: ratelimit.Day}, AllowedCIDRs: &[]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
		Metadata: &map[string]string{"team": "a"}, NotBefore: ptr(morning), ExpiresAt: ptr(morning.Add(1000 * time.Hour)),
	}
	created := func(user string) string {
		k, _, err := w.r.Create(t.Context(), root, user, apikey.Live, everything)
		if err != nil {
			t.Fatal(err)
		}
		w.pass()
		root.Idempotency = registry.Idempotency{}
		return k.ID
	}
	w.key, w.other = created("u1"), created("u2")
	if _, err := w.r.Rotate(t.Context(), w.root(), w.key, time.Hour); err != nil {
		t.Fatal(err)
	}
	w.pass()
	w.third = w.imported("a-token-of-elsewhere")
	if _, err := w.r.Update(t.Context(), w.root(), created("u7"), func(*apikey.Key) (apikey.Change, error) {
		return apikey.Change{UserID: ptr("u8")}, nil
	}); err != nil {
		t.Fatal(err)
	}
	w.pass()
	table := dynamo.Open(w.o)
	limiter := ratelimit.New(table, func() time.Time { return w.now }, 10)
	record, err := table.Find(t.Context(), w.key)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{w.key, w.key + "#60"} {
		if _, err := limiter.Take(t.Context(), id, record.Key.Terms(), 1, w.now); err != nil {
			t.Fatal(err)
		}
	}
	if err := table.RecordUsage(t.Context(), w.key, []ratelimit.DayUsage{{Day: 20261123, Used: 7}}); err != nil {
		t.Fatal(err)
	}
	if err := table.AddRefused(t.Context(), w.key, record.Key.CreatedAt, apikey.Refusals{20261123: {apikey.CodeRateLimited: 7}}); err != nil {
		t.Fatal(err)
	}
	if err := table.SetOlderUse(t.Context(), w.key, w.now); err != nil {
		t.Fatal(err)
	}
	timed := w.o
	timed.Now = time.Now
	if err := dynamo.Open(timed).Health(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.policies("early")
	w.early = w.items()
	for _, name := range []string{"a", "b"} {
		w.policies(name)
		w.update(w.key, name)
		w.update(w.other, name)
	}
	w.update(w.third, "c")
	if _, err := limiter.Take(t.Context(), w.key, record.Key.Terms(), 1, w.now); err != nil {
		t.Fatal(err)
	}
	w.late = w.items()
	there := make(map[string]bool)
	for p := range w.late {
		there[kindOf(p.sk)] = true
	}
	if there[""] || len(there) != len(kinds) {
		t.Fatalf("there are items of the kinds %v", slices.Sorted(maps.Keys(there)))
	}
	if breaks, unknown := w.verify(nil); len(breaks)+len(unknown) > 0 {
		t.Fatalf("before anything is done: %v, %v", breaks, unknown)
	}
	w.point = w.checkpoint()
	w.pass()
	return w
}

func (w *world) pass() { w.now = w.now.Add(time.Minute) }

func (w *world) root() registry.Caller {
	return registry.Caller{UserID: "root", Scopes: apikey.Scopes{apikey.ScopeAdmin}}
}

func (w *world) imported(token string) string {
	w.t.Helper()
	format, err := apikey.NewFormat("sk")
	if err != nil {
		w.t.Fatal(err)
	}
	foreign, err := format.Parse(token)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.r.Import(w.t.Context(), registry.Import{Token: foreign, UserID: "u3", Environment: apikey.Live}); err != nil {
		w.t.Fatal(err)
	}
	w.pass()
	ids, err := w.r.Trails(w.t.Context(), "u3")
	if err != nil || len(ids) != 1 {
		w.t.Fatalf("%v, %v", ids, err)
	}
	return ids[0]
}

func (w *world) update(id, name string) {
	w.t.Helper()
	if _, err := w.r.Update(w.t.Context(), w.root(), id, func(*apikey.Key) (apikey.Change, error) { return apikey.Change{Name: &name}, nil }); err != nil {
		w.t.Fatal(err)
	}
	w.pass()
}

func (w *world) items() map[place]attributes {
	w.t.Helper()
	all := make(map[place]attributes)
	pages := dynamodb.NewScanPaginator(client(w.o), &dynamodb.ScanInput{TableName: &w.o.Name, ConsistentRead: aws.Bool(true)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		for _, i := range page.Items {
			all[place{i["pk"].(*types.AttributeValueMemberS).Value, i["sk"].(*types.AttributeValueMemberS).Value}] = i
		}
	}
	return all
}

// back puts the items that which selects back to their earlier state.
func (w *world) back(to map[place]attributes, which func(place) bool) {
	present := w.items()
	for p := range present {
		if _, was := to[p]; which(p) && !was {
			forget(w.t, w.o, p.pk, p.sk)
		}
	}
	for p, i := range to {
		if which(p) && !reflect.DeepEqual(present[p], i) {
			put(w.t, w.o, i)
		}
	}
}

// of picks the items of some kinds that belong to an id.
func of(id string, some ...string) func(place) bool {
	return func(p place) bool {
		return (id == "" || strings.HasSuffix(p.pk, "#"+id)) && slices.Contains(some, kindOf(p.sk))
	}
}

// the item is the only one, or the newest, that a filter picks.
func (w *world) the(which func(place) bool) attributes {
	w.t.Helper()
	var newest place
	all := w.items()
	for p := range all {
		if which(p) && p.sk >= newest.sk {
			newest = p
		}
	}
	if newest == (place{}) {
		w.t.Fatal("there is no such item")
	}
	return all[newest]
}

func at(i attributes) place {
	return place{i["pk"].(*types.AttributeValueMemberS).Value, i["sk"].(*types.AttributeValueMemberS).Value}
}

func (w *world) remove(which func(place) bool) { w.back(nil, which) }

// verify works as latchkey audit verify does. It returns the breaks, and the keys that are reported
// as not authenticated.
func (w *world) verify(then *audit.Checkpoint) (breaks []error, unknown []string) {
	w.t.Helper()
	ids, err := dynamo.Open(w.o).Trails(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	if then != nil {
		ids = slices.AppendSeq(ids, maps.Keys(then.Marks))
		slices.Sort(ids)
		ids = slices.Compact(ids)
	}
	checks, errs := make([]registry.Checked, len(ids)), make([]error, len(ids))
	var all sync.WaitGroup
	for n, id := range ids {
		all.Go(func() {
			checks[n], errs[n] = w.r.CheckTrail(w.t.Context(), id)
			if errors.Is(errs[n], apikey.ErrNotFound) {
				errs[n] = nil
			}
			if errs[n] == nil && then != nil {
				errs[n] = w.r.Compare(*then, checks[n])
			}
		})
	}
	all.Wait()
	for n, id := range ids {
		var b *audit.Break
		switch err := errs[n]; {
		case errors.As(err, &b):
			breaks = append(breaks, err)
		case err != nil:
			w.t.Fatal(err)
		case checks[n].Standing != audit.Authentic:
			unknown = append(unknown, id)
		}
	}
	return breaks, unknown
}

func (w *world) checkpoint() audit.Checkpoint {
	w.t.Helper()
	point := audit.Checkpoint{At: w.now, Marks: make(map[string]audit.Mark)}
	ids, err := dynamo.Open(w.o).Trails(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, id := range ids {
		c, err := w.r.CheckTrail(w.t.Context(), id)
		if err != nil {
			w.t.Fatal(err)
		}
		point.Marks[id] = *audit.MarkOf(c.Subject, c.Witness, c.Entries)
	}
	return point
}

// deed is one change of a world by an attacker. If derived, later changes by the service overwrite
// it.
type deed struct {
	name    string
	do      func(*world)
	derived bool
}

// Each published deed is done to a table, in all its ways, and is found as published.
func TestAnAdversarysChangesAreFound(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long and runs one step after another")
	}
	dynamotest.AnyEngine(t)
	key := func(w *world) func(place) bool { return of(w.key, "key") }
	deeds := map[string][]deed{
		"edit any attribute of a key, a secret's hash included": edits(t, "record", "key"),
		"remove a key": {
			{"alone", func(w *world) { w.remove(key(w)) }, false},
			{"with its entries", func(w *world) { w.remove(of(w.key, "key", "entry")) }, false},
			{"with its witness", func(w *world) { w.remove(of(w.key, "key", "witness")) }, false},
		},
		"copy a key to another id": {
			{"a free one", func(w *world) { put(w.t, w.o, with(w.the(key(w)), "pk", letters("key#0000000000000000"))) }, true},
			{"a free one, renamed", func(w *world) {
				put(w.t, w.o, with(with(w.the(key(w)), "pk", letters("key#0000000000000000")), "id", letters("0000000000000000")))
			}, true},
			{"another key's", func(w *world) {
				put(w.t, w.o, with(with(w.the(key(w)), "pk", letters("key#"+w.other)), "id", letters(w.other)))
			}, true},
			{"with all that belongs to it", func(w *world) {
				for p, i := range w.items() {
					if of(w.key, "key", "entry", "witness")(p) {
						put(w.t, w.o, with(i, "pk", letters(strings.Replace(p.pk, w.key, "0000000000000000", 1))))
					}
				}
			}, true},
		},
		"put a key back, alone or with its entries": {
			{"alone", func(w *world) { w.back(w.early, key(w)) }, false},
			{"with its entries", func(w *world) { w.back(w.early, of(w.key, "key", "entry")) }, false},
			{"with its witness", func(w *world) { w.back(w.early, of(w.key, "key", "witness")) }, false},
			{"not it, but its entries and its witness", func(w *world) { w.back(w.early, of(w.key, "entry", "witness")) }, false},
			{"its partition", func(w *world) { w.back(w.early, func(p place) bool { return p.pk == "key#"+w.key }) }, false},
			{"by one revision", func(w *world) {
				last := at(w.the(of(w.key, "entry")))
				w.back(w.early, key(w))
				forget(w.t, w.o, last.pk, last.sk)
			}, false},
			{"after it was deleted", func(w *world) {
				if err := w.r.Delete(w.t.Context(), w.root(), w.key); err != nil {
					w.t.Fatal(err)
				}
				w.back(w.late, of(w.key, "key", "entry"))
			}, false},
			{"after it was revoked", func(w *world) {
				if _, err := w.r.Revoke(w.t.Context(), w.root(), w.key, ""); err != nil {
					w.t.Fatal(err)
				}
				w.back(w.late, of(w.key, "key", "entry"))
			}, false},
		},
		"edit, remove, move, copy or add an audit entry": append(edits(t, "storedEntry", "entry"),
			deed{"remove the last", func(w *world) { last := at(w.the(of(w.key, "entry"))); forget(w.t, w.o, last.pk, last.sk) }, true},
			deed{"remove all", func(w *world) { w.remove(of(w.key, "entry")) }, true},
			deed{"move one to the end", func(w *world) {
				put(w.t, w.o, with(w.the(of(w.key, "entry")), "sk", letters("audit#2030-01-01T00:00:00.000Z#000000009")))
			}, true},
			deed{"copy another's", func(w *world) { put(w.t, w.o, with(w.the(of(w.other, "entry")), "pk", letters("key#"+w.key))) }, true},
			deed{"copy one to an id without a key", func(w *world) { put(w.t, w.o, with(w.the(of(w.key, "entry")), "pk", letters("key#0000000000000000"))) }, true},
			deed{"add one", func(w *world) {
				put(w.t, w.o, with(with(w.the(of(w.key, "entry")), "sk", letters("audit#0")), "entry", letters("{}")))
			}, true},
		),
		"edit, remove, copy or put back a witness": append(edits(t, "storedWitness", "witness"),
			deed{"remove", func(w *world) { w.remove(of(w.key, "witness")) }, true},
			deed{"put back", func(w *world) { w.back(w.early, of(w.key, "witness")) }, true},
			deed{"copy another's", func(w *world) { put(w.t, w.o, with(w.the(of(w.other, "witness")), "pk", letters("head#"+w.key))) }, true},
			deed{"copy to an id without a key", func(w *world) {
				put(w.t, w.o, with(w.the(of(w.key, "witness")), "pk", letters("head#0000000000000000")))
			}, true},
			deed{"put back after the key was deleted", func(w *world) {
				if err := w.r.Delete(w.t.Context(), w.root(), w.key); err != nil {
					w.t.Fatal(err)
				}
				w.back(w.late, of(w.key, "witness"))
				last := at(w.the(of(w.key, "entry")))
				forget(w.t, w.o, last.pk, last.sk)
			}, true},
		),
		"remove the key, its entries and its witness": {
			{"all of it", func(w *world) { w.remove(of(w.key, "key", "entry", "witness")) }, false},
			{"and its meter and usage", func(w *world) { w.remove(func(p place) bool { return strings.HasSuffix(p.pk, "#"+w.key) }) }, false},
			{"of one that was deleted", func(w *world) {
				if err := w.r.Delete(w.t.Context(), w.root(), w.key); err != nil {
					w.t.Fatal(err)
				}
				w.remove(of(w.key, "entry", "witness"))
			}, false},
		},
		"put the key, its entries and its witness back": {
			{"all of it", func(w *world) { w.back(w.early, of(w.key, "key", "entry", "witness")) }, false},
			{"after it was deleted", func(w *world) {
				if err := w.r.Delete(w.t.Context(), w.root(), w.key); err != nil {
					w.t.Fatal(err)
				}
				w.point = w.checkpoint()
				w.back(w.late, of(w.key, "key", "entry", "witness"))
			}, false},
			{"after it was deleted, all of which is forgotten", func(w *world) {
				if err := w.r.Delete(w.t.Context(), w.root(), w.key); err != nil {
					w.t.Fatal(err)
				}
				w.now = w.now.Add(20 * 24 * time.Hour)
				w.remove(of(w.key, "key", "entry", "witness"))
				w.point = w.checkpoint()
				w.back(w.late, of(w.key, "key", "witness"))
			}, false},
			{"and changed again", func(w *world) {
				w.back(w.early, of(w.key, "key", "entry", "witness"))
				w.update(w.key, "other")
				w.update(w.key, "history")
			}, false},
		},
		"put the whole table back": {
			{"all", func(w *world) { w.back(w.early, func(place) bool { return true }) }, false},
			{"and changed again", func(w *world) {
				w.back(w.early, func(place) bool { return true })
				for _, name := range []string{"x", "y", "z"} {
					w.update(w.key, name)
				}
			}, false},
			{"to nothing", func(w *world) { w.remove(func(place) bool { return true }) }, false},
		},
		"take the trail off a key, its witness included": {
			{"all of it", func(w *world) {
				i := w.the(key(w))
				delete(i, "trail")
				put(w.t, w.o, i)
				w.remove(of(w.key, "entry", "witness"))
			}, false},
			{"and more scopes given, and changed again", func(w *world) {
				i := with(w.the(key(w)), "scopes", &types.AttributeValueMemberL{Value: []types.AttributeValue{letters("keys:admin")}})
				delete(i, "trail")
				put(w.t, w.o, i)
				w.remove(of(w.key, "entry", "witness"))
				w.update(w.key, "d")
			}, false},
		},
		"add a key without a trail": {
			{"another's copy", func(w *world) {
				i := with(with(w.the(key(w)), "pk", letters("key#0000000000000000")), "id", letters("0000000000000000"))
				delete(i, "trail")
				put(w.t, w.o, i)
			}, false},
		},
		"edit, remove, copy or put back a meter": append(append(edits(t, "", "meter"), edits(t, "", "further")...),
			deed{"remove a further one", func(w *world) { w.remove(of(w.key, "further")) }, true},
			deed{"remove", func(w *world) { w.remove(of(w.key, "meter")) }, true},
			deed{"put back", func(w *world) { w.back(w.early, of(w.key, "meter")) }, true},
			deed{"copy", func(w *world) { put(w.t, w.o, with(w.the(of(w.key, "meter")), "pk", letters("key#"+w.other))) }, true},
		),
		"edit, remove or put back a day's usage": append(edits(t, "", "usage"),
			deed{"remove", func(w *world) { w.remove(of(w.key, "usage")) }, true},
			deed{"put back", func(w *world) { w.back(w.early, of("", "usage")) }, true},
		),
		"edit, remove or put back refusals or an older use": append(append(edits(t, "", "refused"), edits(t, "", "older")...),
			deed{"remove", func(w *world) { w.remove(of(w.key, "refused", "older")) }, true},
			deed{"put back", func(w *world) { w.back(w.early, of("", "refused", "older")) }, true},
		),
		"edit, remove or put back a user's count of keys": append(edits(t, "", "count"),
			deed{"remove", func(w *world) { w.remove(of("", "count")) }, true},
			deed{"put back", func(w *world) { w.back(w.early, of("", "count")) }, true},
		),
		"edit, remove or copy an alias": append(edits(t, "", "alias"),
			deed{"remove", func(w *world) { w.remove(of("", "alias")) }, true},
			deed{"point to another key", func(w *world) { put(w.t, w.o, with(w.the(of("", "alias")), "keyId", letters(w.key))) }, true},
			deed{"copy", func(w *world) { put(w.t, w.o, with(w.the(of("", "alias")), "pk", letters("alias#another"))) }, true},
		),
		"edit, remove or copy the listing of a transfer": append(edits(t, "", "left"),
			deed{"remove", func(w *world) { w.remove(of("", "left")) }, true},
			deed{"copy", func(w *world) { put(w.t, w.o, with(w.the(of("", "left")), "pk", letters("key#"+w.key))) }, true},
		),
		"edit, remove or copy a stored reply": append(edits(t, "storedReply", "reply"),
			deed{"remove", func(w *world) { w.remove(of("", "reply")) }, true},
			deed{"copy", func(w *world) { put(w.t, w.o, with(w.the(of("", "reply")), "pk", letters("idem#another"))) }, true},
		),
		"edit or remove what health writes": append(edits(t, "", "health"), deed{"remove", func(w *world) { w.remove(of("", "health")) }, true}),
		"do any of these with the deployment's secret": {
			{"write as the service does", func(w *world) { w.update(w.key, "by someone who has it") }, true},
		},
	}
	maps.Copy(deeds, policyDeeds(t))
	published := make(map[string]bool)
	for _, f := range audit.Findings() {
		published[f.Deed] = true
		if len(deeds[f.Deed]) == 0 {
			t.Errorf("nobody does this: %s", f.Deed)
		}
		t.Run(f.Deed, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			start, now := w.items(), w.now
			for _, d := range deeds[f.Deed] {
				w.t, w.now = t, now
				w.back(start, func(place) bool { return true })
				point := w.point
				d.do(w)
				w.pass()
				breaks, unknown := w.verify(nil)
				var later []error
				if len(breaks) == 0 {
					later, _ = w.verify(&w.point)
				}
				w.point = point
				if got := found(breaks, unknown, later); got != f.Found {
					t.Errorf("%s: found: %s, published: %s (%v, %v; with a checkpoint %v)", d.name, got, f.Found, breaks, unknown, later)
				}
				if f.Found != audit.FoundAlways || d.derived {
					continue
				}
				// A change of the key hides nothing of it.
				name := "later"
				_, err := w.r.Update(t.Context(), w.root(), w.key, func(*apikey.Key) (apikey.Change, error) { return apikey.Change{Name: &name}, nil })
				err = errors.Join(err, w.tryPolicies(name))
				if breaks, _ := w.verify(nil); len(breaks) == 0 {
					t.Errorf("%s: a change afterwards (%v) hides it", d.name, err)
				}
			}
		})
	}
	for d := range deeds {
		if !published[d] {
			t.Errorf("it is not published what is found of this: %s", d)
		}
	}
}

func found(breaks []error, unknown []string, later []error) audit.Found {
	switch {
	case len(breaks) > 0:
		return audit.FoundAlways
	case len(unknown) > 0 && len(later) > 0:
		return audit.FoundReported
	case len(later) > 0:
		return audit.FoundCheckpoint
	case len(unknown) > 0:
		return "reported, and not found with a checkpoint"
	}
	return audit.FoundNever
}

// derivedAttributes are computed from others. A change by the service writes them again, which
// undoes the deed.
var derivedAttributes = []string{"createdKey", "ttl", "unheardOf"}

// edits returns deeds that change, remove or add each attribute of an item of one kind. structure
// is the Go type of the item, or "" if its attributes have no fixed names.
func edits(t *testing.T, structure, kind string) (all []deed) {
	pick := func(w *world) attributes {
		if kind == "key" || kind == "entry" || kind == "witness" || kind == "meter" || kind == "usage" {
			return w.the(of(w.key, kind))
		}
		return w.the(of("", kind))
	}
	w := newWorld(t)
	present := pick(w)
	names := slices.Sorted(maps.Keys(present))
	if structure != "" {
		names = append(append(names, attributesOf(t, structure)...), "unheardOf")
		slices.Sort(names)
		names = slices.Compact(names)
	}
	for _, name := range names {
		if name == "pk" || name == "sk" {
			continue
		}
		record := kind == "key" || kind == "user" || kind == "plan"
		derived := !record || slices.Contains(derivedAttributes, name) || kind != "key" && name == "userId"
		value, there := present[name]
		if !there {
			if record || name != "unheardOf" { // other attributes of an entry or a witness are never read
				all = append(all, deed{"add " + name, func(w *world) { put(w.t, w.o, with(pick(w), name, addition(name))) }, derived})
			}
			continue
		}
		all = append(all, deed{"remove " + name, func(w *world) { i := pick(w); delete(i, name); put(w.t, w.o, i) }, derived})
		for path, other := range variants(value) {
			if name == "userId" || name == "createdKey" { // keys of the index have a type
				if _, text := other.(*types.AttributeValueMemberS); !text {
					continue
				}
			}
			// An attribute that no version knows within a policy is never read.
			unknown := kind != "key" && name != "metadata" && strings.HasSuffix(path, ": more")
			all = append(all, deed{"edit " + name + path, func(w *world) { put(w.t, w.o, with(pick(w), name, other)) }, derived || unknown})
		}
	}
	return all
}

// addition is a value that an attribute may have.
func addition(name string) types.AttributeValue {
	switch name {
	case "unlimited", "last":
		return &types.AttributeValueMemberBOOL{Value: true}
	case "publicAliases":
		return &types.AttributeValueMemberL{Value: []types.AttributeValue{letters("a")}}
	}
	return figures(1_796_028_723_885)
}

// variants are other values in place of v, by where in it they differ.
func variants(v types.AttributeValue) map[string]types.AttributeValue {
	all := map[string]types.AttributeValue{": another type": &types.AttributeValueMemberNULL{Value: true}}
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		all[": longer"] = letters(v.Value + "x")
	case *types.AttributeValueMemberN:
		n, _ := strconv.ParseInt(v.Value, 10, 64)
		all[": more"], all[": less"], all[": 1"] = figures(n+1), figures(n-1), figures(1)
	case *types.AttributeValueMemberB:
		other := slices.Clone(v.Value)
		other[len(other)-1] ^= 1
		all[": a bit"] = &types.AttributeValueMemberB{Value: other}
	case *types.AttributeValueMemberBOOL:
		all[": not"] = &types.AttributeValueMemberBOOL{Value: !v.Value}
	case *types.AttributeValueMemberM:
		for name, inner := range v.Value {
			less := maps.Clone(v.Value)
			delete(less, name)
			all["."+name+": removed"] = &types.AttributeValueMemberM{Value: less}
			for path, other := range variants(inner) {
				changed := maps.Clone(v.Value)
				changed[name] = other
				all["."+name+path] = &types.AttributeValueMemberM{Value: changed}
			}
		}
		more := maps.Clone(v.Value)
		more["unheardOf"] = letters("x")
		all[": more"] = &types.AttributeValueMemberM{Value: more}
	case *types.AttributeValueMemberL:
		all[": fewer"] = &types.AttributeValueMemberL{Value: v.Value[1:]}
		all[": twice"] = &types.AttributeValueMemberL{Value: append(slices.Clone(v.Value), v.Value[0])}
		for n, inner := range v.Value {
			for path, other := range variants(inner) {
				changed := slices.Clone(v.Value)
				changed[n] = other
				all[fmt.Sprintf("[%d]%s", n, path)] = &types.AttributeValueMemberL{Value: changed}
			}
		}
	}
	return all
}

func ptr[T any](v T) *T { return &v }
