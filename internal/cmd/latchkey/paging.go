package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"latchkey/internal/client"
)

const (
	usualPage = 50
	mostPage  = 100
)

// pageOf is the part of a list that the flags of a command name.
type pageOf struct {
	cursor string
	limit  int64
	all    bool
	flags  *pflag.FlagSet
}

func (p *pageOf) add(flags *pflag.FlagSet) {
	p.flags = flags
	flags.StringVar(&p.cursor, "cursor", "", "cursor that the page before has printed")
	numberFlag(flags, &p.limit, "limit", usualPage, 1, mostPage, "entries on a page, 1 to 100")
	flags.BoolVar(&p.all, "all", false, "print all pages, each as soon as it is there")
}

// paged adds the flags of a list with pages. It does nothing if p is nil.
func (o *output) paged(c *cobra.Command, p *pageOf) {
	if o.page = p; p != nil {
		p.add(c.Flags())
	}
}

// query returns the query for the page, with the values that are not empty.
func (p *pageOf) query(values map[string]string) url.Values {
	query := nonEmpty(values)
	limit := p.limit
	if p.all && !p.flags.Changed("limit") {
		limit = mostPage
	}
	query.Set("limit", strconv.FormatInt(limit, 10))
	if p.cursor != "" {
		query.Set("cursor", p.cursor)
	}
	return query
}

// show prints the answer of request. With --all, it repeats the request for each further page.
func (o *output) show(c *cobra.Command, request func() (client.Answer, error), print printer) error {
	if print == nil {
		print = printAnswer
	}
	for {
		answer, err := request()
		if err != nil {
			return err
		}
		if len(answer.Body) == 0 {
			fmt.Fprintln(c.ErrOrStderr(), "Done.")
			return nil
		}
		if err := print(c, answer, o); err != nil {
			return err
		}
		if o.page == nil || !o.page.all {
			return nil
		}
		part, err := decode[page[json.RawMessage]](answer.Body)
		switch {
		case err != nil:
			return err
		case part.NextCursor == "":
			return nil
		case part.NextCursor == o.page.cursor:
			return errRepeats
		}
		o.page.cursor = part.NextCursor
	}
}
