package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"

	"latchkey/internal/migrate"
)

// importMemory is the largest size in bytes of an input that cannot be read twice, such as standard
// input. It is kept in memory.
const importMemory = 256 << 20

// openInput opens a file so that it can be read twice. The path - is standard input.
func openInput(ctx context.Context, stdin io.Reader, path string) (io.ReadSeekCloser, error) {
	if path == "-" {
		return readInput(ctx, stdin)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && info.Mode().IsRegular() {
		return file, nil
	}
	defer file.Close()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a folder", path)
	}
	if err != nil {
		return nil, err
	}
	return readInput(ctx, file)
}

// readInput reads an input into memory.
func readInput(ctx context.Context, in io.Reader) (io.ReadSeekCloser, error) {
	text, err := migrate.Spool(ctx, in, importMemory)
	if err != nil {
		return nil, fmt.Errorf("the input %w", err)
	}
	return memoryFile{bytes.NewReader(text)}, nil
}

// memoryFile is a file in memory.
type memoryFile struct{ *bytes.Reader }

func (memoryFile) Close() error { return nil }
