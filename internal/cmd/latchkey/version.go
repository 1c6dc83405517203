package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"latchkey/internal/client"
)

// build describes this program.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"`
	Date     string `json:"date"`     // of the commit
	Modified bool   `json:"modified"` // whether the files differed from the commit
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// thisBuild reads what Go has put into the program. A value that is not there is "unknown".
func thisBuild() build {
	b := build{
		Version: "unknown", Commit: "unknown", Date: "unknown",
		Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	b.Version = info.Main.Version
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.time":
			b.Date = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

func versionCommand() *cobra.Command {
	var out *output
	c := &cobra.Command{
		Use:   "version",
		Short: "Print version, commit, date, Go and platform",
		Example: `  latchkey version
  latchkey version --jq .commit`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			b := thisBuild()
			if !out.asJSON() && out.form != formCSV {
				_, err := fmt.Fprintf(c.OutOrStdout(), "latchkey %s, revision %s of %s, %s %s\n",
					b.Version, b.Commit, b.Date, b.Go, b.Platform)
				return err
			}
			body, err := json.Marshal(b)
			if err != nil {
				return err
			}
			return printAnswer(c, client.Answer{Body: body}, out)
		},
	}
	out = outputFlags(c)
	return c
}
