package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"latchkey/internal/client"
	"latchkey/internal/config"
)

// apiConfig has the variables of the commands that call the HTTP API. There is no flag for the key,
// because other users can see a command line, and the shell stores it.
type apiConfig struct {
	URL     string           `env:"LATCHKEY_URL"`
	Key     config.Sensitive `env:"LATCHKEY_KEY"`
	Profile string           `env:"LATCHKEY_PROFILE"`
}

const usualURL = "http://127.0.0.1:3000"

// settings say which service a command calls, and with which key.
type settings struct {
	url string
	key config.Sensitive // empty if requests carry no key

	urlName, keyName string // the variable or the profile that they come from, for errors
	profile          string // the name of the profile in use; empty if there is none
	// withheld says why the key of the profile is not used, or is empty.
	withheld string
	// overridden lists the variables that replace a value of the profile.
	overridden []string
}

// settingsOf returns the settings of a command. The variables LATCHKEY_URL and LATCHKEY_KEY come first,
// and then the profile that --profile or LATCHKEY_PROFILE names. A profile's key is only sent to the
// profile's URL. Another URL would get a key that was not meant for it.
func settingsOf(c *cobra.Command) (settings, error) {
	variables := config.Process()
	var v apiConfig
	if err := config.Read(&v, variables); err != nil {
		return settings{}, usageError{err}
	}
	s := settings{urlName: "LATCHKEY_URL", keyName: "LATCHKEY_KEY"}
	stored, err := readProfiles(profileFile(variables))
	if err != nil {
		return settings{}, err
	}
	name, err := profileName(c, v)
	if err != nil {
		return settings{}, err
	}
	used, found := stored.all[cmp.Or(name, usualProfile)]
	if name != "" && !found {
		_, err := stored.named(name)
		return settings{}, err
	}
	s.url, s.key = v.URL, config.NewSensitive(strings.TrimSpace(v.Key.Reveal())) // a file may end in a newline
	if found {
		s.use(cmp.Or(name, usualProfile), used)
	}
	s.url = cmp.Or(s.url, usualURL)
	if err := checkKey(s.key.Reveal()); err != nil {
		return settings{}, usageError{fmt.Errorf("%s %w", s.keyName, err)}
	}
	return s, nil
}

// use takes from a profile what the variables leave open.
func (s *settings) use(name string, p profile) {
	s.profile = name
	same := s.url == "" || strings.TrimRight(s.url, "/") == strings.TrimRight(p.url, "/")
	if s.url == "" {
		s.url, s.urlName = p.url, "the url of profile "+name
	} else if !same {
		s.overridden = append(s.overridden, "LATCHKEY_URL")
	}
	switch {
	case s.key.Reveal() != "":
		s.overridden = append(s.overridden, "LATCHKEY_KEY")
	case same:
		s.key, s.keyName = p.key, "the key of profile "+name
	default:
		s.withheld = "LATCHKEY_URL is not the URL of profile " + name + ", so that its key was not sent.\n" +
			"Unset LATCHKEY_URL, or set LATCHKEY_KEY too."
	}
}

// profileName returns the name of the profile that the flag or the variable names, or "".
func profileName(c *cobra.Command, v apiConfig) (string, error) {
	if f := c.Flags().Lookup("profile"); f != nil && f.Changed {
		return f.Value.String(), nil // the flag has checked it
	}
	if v.Profile == "" {
		return "", nil
	}
	if err := checkProfile(v.Profile); err != nil {
		return "", usageError{fmt.Errorf("LATCHKEY_PROFILE %w", err)}
	}
	return v.Profile, nil
}

// client returns a client of the service.
func (s settings) client() (*client.Client, error) {
	service, err := client.New(s.url, s.key.Reveal())
	if err != nil {
		return nil, usageError{fmt.Errorf("%s %w", s.urlName, err)}
	}
	return service, nil
}

// origin says from where the settings come, if a profile has a part in them, or returns "".
func (s settings) origin() string {
	if s.profile == "" {
		return ""
	}
	if len(s.overridden) == 0 {
		return fmt.Sprintf("Profile %s of %s.", s.profile, s.url)
	}
	verb := "is"
	if len(s.overridden) > 1 {
		verb = "are"
	}
	return fmt.Sprintf("%s %s used instead of profile %s, at %s.",
		strings.Join(s.overridden, " and "), verb, s.profile, s.url)
}
