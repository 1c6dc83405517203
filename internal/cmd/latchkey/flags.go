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

// choiceFlag adds a text flag whose value is one of words. Completion knows them.
func choiceFlag(c *cobra.Command, to *string, name, value, usage string, words ...string) {
	choiceFlagP(c, to, name, "", value, usage, words...)
}

// choiceFlagP is choiceFlag for a flag that has a short form too.
func choiceFlagP(c *cobra.Command, to *string, name, short, value, usage string, words ...string) {
	*to = value
	c.Flags().VarP(&checkedText{to, checkOneOf(words...)}, name, short, usage)
	completeFlag(c, name, oneOf(words...))
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
		return unknownFlag(c, unknown.GetSpecifiedName())
	}
	return usageError{errors.New("there is a flag that does not exist" + see)}
}

// unknownFlag returns the error about a flag that c does not have, with the names of similar flags.
func unknownFlag(c *cobra.Command, name string) error {
	see := "; see " + c.CommandPath() + " --help"
	if len(name) > longestFlag {
		return usageError{errors.New("there is a flag that does not exist" + see)}
	}
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	near := similar(name, names)
	if len(near) == 0 {
		return usageError{fmt.Errorf("there is no flag --%s%s", name, see)}
	}
	return usageError{fmt.Errorf("there is no flag --%s; did you mean --%s?%s", name, near[0], see[1:])}
}

// similar returns the words that somebody may have meant who typed a word. It has cobra compare them,
// so that flags and commands are treated alike.
func similar(typed string, words []string) []string {
	of := &cobra.Command{SuggestionsMinimumDistance: 2}
	for _, word := range words {
		of.AddCommand(&cobra.Command{Use: word, Run: func(*cobra.Command, []string) {}})
	}
	return of.SuggestionsFor(typed)
}

// nothingGiven is the error of a change that changes nothing.
func nothingGiven(c *cobra.Command) error {
	return usageError{fmt.Errorf("needs at least one property; see %s --help", c.CommandPath())}
}

// groupProblem says what cobra's error about flags that exclude each other says, in other words. Cobra
// ends it with "[a b] were all set".
func groupProblem(text string) string {
	text = text[strings.LastIndex(text, "[")+1:]
	names, _, _ := strings.Cut(text, "]")
	return "--" + strings.Join(strings.Fields(names), " and --") + " exclude each other: leave one out"
}

// longestFlag is the length of the longest word that an error repeats as the name of a flag or a
// command. A longer word may be a token.
const longestFlag = 15

// mayBeEmpty lists the flags whose empty value has a meaning. For all others, an empty value comes
// from a shell variable that was not set.
var mayBeEmpty = map[string]bool{"name": true, "description": true, "cursor": true, "scopes": true, "cidr": true}

// checkFlags checks the rules that concern several flags, and that flags are not empty.
func checkFlags(c *cobra.Command) error {
	if err := c.ValidateFlagGroups(); err != nil {
		return usageError{errors.New(groupProblem(err.Error()))}
	}
	problem := checkOutput(c)
	c.Flags().Visit(func(f *pflag.Flag) {
		if f.Value.String() == "" && !mayBeEmpty[f.Name] && problem == nil {
			problem = usageError{fmt.Errorf("--%s must not be empty", f.Name)}
		}
	})
	return problem
}
