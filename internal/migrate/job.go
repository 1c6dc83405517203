package migrate

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/registry"
)

const (
	workers = 8
	// waiting bounds what a worker has before it: so much is done after an
	// interruption, too.
	waiting = 2 * registry.MaxTogether

	// tries and the pauses between them are some twenty seconds, in which a table
	// that is asked too much at first has grown.
	tries       = 9
	firstPause  = 100 * time.Millisecond
	longestWait = 5 * time.Second

	// farewell is how long what is under way may take after an interruption.
	farewell = 5 * time.Second
)

// Tally counts lines.
type Tally struct {
	Created   int `json:"created"`
	Added     int `json:"added"`
	Unchanged int `json:"unchanged"`
	Failed    int `json:"failed"`
	// Last is the last line that was begun. Unless the job was given up, all
	// before it are done.
	Last int `json:"lastLine"`
}

func (t Tally) done() int { return t.Created + t.Added + t.Unchanged }

// Job stores what a [Reader] reads. It may be run once.
type Job struct {
	Registry *registry.Registry
	// Report is told of each line that is not imported, by one caller at a time, in
	// no particular order.
	Report func(line int, err error)
	// Done is called for each imported line, likewise. It may be nil.
	Done func(line Line, did registry.Imported)
	// Sleep waits before another try, or until the context ends; nil: it does.
	Sleep func(context.Context, time.Duration)

	mu    sync.Mutex
	tally Tally
}

// Tally is how far it is.
func (j *Job) Tally() Tally {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.tally
}

// Run imports the lines of r, many at a time, and those of one user in order, since they would
// conflict in transactions otherwise. Lines that fail are reported and leave nothing behind. When
// Run returns, each imported token works on every instance, even if it was refused before. An error
// says why the import ended before the end of the file. Running it again is always safe, and
// continues the import.
func (j *Job) Run(ctx context.Context, r *Reader) error {
	work, giveUp := context.WithCancelCause(context.WithoutCancel(ctx))
	defer giveUp(nil)
	defer context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(farewell, func() { giveUp(context.Cause(ctx)) })
		context.AfterFunc(work, func() { timer.Stop() })
	})()

	var wg sync.WaitGroup
	queues := make([]chan Line, workers)
	for i := range queues {
		queue := make(chan Line, waiting)
		queues[i] = queue
		wg.Go(func() { j.work(work, giveUp, queue) })
	}
	err := j.feed(ctx, work, r, queues)
	for _, queue := range queues {
		close(queue)
	}
	wg.Wait()
	if cause := context.Cause(work); cause != nil {
		return cause
	}
	if did := j.Tally(); err == nil && did.Created+did.Added > 0 {
		err = j.Registry.Settle(ctx)
	}
	return err
}

// feed gives each worker its users' lines, until there are no more.
func (j *Job) feed(ctx, work context.Context, r *Reader, queues []chan Line) error {
	type next struct {
		line Line
		err  error
	}
	lines := make(chan next, waiting) // a file may be a terminal, and never answer
	go func() {
		for {
			line, err := r.Next()
			select {
			case lines <- next{line, err}:
			case <-work.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	seed := maphash.MakeSeed()
	for {
		var n next
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-work.Done():
			return context.Cause(work)
		case n = <-lines:
		}
		switch {
		case errors.Is(n.err, io.EOF):
			return nil
		case n.err != nil:
			return fmt.Errorf("read the file: %w", n.err)
		}
		if n.line.Err != nil {
			j.count(n.line, "", n.line.Err)
			continue
		}
		select {
		case queues[maphash.String(seed, n.line.Import.UserID)%workers] <- n.line:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-work.Done():
			return context.Cause(work)
		}
	}
}

// work imports a queue's lines, as many at once as are there.
func (j *Job) work(ctx context.Context, giveUp context.CancelCauseFunc, queue <-chan Line) {
	for line := range queue {
		lines := []Line{line}
		for more := true; more && len(lines) < registry.MaxTogether; {
			select {
			case line, more = <-queue:
				if more {
					lines = append(lines, line)
				}
			default:
				more = false
			}
		}
		if ctx.Err() == nil {
			j.do(ctx, giveUp, lines)
		}
	}
}

// do imports lines, again where it is not known how it went: a table that is asked
// too much, or loses an answer, is no reason to skip one. Where nothing at all
// succeeds any more, it gives the whole job up.
func (j *Job) do(ctx context.Context, giveUp context.CancelCauseFunc, lines []Line) {
	before, pause := j.Tally(), firstPause
	for n := 1; len(lines) > 0; n++ {
		entries := make([]registry.Import, len(lines))
		for i, line := range lines {
			entries[i] = line.Import
		}
		var undecided []Line
		var err error
		for i, result := range j.Registry.ImportAll(ctx, entries) {
			var mistake *apikey.FieldError
			if result.Err == nil || errors.As(result.Err, &mistake) {
				j.count(lines[i], result.Did, result.Err)
				continue
			}
			undecided, err = append(undecided, lines[i]), result.Err
			if n == tries && ctx.Err() == nil {
				j.count(lines[i], "", result.Err)
			}
		}
		switch {
		case len(undecided) == 0 || ctx.Err() != nil:
			return
		case n == tries:
			if j.Tally().done() == before.done() {
				giveUp(fmt.Errorf("given up, as nothing succeeds any more: %w", err))
			}
			return
		}
		j.sleep(ctx, pause/2+rand.N(pause/2))
		lines, pause = undecided, min(2*pause, longestWait)
	}
}

func (j *Job) sleep(ctx context.Context, d time.Duration) {
	if j.Sleep != nil {
		j.Sleep(ctx, d)
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (j *Job) count(line Line, did registry.Imported, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.tally.Last = max(j.tally.Last, line.Number)
	switch {
	case err != nil:
		j.tally.Failed++
		j.Report(line.Number, err)
		return
	case did == registry.ImportCreated:
		j.tally.Created++
	case did == registry.ImportAdded:
		j.tally.Added++
	default:
		j.tally.Unchanged++
	}
	if j.Done != nil {
		j.Done(line, did)
	}
}
