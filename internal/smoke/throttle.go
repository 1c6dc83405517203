package smoke

import (
	"net/http"
	"sync"
	"sync/atomic"

	"latchkey/internal/api"
	"latchkey/internal/apikey"
)

// throttle sends requests to revoke-by-token, faster than the stage allows, and checks the answer to
// the first that is beyond. The requests name no key, so they are refused and change nothing.
func (r *run) throttle() {
	r.assumption = throttling
	if r.Throttle == 0 {
		r.skip("429 of the stage's throttling: --throttle sends as many requests as it needs")
		return
	}
	var refused atomic.Pointer[answer]
	var left atomic.Int64
	left.Store(int64(r.Throttle))
	var senders sync.WaitGroup
	for range 4 * crowdSize {
		senders.Go(func() {
			for left.Add(-1) >= 0 && refused.Load() == nil && r.ctx.Err() == nil {
				a := r.send("more than the stage allows", http.MethodPost, api.KeysPath+"/revoke-by-token", struct{}{})
				if a.status == http.StatusTooManyRequests {
					refused.CompareAndSwap(nil, &a)
				}
			}
		})
	}
	senders.Wait()
	a := answer{name: "more than the stage allows"}
	if first := refused.Load(); first != nil {
		a = *first
	}
	r.expect(a, status(http.StatusTooManyRequests), isJSON, cors, exposes("Retry-After"), header("Retry-After", "1"),
		field("error.type", string(api.RateLimitError)), field("error.code", string(apikey.CodeTooManyRequests)))
}
