package dynamo_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/registry/registrytest"
)

// A count whose reply is lost may have been added. It is not sent again, or it would count twice.
func TestRefusalsAreSentOnce(t *testing.T) {
	for _, fault := range append(dynamotest.Before(), dynamotest.After()...) {
		options, faults := dynamotest.Faulty(t)
		table := dynamo.Open(options)
		k := registrytest.NewKey(1, "u1")
		before := table.Writes()
		faults.Next(fault)
		failed := table.AddRefused(t.Context(), k.ID, k.CreatedAt, apikey.Refusals{20261124: {apikey.CodeRevoked: 5}})
		if sent := table.Writes() - before; sent != 1 {
			t.Errorf("%s: %d requests", fault, sent)
		}
		all, err := table.Refused(t.Context(), []*apikey.Key{k}, 20261124, 20261124)
		if n := all[k.ID][20261124][apikey.CodeRevoked]; err != nil || n != 5 && (n != 0 || failed == nil) {
			t.Errorf("%s (%v): %d refusals of 5, %v", fault, failed, n, err)
		}
	}
}

func TestRefusalsOfManyInstancesAddUp(t *testing.T) {
	options, _ := dynamotest.Faulty(t)
	k := registrytest.NewKey(1, "u1")
	var all sync.WaitGroup
	for range 4 {
		table := dynamo.Open(options)
		all.Go(func() {
			for range 25 {
				if err := table.AddRefused(context.Background(), k.ID, k.CreatedAt, apikey.Refusals{20261124: {apikey.CodeRateLimited: 3}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	sum, err := dynamo.Open(options).Refused(t.Context(), []*apikey.Key{k}, 20261101, 20261130)
	if n := sum[k.ID][20261124][apikey.CodeRateLimited]; err != nil || n != 300 {
		t.Errorf("%d refusals, %v", n, err)
	}
}

func TestRefusalsAndOlderUsesAreForgotten(t *testing.T) {
	options := dynamotest.Options(t)
	options.UsageRetention = 10 * 24 * time.Hour
	table, k := dynamo.Open(options), registrytest.NewKey(1, "u1")
	if err := table.AddRefused(t.Context(), k.ID, k.CreatedAt, apikey.Refusals{20261124: {apikey.CodeRevoked: 1}}); err != nil {
		t.Fatal(err)
	}
	if err := table.SetOlderUse(t.Context(), k.ID, morning); err != nil {
		t.Fatal(err)
	}
	for p, i := range (&world{t: t, o: options}).items() {
		want := time.Date(2026, 12, 11, 0, 0, 0, 0, time.UTC)
		if p.sk == "previous" {
			want = morning.Add(31 * 24 * time.Hour)
		}
		if end, ok := ttlOf(t, options, p.pk, p.sk); !ok || end != want.Unix() {
			t.Errorf("%s ends at %d, want %d: %v", p.sk, end, want.Unix(), i)
		}
	}
}
