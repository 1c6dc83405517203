package dynamo_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/registry"
	"latchkey/internal/registry/registrytest"
)

// busy is a transport to a table that leaves out half of each batch, and all of
// one now and then, as long as it may.
type busy struct {
	next http.RoundTripper
	mu   sync.Mutex // batches are read at the same time
	most int        // batches
}

func (b *busy) RoundTrip(r *http.Request) (*http.Response, error) {
	b.mu.Lock()
	cut := strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".BatchGetItem") && b.most > 0
	if cut {
		b.most--
	}
	b.mu.Unlock()
	if !cut {
		return b.next.RoundTrip(r)
	}
	type keys struct {
		Keys           []json.RawMessage
		ConsistentRead bool
	}
	var in struct{ RequestItems map[string]keys }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, err
	}
	out := struct {
		Responses       map[string][]json.RawMessage
		UnprocessedKeys map[string]keys
	}{UnprocessedKeys: make(map[string]keys)}
	for name, all := range in.RequestItems {
		half := len(all.Keys) / 2 // of the last one: nothing
		in.RequestItems[name] = keys{all.Keys[:half], all.ConsistentRead}
		out.UnprocessedKeys[name] = keys{all.Keys[half:], all.ConsistentRead}
		if half == 0 {
			return answerOf(r, out)
		}
	}
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	response, err := b.next.RoundTrip(r)
	if err != nil || response.StatusCode != 200 {
		return response, err
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&struct{ Responses *map[string][]json.RawMessage }{&out.Responses}); err != nil {
		return nil, err
	}
	return answerOf(r, out)
}

func answerOf(r *http.Request, answer any) (*http.Response, error) {
	body, err := json.Marshal(answer)
	return &http.Response{
		StatusCode: 200, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r, ContentLength: int64(len(body)),
		Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}}, Body: io.NopCloser(bytes.NewReader(body)),
	}, err
}

// What a busy table leaves out is asked for again, and not taken for absent.
func TestKeysThatABusyTableLeavesOutAreReadAgain(t *testing.T) {
	options, _ := dynamotest.Faulty(t)
	table := &busy{next: options.Transport}
	options.Transport = table
	store := dynamo.Open(options)
	var ids []string
	for i := range 130 {
		id := fmt.Sprintf("%016d", i)
		ids = append(ids, id)
		if err := store.Touch(t.Context(), id, morning); err != nil {
			t.Fatal(err)
		}
	}
	for _, batches := range []int{0, 1, 5} {
		table.most = batches
		if got, err := store.Meters(t.Context(), ids); err != nil || len(got) != len(ids) {
			t.Errorf("%d batches cut short: %d of %d meters, %v", batches, len(got), len(ids), err)
		}
	}
	table.most = 100
	if got, err := store.Meters(t.Context(), ids[:3]); err == nil {
		t.Errorf("without an end: %d of 3 meters", len(got))
	}
}

// Records of more keys than a batch takes are all there, each with its meter, also from a busy table. A key that is not
// there, or whose meter alone is left, is none.
func TestManyRecordsAreReadAtOnce(t *testing.T) {
	options, _ := dynamotest.Faulty(t)
	table := &busy{next: options.Transport}
	options.Transport = table
	store := dynamo.Open(options)
	var ids []string
	for i := range 60 { // two items each
		k := registrytest.NewKey(i, "u1")
		if err := store.Write(t.Context(), registry.Write{To: k}); err != nil {
			t.Fatal(err)
		}
		if err := store.Touch(t.Context(), k.ID, morning); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, k.ID)
	}
	gone := "9999999999999999"
	if err := store.Touch(t.Context(), gone, morning); err != nil {
		t.Fatal(err)
	}
	for _, batches := range []int{0, 1, 5} {
		table.most = batches
		got, err := store.Records(t.Context(), append([]string{gone, "8888888888888888"}, ids...))
		if err != nil || len(got) != len(ids) {
			t.Fatalf("%d batches cut short: %d of %d records, %v", batches, len(got), len(ids), err)
		}
		for _, id := range ids {
			if r := got[id]; r.Key == nil || r.Key.ID != id || r.Key.UserID != "u1" || !r.Meter.LastUsed.Equal(morning) {
				t.Errorf("%s: %+v", id, r)
			}
		}
	}
	if none, err := store.Records(t.Context(), nil); err != nil || len(none) != 0 {
		t.Errorf("no ids: %v, %v", none, err)
	}
	table.most = 100
	if got, err := store.Records(t.Context(), ids[:2]); err == nil {
		t.Errorf("without an end: %d of 2 records", len(got))
	}
}
