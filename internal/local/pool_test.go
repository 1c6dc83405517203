package local_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"latchkey/internal/local"
)

type invoker func(context.Context, []byte) ([]byte, error)

func (f invoker) Invoke(ctx context.Context, payload []byte) ([]byte, error) { return f(ctx, payload) }

func TestAnInstanceServesOneRequestAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var started atomic.Int64
		pool := local.NewPool(func() lambda.Handler {
			started.Add(1)
			busy := false
			return invoker(func(ctx context.Context, payload []byte) ([]byte, error) {
				if busy {
					t.Error("two requests in one instance")
				}
				busy = true
				time.Sleep(time.Second)
				busy = false
				switch string(payload) {
				case "panic":
					panic("x")
				case "slow":
					time.Sleep(time.Hour)
				}
				return payload, nil
			})
		}, 3)
		call := func(payload string) error {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			_, err := pool.Invoke(ctx, []byte(payload))
			return err
		}
		for range 5 {
			if err := call("a"); err != nil {
				t.Fatal(err)
			}
		}
		if started.Load() != 1 {
			t.Errorf("%d instances for one request at a time", started.Load())
		}
		done := make(chan error)
		for range 6 {
			go func() { done <- call("a") }()
		}
		for range 6 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if started.Load() != 3 {
			t.Errorf("%d instances, want the 3 that are allowed", started.Load())
		}
		for _, bad := range []string{"panic", "slow"} {
			if err := call(bad); err == nil {
				t.Errorf("%s: no error", bad)
			}
		}
		if err := call("a"); err != nil {
			t.Errorf("after a panic and a timeout: %v", err)
		}
		before := started.Load()
		time.Sleep(2 * time.Hour) // abandoned and idle instances end
		if err := call("a"); err != nil || started.Load() != before+1 {
			t.Errorf("%d instances after two hours without requests, want a new one: %v", started.Load()-before, err)
		}
		time.Sleep(2 * time.Hour)
	})
}
