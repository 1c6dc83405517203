package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"iter"
	"os"

	"latchkey/internal/dynamo"
)

// dumpLine is a line of a dump. Each has an item but the last one.
type dumpLine struct {
	Item   json.RawMessage `json:"Item,omitempty"`
	Items  *int            `json:"Items,omitempty"`  // the number of items
	SHA256 string          `json:"SHA256,omitempty"` // of all lines before, in hexadecimal
}

// dumpTable writes the table's items and the last line, and returns the number of items.
func dumpTable(ctx context.Context, table *dynamo.Table, file io.Writer) (n int, err error) {
	to := bufio.NewWriter(file)
	sum := sha256.New()
	lines := json.NewEncoder(io.MultiWriter(to, sum))
	err = table.Dump(ctx, func(item []byte) error {
		n++
		return lines.Encode(dumpLine{Item: item})
	})
	if err == nil {
		err = json.NewEncoder(to).Encode(dumpLine{Items: &n, SHA256: hexOf(sum)})
	}
	if err == nil {
		err = to.Flush()
	}
	return n, err
}

func hexOf(sum hash.Hash) string { return hex.EncodeToString(sum.Sum(nil)) }

// checkDump reads a whole dump, and returns the number of its items.
func checkDump(path string) (n int, err error) {
	for _, err := range dumpedItems(path) {
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

// dumpedItems reads the items of a dump. If the dump is not complete, its last value is an error.
func dumpedItems(path string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		file, err := os.Open(path)
		if err != nil {
			yield(nil, fmt.Errorf("read the dump: %w", err))
			return
		}
		defer file.Close()
		from, sum := bufio.NewReader(file), sha256.New()
		for n := 0; ; n++ {
			text, err := from.ReadBytes('\n')
			var line dumpLine
			if err == nil {
				err = json.Unmarshal(text, &line)
			}
			_, more := from.Peek(1)
			last := line.Items != nil && more != nil
			if err != nil || last && (*line.Items != n || line.SHA256 != hexOf(sum)) || !last && line.Item == nil {
				yield(nil, fmt.Errorf("%s is cut off or altered at line %d: take another copy", path, n+1))
				return
			}
			if last {
				return
			}
			_, _ = sum.Write(text) // never fails
			if !yield(line.Item, nil) {
				return
			}
		}
	}
}
