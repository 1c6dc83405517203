package metrics

import (
	"errors"
	"time"

	"latchkey/internal/apikey"
)

// Observe counts the result of one check of the gate. It leaves out errors of the caller, which
// have no verdict. It is for the gate's option Observe.
func (r *Recorder) Observe(v apikey.Verdict, err error, took time.Duration) {
	if errors.Is(err, apikey.ErrInvalid) {
		return
	}
	code := v.Code
	if err != nil {
		code = apikey.CodeUnavailable
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.verdicts[string(code)]++
	r.latency.add(took)
	r.took += took
}
