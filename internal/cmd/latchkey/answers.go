package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"latchkey/internal/local/sam"
)

// answersFile is the name of the stack whose answers are stored.
type answersFile string

// path is below the folder in which make runs. Git ignores the folder, and make clean spares it.
func (f answersFile) path() string { return filepath.Join(".deploy", string(f)+".yaml") }

// answers are the region and the parameters of a deployment.
type answers struct {
	Region     string
	Parameters map[string]string // those that differ from their defaults

	known  map[string]sam.Parameter
	path   string
	stored bool // they were read from the file
}

// value returns the value of a parameter, or its default.
func (a *answers) value(name string) string {
	if value, ok := a.Parameters[name]; ok {
		return value
	}
	return a.known[name].Default
}

// take sets a parameter, or the region if name is empty.
func (a *answers) take(name, value string) {
	switch {
	case name == "":
		a.Region = value
	case value == a.known[name].Default:
		delete(a.Parameters, name)
	default:
		a.Parameters[name] = value
	}
}

// samConfig is a configuration file of the SAM CLI.
type samConfig struct {
	Version float64 `yaml:"version"`
	Default struct {
		Global struct {
			Parameters struct {
				Stack  string `yaml:"stack_name"`
				Region string `yaml:"region"`
			} `yaml:"parameters"`
		} `yaml:"global"`
		Build struct {
			Parameters struct {
				// The Makefile in the root builds every function, and Go has its own cache.
				Cached    bool              `yaml:"cached"`
				Parallel  bool              `yaml:"parallel"`
				Overrides map[string]string `yaml:"parameter_overrides,omitempty"`
			} `yaml:"parameters"`
		} `yaml:"build"`
		Deploy struct {
			Parameters struct {
				ResolveS3    bool              `yaml:"resolve_s3"`
				Confirm      bool              `yaml:"confirm_changeset"`
				Capabilities []string          `yaml:"capabilities"`
				Overrides    map[string]string `yaml:"parameter_overrides,omitempty"`
			} `yaml:"parameters"`
		} `yaml:"deploy"`
	} `yaml:"default"`
}

// read returns the stored answers, or empty ones if there are none.
func (f answersFile) read() (*answers, error) {
	known, err := sam.Parameters()
	if err != nil {
		return nil, err
	}
	a := &answers{Parameters: make(map[string]string), known: known, path: f.path()}
	text, err := os.ReadFile(f.path())
	if errors.Is(err, fs.ErrNotExist) {
		return a, f.checkFormer()
	}
	var stored samConfig
	if err == nil {
		err = yaml.Unmarshal(text, &stored)
	}
	if err != nil {
		return nil, fmt.Errorf("read the answers: %w", err)
	}
	a.stored, a.Region = true, stored.Default.Global.Parameters.Region
	for name, value := range stored.Default.Deploy.Parameters.Overrides {
		a.Parameters[name] = value
	}
	return a, nil
}

// checkFormer refuses to begin anew if samconfig.toml has the answers of an earlier version.
func (f answersFile) checkFormer() error {
	text, err := os.ReadFile("samconfig.toml")
	if err != nil || !strings.Contains(string(text), "["+string(f)+".deploy.parameters]") {
		return nil
	}
	return usageError{fmt.Errorf("samconfig.toml has the answers of an earlier version for %[1]s: "+
		"give those that differ from the defaults once as PARAMETERS, and remove the sections [%[1]s.…] there", string(f))}
}

// write stores the answers.
func (f answersFile) write(a *answers) error {
	c := samConfig{Version: 0.1}
	global, build, deploy := &c.Default.Global.Parameters, &c.Default.Build.Parameters, &c.Default.Deploy.Parameters
	global.Stack, global.Region = string(f), a.Region
	build.Parallel = true
	deploy.ResolveS3, deploy.Confirm, deploy.Capabilities = true, true, []string{"CAPABILITY_IAM"}
	build.Overrides, deploy.Overrides = a.Parameters, a.Parameters
	text, err := yaml.Marshal(c)
	if err != nil {
		return fmt.Errorf("store the answers: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(f.path()), 0o755); err != nil {
		return fmt.Errorf("store the answers: %w", err)
	}
	head := "# The answers for the stack " + string(f) + ". make deploy reads them; PARAMETERS changes one.\n"
	if err := os.WriteFile(f.path(), append([]byte(head), text...), 0o644); err != nil {
		return fmt.Errorf("store the answers: %w", err)
	}
	return nil
}

// print prints the value of a parameter, or of Region.
func (a *answers) print(c *cobra.Command, name string) error {
	value := a.Region
	if name != "Region" {
		if _, known := a.known[name]; !known {
			return usageError{fmt.Errorf("the template has no parameter %q", oneLine(name))}
		}
		value = a.value(name)
	}
	_, err := fmt.Fprintln(c.OutOrStdout(), value)
	return err
}
