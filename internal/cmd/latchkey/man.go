package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func manCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the manual pages of all commands into a folder",
		Long: `Writes a manual page for each command into the folder DIR, which it makes if it
is not there. A page has the name of its command, such as latchkey-keys-list.1.`,
		Example: `  latchkey man ~/.local/share/man/man1
  latchkey man man1 && man ./man1/latchkey-keys-create.1`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || args[0] == "" {
				return usageError{errors.New("needs one DIR, such as ~/.local/share/man/man1")}
			}
			return nil
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: func(c *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("make the folder: %w", err)
			}
			written := 0
			for _, one := range pagesOf(c.Root()) {
				file := filepath.Join(args[0], strings.ReplaceAll(one.CommandPath(), " ", "-")+".1")
				if err := os.WriteFile(file, []byte(manPage(one, thisBuild())), 0o644); err != nil {
					return fmt.Errorf("write a manual page: %w", err)
				}
				written++
			}
			fmt.Fprintf(c.ErrOrStderr(), "%d manual pages are in %s.\n", written, args[0])
			return nil
		},
	}
}

// pagesOf returns a command and all commands below it that have a page.
func pagesOf(c *cobra.Command) []*cobra.Command {
	if c.Hidden || c.Name() == "help" {
		return nil
	}
	all := []*cobra.Command{c}
	for _, sub := range c.Commands() {
		all = append(all, pagesOf(sub)...)
	}
	return all
}

// manPage returns the manual page of a command in the language of man. Cobra's own generator would take
// the tables in our texts for Markdown.
func manPage(c *cobra.Command, of build) string {
	var b strings.Builder
	title := strings.ToUpper(strings.ReplaceAll(c.CommandPath(), " ", "-"))
	date, _, _ := strings.Cut(of.Date, "T")
	if _, err := time.Parse(time.DateOnly, date); err != nil {
		date = ""
	}
	fmt.Fprintf(&b, ".TH %q 1 %q %q \"latchkey\"\n", title, date, "latchkey "+of.Version)
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(strings.ReplaceAll(c.CommandPath(), " ", "-")), roff(c.Short))
	if c.HasSubCommands() {
		fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n.I command\n", roff(c.CommandPath()))
	} else {
		fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n", roff(c.UseLine()))
	}
	if c.Long != "" {
		b.WriteString(".SH DESCRIPTION\n" + manText(c.Long))
	}
	b.WriteString(manFlags(c))
	if c.Example != "" {
		b.WriteString(".SH EXAMPLES\n" + manText(c.Example))
	}
	var also []string
	if c.HasParent() {
		also = append(also, c.Parent().CommandPath())
	}
	for _, sub := range c.Commands() {
		if pagesOf(sub) != nil {
			also = append(also, sub.CommandPath())
		}
	}
	b.WriteString(".SH SEE ALSO\n")
	for i, path := range also {
		mark := ","
		if i == len(also)-1 {
			mark = ""
		}
		fmt.Fprintf(&b, ".BR %s (1)%s\n", roff(strings.ReplaceAll(path, " ", "-")), mark)
	}
	return b.String()
}

// manText returns paragraphs. One with an indented line, such as a table, keeps its line breaks.
func manText(text string) string {
	var b strings.Builder
	for paragraph := range strings.SplitSeq(strings.Trim(text, "\n"), "\n\n") {
		if strings.Contains("\n"+paragraph, "\n ") {
			fmt.Fprintf(&b, ".PP\n.nf\n%s\n.fi\n", roff(paragraph))
			continue
		}
		fmt.Fprintf(&b, ".PP\n%s\n", roff(paragraph))
	}
	return b.String()
}

// manFlags returns the section about the flags of a command, or "" if it has none.
func manFlags(c *cobra.Command) string {
	var b strings.Builder
	c.InitDefaultHelpFlag()
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		name, usage := pflag.UnquoteUsage(f)
		short := ""
		if f.Shorthand != "" {
			short = "-" + f.Shorthand + ", "
		}
		fmt.Fprintf(&b, ".TP\n%s\n%s\n", strings.TrimSpace(`\fB`+roff(short+"--"+f.Name)+`\fR `+roff(name)), roff(usage))
	})
	if b.Len() == 0 {
		return ""
	}
	return ".SH OPTIONS\n" + b.String()
}

// roff escapes a text for man.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
