package reference

import (
	"strings"

	"github.com/spf13/cobra"
)

// CLI returns the reference of all commands below root: what each does, its flags and its examples.
func CLI(root *cobra.Command) string {
	w := new(writer)
	command(w, root)
	return w.String()
}

func command(w *writer, c *cobra.Command) {
	if c.Hidden || c.Name() == "help" || c.Name() == "completion" {
		return
	}
	for _, sub := range c.Commands() {
		command(w, sub)
	}
	if c.HasSubCommands() {
		return
	}
	w.heading(2, c.CommandPath())
	long := strings.TrimSpace(c.Long)
	if long == "" {
		long = c.Short + "."
	}
	w.block("text", long)
	w.block("text", "usage: "+c.UseLine()+"\n\n"+c.Flags().FlagUsagesWrapped(columns-2))
	if c.Example != "" {
		w.printf("\n<!-- not run: the examples of the command's help -->")
		w.block("bash", dedent(c.Example))
	}
}

// dedent removes the two spaces before each line of an example.
func dedent(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "  ")
	}
	return strings.Join(lines, "\n")
}
