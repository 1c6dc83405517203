package main

import (
	"cmp"
	"errors"

	"github.com/spf13/cobra"

	"latchkey/internal/client"
)

// onOne describes a command on the key, the user or the plan that its argument names.
type onOne struct {
	use, short, long, example string
	// final is the verb of the question that the command asks first, because it cannot be undone.
	// If empty, the command asks nothing.
	final string
	// reads is true for a command that changes nothing. Others have the flag --if-match.
	reads bool
	// out prints the answer. If nil, the command makes one.
	out *output
	// page has the flags of a list with pages. If nil, there are none.
	page *pageOf
	// do makes the request and returns the answer.
	do func(c *cobra.Command, name string) (client.Answer, error)
	// print prints the answer. If nil, the answer is printed field by field.
	print printer
}

// subject is the kind of thing that an argument names.
type subject struct {
	noun, argument string             // such as key and ID
	hint           string             // continues "needs one ID"
	check          func(string) error // its errors continue "the ID"
	names          completer
}

func onKey(o onOne) *cobra.Command {
	return o.command(subject{"key", "ID", " of a key; latchkey keys list shows them", checkID, keyIDs})
}

func onUser(o onOne) *cobra.Command {
	return o.command(subject{"user", "ID", " of a user, such as u1", checkPerson, userIDs})
}

func onPlan(o onOne) *cobra.Command {
	return o.command(subject{"plan", "NAME", " of a plan; latchkey plans list shows them", checkNewPlan, planNames})
}

func (o onOne) command(s subject) *cobra.Command {
	out, yes := cmp.Or(o.out, &output{}), false
	c := &cobra.Command{
		Use: o.use + " " + s.argument, Short: o.short, Long: o.short + "." + o.long + apiHelp, Example: o.example,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{errors.New("needs one " + s.argument + s.hint)}
			}
			// A token in the place of an id must not become part of a URL.
			if err := s.check(args[0]); err != nil {
				return usageError{errors.New("the " + s.argument + " " + err.Error())}
			}
			return nil
		},
		ValidArgsFunction: completeArgument(s.names),
		RunE: func(c *cobra.Command, args []string) error {
			if o.final != "" {
				if err := confirm(c, yes, o.final+" "+s.noun+" "+args[0]+"?"); err != nil {
					return err
				}
			}
			return out.show(c, func() (client.Answer, error) { return o.do(c, args[0]) }, o.print)
		},
	}
	if o.final != "" {
		c.Flags().BoolVar(&yes, "yes", false, "do it without a question")
	}
	if !o.reads {
		matchFlag(c)
	}
	out.addFlags(c)
	apiFlags(c)
	out.paged(c, o.page)
	return c
}
