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
	// workers is the number of goroutines that write at once.
	workers = 8

	// queueLength is the number of lines that wait for a worker. After an interruption, they are
	// still imported.
	queueLength = 2 * registry.MaxTogether

	// tries is the number of times that lines are written. The pauses between them, each about twice
	// as long as the one before, are some twenty seconds together. A table that throttles requests at
	// first has grown by then.
	tries        = 9
	firstPause   = 100 * time.Millisecond
	longestPause = 5 * time.Second

	// finishTime is the time for the lines that are being imported at an interruption.
	finishTime = 5 * time.Second
)

// Tally counts lines by the result of their import.
type Tally struct {
	Created   int `json:"created"`   // new keys
	Added     int `json:"added"`     // tokens that were added to a key
	Unchanged int `json:"unchanged"` // tokens that the table had before
	Failed    int `json:"failed"`    // lines that were not imported
	// Last is the number of the last line that was begun. All lines before it are done, unless the
	// job gave up.
	Last int `json:"lastLine"`
}

// imported returns the number of lines whose token is in the table.
func (t Tally) imported() int { return t.Created + t.Added + t.Unchanged }

// Job imports the lines of a [Reader]. Registry and Report are required. A Job may be run once.
type Job struct {
	Registry *registry.Registry
	// Report is called for each line that is not imported, in no particular order. Calls do not
	// overlap, also with those of Done.
	Report func(line int, err error)
	// Done is called for each imported line, in no particular order. It may be nil.
	Done func(line Line, did registry.Imported)
	// Sleep waits before another try, or until the context ends. If nil, a timer is used.
	Sleep func(context.Context, time.Duration)

	mu    sync.Mutex
	tally Tally
}

// Tally returns the results so far. It may be called while Run runs.
func (j *Job) Tally() Tally {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.tally
}

// Run imports the lines of r, many at a time. It imports those of one user in order, since they
// would conflict in transactions otherwise. A line that fails is reported and writes nothing.
//
// When Run returns nil, each imported token works on every instance, even if it was refused before.
// An error says why the import ended before the end of the file. It is the cause of ctx after an
// interruption. Importing the file again is always safe, and continues the import.
func (j *Job) Run(ctx context.Context, r *Reader) error {
	// work ends some time after ctx, so that lines are imported whole.
	work, giveUp := context.WithCancelCause(context.WithoutCancel(ctx))
	defer giveUp(nil)
	defer context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(finishTime, func() { giveUp(context.Cause(ctx)) })
		context.AfterFunc(work, func() { timer.Stop() })
	})()

	var wg sync.WaitGroup
	queues := make([]chan Line, workers)
	for i := range queues {
		queue := make(chan Line, queueLength)
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
	if t := j.Tally(); err == nil && t.Created+t.Added > 0 {
		err = j.Registry.Settle(ctx)
	}
	return err
}

// next is a line, or the error of [Reader.Next].
type next struct {
	line Line
	err  error
}

// feed gives each line to the worker of its user, until the file or a context ends.
func (j *Job) feed(ctx, work context.Context, r *Reader, queues []chan Line) error {
	lines := readAhead(work, r)
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

// readAhead reads lines in a goroutine of its own, since a terminal may never answer. The last value
// is an error.
func readAhead(work context.Context, r *Reader) <-chan next {
	lines := make(chan next, queueLength)
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
	return lines
}

// work imports the lines of a queue. It takes as many at once as are waiting.
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
			j.importLines(ctx, giveUp, lines)
		}
	}
}

// importLines imports lines. It tries those again whose result is not known, because the table
// throttled them or an answer was lost. If the last try fails and no line of the file was imported
// meanwhile, it gives up the whole job.
func (j *Job) importLines(ctx context.Context, giveUp context.CancelCauseFunc, lines []Line) {
	before, pause := j.Tally(), firstPause
	for try := 1; ; try++ {
		if lines = j.try(ctx, lines); len(lines) == 0 || ctx.Err() != nil {
			return
		}
		if try == tries {
			for _, line := range lines {
				j.count(line, "", line.Err)
			}
			if j.Tally().imported() == before.imported() {
				giveUp(fmt.Errorf("given up, as nothing succeeds any more: %w", lines[len(lines)-1].Err))
			}
			return
		}
		j.sleep(ctx, pause/2+rand.N(pause/2))
		pause = min(2*pause, longestPause)
	}
}

// try imports lines once. It returns those whose result is not known, each with its error.
func (j *Job) try(ctx context.Context, lines []Line) (unknown []Line) {
	entries := make([]registry.Import, len(lines))
	for i, line := range lines {
		entries[i] = line.Import
	}
	for i, result := range j.Registry.ImportAll(ctx, entries) {
		var mistake *apikey.FieldError
		if result.Err == nil || errors.As(result.Err, &mistake) {
			j.count(lines[i], result.Did, result.Err)
		} else {
			line := lines[i]
			line.Err = result.Err
			unknown = append(unknown, line)
		}
	}
	return unknown
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

// count adds the result of a line, and reports it.
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
