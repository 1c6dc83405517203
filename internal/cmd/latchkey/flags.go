package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Each flag is checked when it is read, so that no command starts with a wrong value.

// textFlag adds a text flag. Its value must pass check.
func textFlag(flags *pflag.FlagSet, to *string, name, value, usage string, check func(string) error) {
	*to = value
	flags.Var(&checkedText{to, check}, name, usage)
}

type checkedText struct {
	to    *string
	check func(string) error
}

func (t *checkedText) String() string { return *t.to }
func (*checkedText) Type() string     { return "string" }

func (t *checkedText) Set(text string) error {
	if err := t.check(text); err != nil {
		return usageError{err}
	}
	*t.to = text
	return nil
}

// listFlag adds a flag that is a list with commas between its entries. Each entry must pass check.
// The list may be empty, and the flag may be given more than once.
func listFlag(flags *pflag.FlagSet, to *[]string, name, usage string, check func(string) error) {
	flags.Var(&checkedList{to, check}, name, usage)
}

type checkedList struct {
	to    *[]string
	check func(string) error
}

func (l *checkedList) String() string { return strings.Join(*l.to, ",") }
func (*checkedList) Type() string     { return "stringSlice" }

func (l *checkedList) Set(text string) error {
	if text == "" {
		return nil
	}
	for entry := range strings.SplitSeq(text, ",") {
		entry = strings.TrimSpace(entry)
		if err := l.check(entry); err != nil {
			return usageError{fmt.Errorf("has a wrong entry, which %w", err)}
		}
		*l.to = append(*l.to, entry)
	}
	return nil
}

// numberFlag adds a flag that is a whole number from least to most.
func numberFlag(flags *pflag.FlagSet, to *int64, name string, value, least, most int64, usage string) {
	*to = value
	flags.Var(&checkedNumber{to, least, most}, name, usage)
}

type checkedNumber struct {
	to          *int64
	least, most int64
}

func (n *checkedNumber) String() string { return strconv.FormatInt(*n.to, 10) }
func (*checkedNumber) Type() string     { return "int" }

func (n *checkedNumber) Set(text string) error {
	value, err := strconv.ParseInt(text, 10, 64)
	if err != nil || value < n.least || value > n.most {
		return usageError{fmt.Errorf("must be a whole number from %d to %d", n.least, n.most)}
	}
	*n.to = value
	return nil
}

// mustBe describes the values of the flag types that pflag reads itself.
var mustBe = map[string]string{
	"bool":           "must be true or false",
	"duration":       "must be a time such as 1s or 500ms",
	"stringSlice":    "must be a list with commas between, such as tts,stt",
	"stringToString": "must be NAME=VALUE, such as team=a",
}

// flagError returns the error for a command line that pflag cannot read. It repeats neither pflag's
// text nor a value.
func flagError(c *cobra.Command, err error) error {
	see := "; see " + c.CommandPath() + " --help"
	var value *pflag.InvalidValueError
	var missing *pflag.ValueRequiredError
	var unknown *pflag.NotExistError
	switch {
	case errors.As(err, &value):
		flag := value.GetFlag()
		text := mustBe[flag.Value.Type()]
		var own usageError
		if errors.As(value.Unwrap(), &own) {
			text = own.Error()
		}
		return usageError{fmt.Errorf("--%s %s", flag.Name, text)}
	case errors.As(err, &missing):
		return usageError{fmt.Errorf("--%s needs a value%s", missing.GetFlag().Name, see)}
	case errors.As(err, &unknown) && strings.Trim(unknown.GetSpecifiedShortnames(), "0123456789") == "" &&
		unknown.GetSpecifiedShortnames() != "":
		return usageError{errors.New("a number below zero must come after --" + see)}
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() == "":
		if name := unknown.GetSpecifiedName(); len(name) <= longestFlag {
			return usageError{fmt.Errorf("there is no flag --%s%s", name, see)}
		}
	}
	return usageError{errors.New("there is a flag that does not exist" + see)}
}

// longestFlag is the length of the longest word that an error repeats as the name of a flag or a
// command. A longer word may be a token.
const longestFlag = 15

// mayBeEmpty lists the flags whose empty value has a meaning. For all others, an empty value comes
// from a shell variable that was not set.
var mayBeEmpty = map[string]bool{"name": true, "description": true, "cursor": true, "scopes": true, "cidr": true}

// checkFlags checks the rules that concern several flags, and that flags are not empty.
func checkFlags(c *cobra.Command) error {
	if err := errors.Join(c.ValidateRequiredFlags(), c.ValidateFlagGroups()); err != nil {
		return usageError{err}
	}
	var problem error
	c.Flags().Visit(func(f *pflag.Flag) {
		if f.Value.String() == "" && !mayBeEmpty[f.Name] && problem == nil {
			problem = usageError{fmt.Errorf("--%s must not be empty", f.Name)}
		}
	})
	return problem
}
