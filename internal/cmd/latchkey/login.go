package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"latchkey/internal/api"
	"latchkey/internal/config"
)

func loginCommand() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "login [URL]",
		Short: "Store the URL of a service and a key that calls it",
		Long: `Asks for a key, checks it, and stores it with the URL in a profile. Other
commands then need no variables. A profile is a part of

  $XDG_CONFIG_HOME/latchkey/config.toml   (~/.config/latchkey/config.toml)

which only you can read. --profile names it; the profile named default is used
where no other is named. Logging in again replaces it. The key is typed, or
read from the file that --key-file names or from standard input. It is never an
argument, because other users can see a command line, and the shell stores it.

By default, URL is that of the profile, or else LATCHKEY_URL, or else
http://127.0.0.1:3000. The check counts as one request of the key.`,
		Example: `  latchkey login https://keys.example.com --profile prod
  latchkey login --key-file .latchkey/root-key`,
		Args: upTo(1, "at most one URL"),
		RunE: func(c *cobra.Command, args []string) error { return login(c, strings.Join(args, ""), file) },
	}
	profileFlag(c, "`NAME` of the profile (default \"default\")")
	c.Flags().StringVar(&file, "key-file", "", "`FILE` with the key; - is standard input")
	c.Flags().Bool("debug", false, "print each request on standard error, without keys")
	return c
}

// login checks a key at a URL, and stores both. If at is empty, the URL is the profile's or the
// variable's.
func login(c *cobra.Command, at, file string) error {
	variables := config.Process()
	var v apiConfig
	if err := config.Read(&v, variables); err != nil {
		return usageError{err}
	}
	stored, err := readProfiles(profileFile(variables))
	if err != nil {
		return err
	}
	name, err := profileName(c, v)
	if err != nil {
		return err
	}
	name = cmp.Or(name, usualProfile)
	s := settings{
		url:     strings.TrimRight(cmp.Or(at, stored.all[name].url, v.URL, usualURL), "/"),
		urlName: "the URL", keyName: "the key",
	}
	if !config.ServiceURL(s.url) {
		return usageError{errors.New("the URL must be an http or https URL without user, query and fragment")}
	}
	if plain(s.url) {
		fmt.Fprintln(c.ErrOrStderr(), "Warning: the URL is not https, so that others on the network can read the key.")
	}
	key, err := readKey(c, file)
	switch {
	case err != nil:
		return err
	case key == "":
		return usageError{errors.New("there is no key: type it, or name a file with --key-file")}
	case checkKey(key) != nil:
		return usageError{fmt.Errorf("the key %w", checkKey(key))}
	}
	s.key = config.NewSensitive(key)
	answer, err := s.send(c, http.MethodGet, api.WhoamiPath, nil, nil)
	if err != nil {
		return err
	}
	who, err := decode[api.WhoamiResponse](answer.Body)
	if err != nil {
		return err
	}
	stored.all[name] = profile{s.url, s.key}
	if err := stored.write(); err != nil {
		return err
	}
	fmt.Fprintf(c.ErrOrStderr(), "You are %s at %s. Profile %s is stored in %s.\n",
		oneLine(callerOf(who)), s.url, name, stored.file)
	for _, variable := range []string{"LATCHKEY_URL", "LATCHKEY_KEY"} {
		if variables[variable] != "" {
			fmt.Fprintf(c.ErrOrStderr(), "%s is set and comes before the profile: unset it to use the profile.\n", variable)
		}
	}
	return nil
}

// callerOf names a caller: a user, and the key that calls for it if there is one.
func callerOf(who api.WhoamiResponse) string {
	text := "user " + who.UserID
	if who.KeyID != "" {
		text += ", with key " + who.KeyID
	}
	if who.Name != "" {
		text += " (" + who.Name + ")"
	}
	return text
}

// plain reports whether a key that is sent to a URL crosses a network unencrypted.
func plain(at string) bool {
	u, err := url.Parse(at)
	if err != nil || u.Scheme != "http" {
		return false
	}
	host := u.Hostname()
	return host != "localhost" && host != "::1" && !strings.HasPrefix(host, "127.")
}

// readKey reads a key from a file, or from standard input if file is empty or "-". On a terminal, it
// asks for the key and does not show it.
func readKey(c *cobra.Command, file string) (string, error) {
	if file == "" || file == "-" {
		return readToken(c)
	}
	f, err := os.Open(file)
	if err != nil {
		return "", usageError{fmt.Errorf("read the key: %w", err)}
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, longestToken))
	if err != nil {
		return "", usageError{fmt.Errorf("read the key: %w", err)}
	}
	return strings.TrimSpace(string(text)), nil
}

func logoutCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "logout",
		Short: "Remove a stored profile; its key stays as it is",
		Long: `Removes a profile that latchkey login has stored. The key still works: revoke it
with latchkey keys revoke if nobody needs it.`,
		Example: `  latchkey logout
  latchkey logout --profile prod`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			variables := config.Process()
			stored, err := readProfiles(profileFile(variables))
			if err != nil {
				return err
			}
			name, err := profileName(c, apiConfig{Profile: variables["LATCHKEY_PROFILE"]})
			if err != nil {
				return err
			}
			name = cmp.Or(name, usualProfile)
			if _, err := stored.named(name); err != nil {
				return err
			}
			delete(stored.all, name)
			if err := stored.write(); err != nil {
				return err
			}
			fmt.Fprintf(c.ErrOrStderr(), "Profile %s is removed. Its key still works.\n", name)
			return nil
		},
	}
	profileFlag(c, "`NAME` of the profile (default \"default\")")
	return c
}
