package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"latchkey/internal/migrate"
)

// importMemory bounds the size of standard input in bytes, which is kept in memory because it cannot be read twice.
const importMemory = 256 << 20

// openInput opens a file, or keeps standard input, so that it can be read twice.
func openInput(ctx context.Context, stdin io.Reader, path string) (*countedFile, int64, error) {
	kept := func(in io.Reader) (*countedFile, int64, error) {
		text, err := migrate.Spool(ctx, in, importMemory)
		if err != nil {
			return nil, 0, fmt.Errorf("the input %w", err)
		}
		return &countedFile{ReadSeeker: bytes.NewReader(text)}, int64(len(text)), nil
	}
	if path == "-" {
		return kept(stdin)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a folder", path)
	}
	if err != nil {
		file.Close()
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		defer file.Close()
		return kept(file)
	}
	return &countedFile{ReadSeeker: file, Closer: file}, info.Size(), nil
}

// countedFile counts the bytes that are read from a file.
type countedFile struct {
	io.ReadSeeker
	io.Closer // nil if there is nothing to close
	n         atomic.Int64
}

func (c *countedFile) Read(p []byte) (int, error) {
	n, err := c.ReadSeeker.Read(p)
	c.n.Add(int64(n))
	return n, err
}

func (c *countedFile) Close() error {
	if c.Closer == nil {
		return nil
	}
	return c.Closer.Close()
}
