package main

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"latchkey/internal/api"
	"latchkey/internal/config"
)

// completeTime is how long a completion may take. A shell waits for it.
const completeTime = time.Second

// completer returns the words that may follow, each with a description after a tab.
type completer func(c *cobra.Command, typed string) []string

// completeFlag completes the values of a flag.
func completeFlag(c *cobra.Command, flag string, words completer) {
	complete := func(c *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		return words(c, typed), cobra.ShellCompDirectiveNoFileComp
	}
	if err := c.RegisterFlagCompletionFunc(flag, complete); err != nil {
		panic(err) // the flag does not exist, or has a completion already
	}
}

// completeArgument completes the first argument, and no other.
func completeArgument(words completer) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return words(c, typed), cobra.ShellCompDirectiveNoFileComp
	}
}

func oneOf(words ...string) completer {
	return func(*cobra.Command, string) []string { return words }
}

// profileNames returns the names of the profiles.
func profileNames(*cobra.Command, string) []string {
	stored, err := readProfiles(profileFile(config.Process()))
	if err != nil {
		return nil
	}
	var words []string
	for _, name := range stored.names() {
		words = append(words, name+"\t"+stored.all[name].url)
	}
	return words
}

// keyIDs returns the ids of the keys that the caller may see, with their names.
func keyIDs(c *cobra.Command, typed string) []string {
	ctx, cancel := soon(c)
	defer cancel()
	describe := func(k api.Record) string {
		return k.ID + "\t" + oneLine(strings.TrimPrefix(k.Name+", ", ", ")+"user "+k.UserID+", "+string(k.Status))
	}
	query := map[string]string{"userId": "*", "search": typed, "limit": "100"}
	words, ok := ask(ctx, c, api.KeysPath, query, describe)
	if !ok { // only an admin may ask for all users
		words, _ = ask(ctx, c, api.KeysPath, map[string]string{"limit": "100"}, describe)
	}
	return beginning(words, typed)
}

// userIDs returns the ids of users, for an admin.
func userIDs(c *cobra.Command, typed string) []string {
	ctx, cancel := soon(c)
	defer cancel()
	words, _ := ask(ctx, c, api.UsersPath, map[string]string{"search": typed, "limit": "100"},
		func(u struct{ UserID string }) string { return oneLine(u.UserID) })
	return beginning(words, typed)
}

// planNames returns the names of the plans.
func planNames(c *cobra.Command, typed string) []string {
	ctx, cancel := soon(c)
	defer cancel()
	words, _ := ask(ctx, c, api.PlansPath, nil, func(p api.Plan) string { return p.Name })
	return beginning(words, typed)
}

// soon returns the context of a completion.
func soon(c *cobra.Command) (context.Context, context.CancelFunc) {
	return context.WithTimeout(c.Context(), completeTime)
}

// beginning returns the words that begin with a text.
func beginning(words []string, text string) []string {
	return slices.DeleteFunc(words, func(word string) bool { return !strings.HasPrefix(word, text) })
}

// ask makes a request for words, and reports whether there was an answer. It prints nothing, since
// a person who presses Tab reads no errors.
func ask[T any](
	ctx context.Context, c *cobra.Command, path string, query map[string]string, word func(T) string,
) (words []string, answered bool) {
	s, err := settingsOf(c)
	if err != nil {
		return nil, false
	}
	service, err := s.client()
	if err != nil {
		return nil, false
	}
	body, err := service.Do(ctx, http.MethodGet, path, nonEmpty(query), nil)
	if err != nil {
		return nil, false
	}
	list, err := decode[page[T]](body)
	if err != nil {
		return nil, false
	}
	for _, one := range list.Data {
		words = append(words, word(one))
	}
	return words, true
}
