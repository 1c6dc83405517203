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

// closer is a handler that counts how often it was closed.
type closer struct {
	invoker
	closed *atomic.Int64
}

func (c closer) Close() { c.closed.Add(1) }

func TestAnInstanceIsClosedWhenItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var started, closed atomic.Int64
		pool := local.NewPool(func() lambda.Handler {
			started.Add(1)
			return closer{func(_ context.Context, payload []byte) ([]byte, error) {
				switch string(payload) {
				case "panic":
					panic("x")
				case "slow":
					time.Sleep(time.Minute)
				}
				return payload, nil
			}, &closed}
		}, 5)
		call := func(payload string) { _, _ = pool.Invoke(t.Context(), []byte(payload)) }
		ended := func(what string, want int64) {
			t.Helper()
			synctest.Wait()
			if closed.Load() != want || started.Load() < want {
				t.Errorf("%s: %d of %d instances are closed, want %d", what, closed.Load(), started.Load(), want)
			}
		}
		call("a")
		ended("one that waits", 0)
		call("panic")
		ended("one that panicked", 1)
		call("a")
		time.Sleep(time.Hour)
		ended("one that waited for long", 2)
		done := make(chan bool)
		for range 2 {
			go func() { call("slow"); done <- true }()
		}
		synctest.Wait()
		call("a")
		pool.Close()
		if closed.Load() != 3 {
			t.Errorf("Close has not waited: %d are closed", closed.Load())
		}
		<-done
		<-done
		ended("two that were busy", 5)
		call("a")
		ended("one that was started after that", 6)
		pool.Close()
		ended("the pool, again", 6)
	})
}
