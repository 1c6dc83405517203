//go:build browser

package browsertest

import (
	"context"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/heapprofiler"
	"github.com/chromedp/chromedp"
)

// Heap returns all texts in the memory of the page, after a collection of unused memory. It
// cuts texts to 1024 characters.
func (p *Page) Heap() string {
	p.t.Helper()
	var mu sync.Mutex
	var all strings.Builder
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	err := chromedp.Listen(ctx, func(event any) {
		if chunk, ok := event.(*heapprofiler.EventAddHeapSnapshotChunk); ok {
			mu.Lock()
			defer mu.Unlock()
			all.WriteString(chunk.Chunk)
		}
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.do(chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		if _, err := cdp.Call(ctx, tab, heapprofiler.Enable, cdp.Empty{}); err != nil {
			return err
		}
		if _, err := cdp.Call(ctx, tab, heapprofiler.CollectGarbage, cdp.Empty{}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, tab, heapprofiler.TakeHeapSnapshot, heapprofiler.TakeHeapSnapshotParams{})
		return err
	}))
	mu.Lock()
	defer mu.Unlock()
	return all.String()
}

// DialogText returns the text of the dialog on top.
func (p *Page) DialogText() (text string) {
	p.t.Helper()
	p.Eval("return top.innerText", &text)
	return text
}
