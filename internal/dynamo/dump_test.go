package dynamo_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
)

// lines are items as a dump has them.
type lines []string

// numbered returns n items. One attribute is a set, which has no order.
func numbered(n int) (all lines) {
	for i := range n {
		all = append(all, fmt.Sprintf(`{"pk":{"S":"key#%04d"},"set":{"SS":["b","a"]},"sk":{"S":"k"}}`, i))
	}
	return all
}

// items yields the items. before is called before each.
func (l lines) items(before func(n int) error) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for n, line := range l {
			var err error
			if before != nil {
				err = before(n)
			}
			if !yield([]byte(line), err) {
				return
			}
		}
	}
}

// holds checks the keys of the items of a table.
func (l lines) holds(t *testing.T, table *dynamo.Table) {
	t.Helper()
	key := func(line string) string { return line[strings.Index(line, "key#"):][:8] }
	var got, want []string
	err := table.Dump(t.Context(), func(item []byte) error {
		got = append(got, key(string(item)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range l {
		want = append(want, key(line))
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the table has other items:\n%s", diff)
	}
}

func TestALoadThatIsCutOffIsRepeated(t *testing.T) {
	all := numbered(1500)
	lost := errors.New("the file is lost")
	for name, cut := range map[string]func(*dynamotest.Faults) error{
		"the network ends": func(f *dynamotest.Faults) error { f.All(dynamotest.Unavailable); return nil },
		"the file ends":    func(*dynamotest.Faults) error { return lost },
	} {
		t.Run(name, func(t *testing.T) {
			o, faults := dynamotest.Faulty(t)
			c := &crowd{next: faults, full: make(chan struct{}), left: 1}
			o.Transport = c
			table := dynamo.Open(o)
			err := table.Load(t.Context(), all.items(func(n int) error {
				if n == 700 {
					return cut(faults)
				}
				return nil
			}))
			if err == nil || errors.Is(err, context.Canceled) {
				t.Fatalf("the load has the error %v, which is not the cause", err)
			}
			faults.All("")
			some := 0
			if err := table.Dump(t.Context(), func([]byte) error { some++; return nil }); err != nil {
				t.Fatal(err)
			}
			if some == 0 || some >= len(all) {
				t.Fatalf("the load that was cut off has written %d items: the test tests nothing", some)
			}
			for range 2 {
				c.most = 0
				if err := table.Load(t.Context(), all.items(nil)); err != nil {
					t.Fatal(err)
				}
				all.holds(t, table)
			}
			if c.most != 0 {
				t.Error("a load of what is there already writes")
			}
		})
	}
}

// A load never overwrites. An item that the file does not have, or has otherwise, stops it.
func TestALoadIntoATableWithOtherItemsWritesNothing(t *testing.T) {
	all := numbered(30)
	changed := strings.Replace(all[7], `"a"`, `"c"`, 1)
	for name, there := range map[string]lines{
		"another item": {numbered(31)[30]}, "an item that has changed": {changed},
		"both kinds": {all[0], changed}, "all and another one": numbered(31),
	} {
		t.Run(name, func(t *testing.T) {
			table := dynamotest.NewTable(t)
			if err := table.Load(t.Context(), there.items(nil)); err != nil {
				t.Fatal(err)
			}
			if err := table.Load(t.Context(), all.items(nil)); !errors.Is(err, dynamo.ErrNotEmpty) {
				t.Errorf("the load has the error %v, want ErrNotEmpty", err)
			}
			there.holds(t, table)
		})
	}
}

// crowd is a transport that holds writes until 25 of them are there.
type crowd struct {
	next http.RoundTripper
	full chan struct{}

	mu              sync.Mutex
	now, most, left int
}

func (c *crowd) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".BatchWriteItem") {
		return c.next.RoundTrip(r)
	}
	c.mu.Lock()
	c.now++
	c.most = max(c.most, c.now)
	if c.left--; c.left == 0 {
		close(c.full)
	}
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.now--
	}()
	select {
	case <-c.full:
		return c.next.RoundTrip(r)
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

func TestALoadWrites25BatchesAtOnce(t *testing.T) {
	o, faults := dynamotest.Faulty(t)
	c := &crowd{next: faults, full: make(chan struct{}), left: 25}
	o.Transport = c
	table, all := dynamo.Open(o), numbered(25*60)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := table.Load(ctx, all.items(nil)); err != nil {
		t.Fatal(err)
	}
	all.holds(t, table)
	if c.most != 25 {
		t.Errorf("%d batches are written at once, want 25", c.most)
	}
}

// slow is a transport that gives no answer in time to the first few writes of each batch.
type slow struct {
	next http.RoundTripper
	mu   sync.Mutex
	seen map[string]int // how often a batch was sent
	late int
}

func (s *slow) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".BatchWriteItem") {
		return s.next.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	keys := slices.Sorted(slices.Values(regexp.MustCompile(`key#\d+`).FindAllString(string(body), -1)))
	batch := strings.Join(keys, " ")
	s.mu.Lock()
	s.seen[batch]++
	late := s.seen[batch] <= s.late
	s.mu.Unlock()
	response, err := s.next.RoundTrip(r)
	if late && err == nil {
		response.Body.Close()
		return nil, context.DeadlineExceeded
	}
	return response, err
}

// A load waits for a slow table, and gives up on one that never answers.
func TestALoadWaitsForASlowTable(t *testing.T) {
	for _, c := range []struct {
		late  int // how many attempts are not answered; the SDK makes three of each
		loads bool
	}{{3, true}, {15, true}, {18, false}} {
		o, faults := dynamotest.Faulty(t)
		o.Transport = &slow{next: faults, seen: make(map[string]int), late: c.late}
		table, all := dynamo.Open(o), numbered(60)
		err := table.Load(t.Context(), all.items(nil))
		if (err == nil) != c.loads {
			t.Errorf("%d attempts without an answer: %v", c.late, err)
		}
		if c.loads {
			all.holds(t, table)
		}
	}
}
