package docs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Mark is the line of a reference page after which everything is generated.
const Mark = "<!-- Everything below is generated: make manual -->"

// Page is one Markdown file.
type Page struct {
	// File is the file's name, such as "start.md".
	File string
	Text string
	// Blocks are the fenced blocks of code, in their order.
	Blocks []Block
}

// Block is one fenced block of code.
type Block struct {
	// Language is the word after the fence, such as "bash". It is empty if there is none.
	Language string
	// Text has no fences, and no indentation that the fence itself has.
	Text string
	// Line is the number of the first fence in the page, from 1.
	Line int
	// NotRun is the reason in the comment <!-- not run: REASON --> above the block.
	NotRun string
	// Name is the text of the comment <!-- file: NAME --> above the block, for blocks that are files.
	Name string
}

// ReadPage reads the page at path and finds its blocks. It fails if a block has no end.
func ReadPage(path string) (Page, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Page{}, err
	}
	p := Page{File: filepath.Base(path), Text: string(text)}
	p.Blocks, err = blocks(p.Text)
	if err != nil {
		return Page{}, fmt.Errorf("%s: %w", p.File, err)
	}
	return p, nil
}

// Pages reads README.md and all pages of the manual. root is the module's folder.
func Pages(root string) ([]Page, error) {
	files, err := filepath.Glob(filepath.Join(root, "internal", "docs", "*.md"))
	if err != nil {
		return nil, err
	}
	var pages []Page
	for _, file := range append([]string{filepath.Join(root, "README.md")}, files...) {
		p, err := ReadPage(file)
		if err != nil {
			return nil, err
		}
		pages = append(pages, p)
	}
	return pages, nil
}

func blocks(text string) ([]Block, error) {
	var all []Block
	var open *Block
	var fence, indent, above string
	for i, line := range strings.Split(text, "\n") {
		bare := strings.TrimLeft(line, " ")
		switch {
		case open != nil && strings.TrimSpace(line) == fence:
			all = append(all, *open)
			open, above = nil, ""
		case open != nil:
			open.Text += strings.TrimPrefix(line, indent) + "\n"
		case strings.HasPrefix(bare, "```"):
			language := strings.TrimLeft(bare, "`")
			fence, indent = strings.TrimSuffix(bare, language), line[:len(line)-len(bare)]
			open = &Block{Language: language, Line: i + 1, NotRun: comment(above, "not run"), Name: comment(above, "file")}
		case bare != "":
			above = bare
		}
	}
	if open != nil {
		return nil, fmt.Errorf("the block of line %d has no end", open.Line)
	}
	return all, nil
}

// comment returns the value of <!-- name: value -->, or nothing.
func comment(line, name string) string {
	value, ok := strings.CutPrefix(strings.TrimSpace(line), "<!-- "+name+": ")
	if !ok {
		return ""
	}
	return strings.TrimSuffix(value, " -->")
}

// Check compares the generated part of the page at path with text. It fails if they differ. If update
// is true, it writes text there instead.
func Check(path, text string, update bool) error {
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	want, err := Generated(string(page), text)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", path, err)
	case want == string(page):
		return nil
	case update:
		return os.WriteFile(path, []byte(want), 0o644)
	}
	return fmt.Errorf("%s has drifted from the code: run make manual", filepath.Base(path))
}

// Generated returns page with its generated part replaced by text, in which one blank line is enough.
// It fails if page has no [Mark].
func Generated(page, text string) (string, error) {
	written, _, ok := strings.Cut(page, Mark+"\n")
	if !ok {
		return "", fmt.Errorf("there is no line %q", Mark)
	}
	for strings.Contains(text, "\n\n\n") {
		text = strings.ReplaceAll(text, "\n\n\n", "\n\n")
	}
	return written + Mark + "\n\n" + strings.TrimSpace(text) + "\n", nil
}
