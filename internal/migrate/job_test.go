package migrate_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/apikey"
	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/migrate"
	"latchkey/internal/pepper"
	"latchkey/internal/registry"
)

func TestMain(m *testing.M) { dynamotest.Main(m) }

func newRegistry(t testing.TB, table *dynamo.Table) *registry.Registry {
	t.Helper()
	hasher := newHasher(t)
	hashing := func(context.Context) (pepper.Hasher, error) { return hasher, nil }
	return registry.New(registry.Options{
		Store: table, Format: newFormat(t), Random: rand.Reader, Now: time.Now, MaxKeys: 3,
		Hasher: hashing, Reread: hashing, AuditRetention: 365 * 24 * time.Hour,
	})
}

func newHasher(t testing.TB) pepper.Hasher {
	t.Helper()
	hasher, err := pepper.NewHasher(strings.Repeat("m", 32), nil)
	if err != nil {
		t.Fatal(err)
	}
	return hasher
}

// imported is the result of importing a file.
type imported struct {
	migrate.Tally
	Complaints map[int]string
	Err        error
}

func run(t testing.TB, ctx context.Context, r *registry.Registry, file io.Reader) imported {
	t.Helper()
	out := imported{Complaints: make(map[int]string)}
	job := &migrate.Job{
		Registry: r, Sleep: func(context.Context, time.Duration) {},
		Report: func(line int, err error) { out.Complaints[line] = err.Error() },
	}
	out.Err = job.Run(ctx, migrate.NewReader(file, migrate.Options{Format: newFormat(t)}))
	out.Tally = job.Tally()
	return out
}

// opens returns the key that each token opens, found as the gate finds it, or nil.
func opens(t testing.TB, table *dynamo.Table, tokens ...string) (keys []*apikey.Key) {
	t.Helper()
	hasher, format := newHasher(t), newFormat(t)
	for _, text := range tokens {
		token, err := format.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, nil)
		id, err := table.Resolve(t.Context(), hasher.Alias(token))
		if errors.Is(err, apikey.ErrNotFound) {
			continue
		}
		record, findErr := table.Find(t.Context(), id)
		if err := errors.Join(err, findErr); err != nil {
			t.Fatal(err)
		}
		for _, s := range record.Key.Secrets {
			if same, err := hasher.Matches(token, &s); err == nil && same {
				keys[len(keys)-1] = record.Key
			}
		}
	}
	return keys
}

func TestAFileIsImportedOnce(t *testing.T) {
	table := dynamotest.NewTable(t)
	r := newRegistry(t, table)
	file := "a:" + k1 + ":50\nb:" + k2 + "\na:" + k3 + "\nbad\n"
	want := imported{Tally: migrate.Tally{Created: 2, Added: 1, Failed: 1, Last: 4}, Complaints: map[int]string{4: "key is missing; write key_id:api_key"}}

	// A rehearsal has the result of the import, and writes nothing.
	for range 2 {
		if got := run(t, t.Context(), migrate.Rehearse(r), strings.NewReader(file)); !cmp.Equal(got, want) {
			t.Errorf("rehearsed: %s", cmp.Diff(want, got))
		}
	}
	if keys := opens(t, table, k1, k2, k3); keys[0] != nil || keys[1] != nil || keys[2] != nil {
		t.Fatal("a rehearsal has written")
	}

	if got := run(t, t.Context(), r, strings.NewReader(file)); !cmp.Equal(got, want) {
		t.Errorf("imported: %s", cmp.Diff(want, got))
	}
	keys := opens(t, table, k1, k2, k3)
	if keys[0] == nil || keys[1] == nil || keys[2] == nil || keys[0].ID != keys[2].ID || keys[0].ID == keys[1].ID || keys[0].Limit.Requests != 50 {
		t.Fatalf("%+v", keys)
	}

	// The same import again changes nothing, also after a change of the key.
	changed := *keys[0]
	changed.Limit.Requests, changed.Enabled = 7, false
	if err := table.Write(t.Context(), registry.Write{From: keys[0], To: &changed}); err != nil {
		t.Fatal(err)
	}
	want.Created, want.Added, want.Unchanged = 0, 0, 3
	for _, keys := range []*registry.Registry{r, migrate.Rehearse(r)} {
		if got := run(t, t.Context(), keys, strings.NewReader(file)); !cmp.Equal(got, want) {
			t.Errorf("again: %s", cmp.Diff(want, got))
		}
	}
	if k := opens(t, table, k1)[0]; k.Limit.Requests != 7 || k.Enabled || k.Rev != keys[0].Rev+1 {
		t.Errorf("%+v", k)
	}
}

// A rehearsal reports the problems that only the table shows, too.
func TestProblemsInTheTableAreReported(t *testing.T) {
	r := newRegistry(t, dynamotest.NewTable(t))
	run(t, t.Context(), r, strings.NewReader("a:"+k1))
	var file strings.Builder
	fmt.Fprintf(&file, "b:%s\n", k1)
	native, err := newFormat(t).New(apikey.Live, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&file, "c:%s\n", native.Reveal())
	for n := range registry.MaxTokens + 1 {
		fmt.Fprintf(&file, "d:many-tokens-of-one-key-%d\n", n)
	}
	want := imported{
		Tally: migrate.Tally{Created: 1, Added: registry.MaxTokens - 1, Failed: 3, Last: registry.MaxTokens + 3},
		Complaints: map[int]string{
			1: "key belongs to another key already", 2: "key is one of latchkey's own, which are not imported",
			registry.MaxTokens + 3: fmt.Sprintf("key is one too many: a key has at most %d tokens", registry.MaxTokens),
		},
	}
	for _, keys := range []*registry.Registry{migrate.Rehearse(r), r} {
		if got := run(t, t.Context(), keys, strings.NewReader(file.String())); !cmp.Equal(got, want) {
			t.Error(cmp.Diff(want, got))
		}
	}
}

// manyKeys has two tokens of each key, so that half of it is read and written.
func manyKeys(keys int) string {
	var b strings.Builder
	for n := range 2 {
		for k := range keys {
			fmt.Fprintf(&b, "customer-%d:token-%d-of-customer-%d:%d\n", k, n, k, 100+k)
		}
	}
	return b.String()
}

// The network and the table fail a tenth of all requests, and lose answers. In the end, every line is
// imported whole and once.
func TestEveryLineIsImportedDespiteFaults(t *testing.T) {
	options, faults := dynamotest.Faulty(t)
	table := dynamo.Open(options)
	r := newRegistry(t, table)
	faults.Set(0.05, append([]dynamotest.Fault{dynamotest.LostRequest, dynamotest.Throttled, dynamotest.Limited, dynamotest.Internal, dynamotest.Unavailable}, dynamotest.After()...)...)
	const keys = 100
	got := run(t, t.Context(), r, strings.NewReader(manyKeys(keys)))
	faults.Set(0)
	if got.Err != nil || got.Failed > 0 || got.Created+got.Added+got.Unchanged != 2*keys {
		t.Errorf("%+v", got)
	}
	again := run(t, t.Context(), r, strings.NewReader(manyKeys(keys)))
	if again.Err != nil || again.Unchanged != 2*keys {
		t.Errorf("again: %+v", again)
	}
	for k := range keys {
		both := opens(t, table, fmt.Sprintf("token-0-of-customer-%d", k), fmt.Sprintf("token-1-of-customer-%d", k))
		if both[0] == nil || both[1] == nil || both[0].ID != both[1].ID || len(both[0].Secrets) != 2 || both[0].Limit.Requests != int64(100+k) {
			t.Fatalf("customer %d: %+v", k, both)
		}
	}
}

// When an interrupted import ends, all lines before the last are done. The same import again finishes
// the file.
func TestAnInterruptedImportIsContinued(t *testing.T) {
	r := newRegistry(t, dynamotest.NewTable(t))
	file := manyKeys(300)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	read := 0
	lines := strings.SplitAfter(file, "\n")
	got := run(t, ctx, r, readerOf(func(p []byte) (int, error) {
		if read == 200 {
			interrupt()
			<-t.Context().Done() // like a terminal where nobody types
		}
		read++
		return copy(p, lines[read-1]), nil
	}))
	// A key whose answer was lost is found when it is imported again, and counts as unchanged.
	if !errors.Is(got.Err, context.Canceled) || got.Last == 0 || got.Created+got.Unchanged != got.Last || got.Failed > 0 {
		t.Errorf("interrupted: %+v", got)
	}
	rest := run(t, t.Context(), r, strings.NewReader(file))
	if rest.Err != nil || rest.Unchanged < got.Last || rest.Created+rest.Added+rest.Unchanged != 600 {
		t.Errorf("after %d: %+v", got.Last, rest)
	}
}

// If the table is gone, the import does not report every line.
func TestAnOutageEndsTheImport(t *testing.T) {
	options, faults := dynamotest.Faulty(t)
	r := newRegistry(t, dynamo.Open(options))
	faults.All(dynamotest.Unavailable)
	got := run(t, t.Context(), r, strings.NewReader(manyKeys(1000)))
	if got.Err == nil || !strings.Contains(got.Err.Error(), "given up") || got.Created > 0 || got.Failed == 0 || got.Failed > 100 {
		t.Errorf("%+v", got.Tally)
	}
	faults.All("")
	if got := run(t, t.Context(), r, strings.NewReader(manyKeys(10))); got.Err != nil || got.Created != 10 || got.Added != 10 {
		t.Errorf("when it is back: %+v", got)
	}
}

func BenchmarkImport(b *testing.B) {
	r := newRegistry(b, dynamotest.NewTable(b))
	var file strings.Builder
	for n := range b.N {
		fmt.Fprintf(&file, "customer-%d:token-of-customer-%d\n", n, n)
	}
	b.ResetTimer()
	if got := run(b, b.Context(), r, strings.NewReader(file.String())); got.Err != nil || got.Created != b.N {
		b.Error(got.Err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}
