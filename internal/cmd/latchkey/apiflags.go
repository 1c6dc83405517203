package main

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// The flags of this file mean the same wherever they are.

// profileFlag adds the flag --profile.
func profileFlag(c *cobra.Command, usage string) {
	var name string
	textFlag(c.Flags(), &name, "profile", "", usage, checkProfile)
	completeFlag(c, "profile", profileNames)
}

// userFlag adds the flag --user. Its value must pass check.
func userFlag(c *cobra.Command, to *string, usage string, check func(string) error) {
	textFlag(c.Flags(), to, "user", "", usage, check)
	completeFlag(c, "user", userIDs)
}

// planFlag adds the flag --plan.
func planFlag(c *cobra.Command, to *string, usage string) {
	textFlag(c.Flags(), to, "plan", "", usage, checkPlan)
	completeFlag(c, "plan", planNames)
}

// onceFlag adds the flag --idempotency-key. [callAPI] sends it.
func onceFlag(c *cobra.Command) {
	var key string
	textFlag(c.Flags(), &key, "idempotency-key", "",
		"`KEY` of this request, of at least 16 characters; repeated within 24 hours, the request is done once", checkOnce)
}

// matchFlag adds the flag --if-match. [callAPI] sends it.
func matchFlag(c *cobra.Command) {
	c.Flags().Var(new(tag), "if-match",
		"`REV`: make the change only if the record still has this revision or ETag")
}

// tag is the value of --if-match: a revision or an ETag, as an ETag.
type tag string

func (t *tag) String() string { return string(*t) }
func (*tag) Type() string     { return "string" }

func (t *tag) Set(text string) error {
	if err := checkTag(text); err != nil {
		return usageError{err}
	}
	if text != "*" {
		text = strconv.Quote(strings.Trim(text, `"`))
	}
	*t = tag(text)
	return nil
}
