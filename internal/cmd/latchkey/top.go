package main

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"latchkey/internal/api"
	"latchkey/internal/client"
)

func topCommand() *cobra.Command {
	t := &top{}
	c := &cobra.Command{
		Use:     "top",
		Aliases: []string{"stats"},
		Short:   "Show the keys that are nearest their limits",
		Long: `Shows the keys that have spent the largest share of their tightest limit or
quota, the largest first. "shared" means that all keys of the owner together
spend it. An admin sees the keys of all users.

With --watch it shows them again and again, until Ctrl-C. Each time, the service
reads all of these keys: with many thousands, choose a longer time.` + apiHelp,
		Example: `  latchkey top
  latchkey top --watch=10s --limit 50
  latchkey top --user u1 -o csv`,
		Args: t.args,
		RunE: func(c *cobra.Command, _ []string) error { return t.run(c) },
	}
	t.whose.add(c)
	numberFlag(c.Flags(), &t.limit, "limit", 20, 1, mostPage, "number of keys, 1 to 100")
	textFlag(c.Flags(), &t.watch, "watch", "", "`SPAN` after which to show them again, e.g. 10s", checkWatch)
	c.Flags().Lookup("watch").NoOptDefVal = "5s"
	t.out = apiOutput(c)
	return c
}

// checkWatch accepts the time between two pictures of top.
func checkWatch(text string) error {
	if d, ok := parseSpan(text); !ok || d > time.Hour {
		return errors.New("must be a time of 1s to 1h, such as 10s")
	}
	return nil
}

// top is one run of the command top.
type top struct {
	whose audience
	limit int64
	watch string
	out   *output
}

// args takes the time of --watch if it stands after a space. The flag alone cannot, since it may have
// no value.
func (t *top) args(c *cobra.Command, args []string) error {
	if len(args) == 1 && c.Flags().Changed("watch") && checkWatch(args[0]) == nil {
		t.watch = args[0]
		return nil
	}
	return noArguments(c, args)
}

func (t *top) run(c *cobra.Command) error {
	if t.watch == "" {
		answer, err := t.ask(c)
		if err != nil {
			return err
		}
		return t.print(c, answer)
	}
	span, _ := parseSpan(t.watch) // the flag has checked it
	w := newWatch(c, t.drawn(c))
	defer w.close()
	for {
		answer, err := t.ask(c)
		switch {
		case err != nil && !passes(err):
			return err
		case err != nil:
			err = w.fail(err)
		case t.drawn(c):
			err = w.show(t.lines(c, answer))
		default:
			if err = w.part(); err == nil {
				err = t.print(c, answer)
			}
		}
		if err != nil {
			return err
		}
		select {
		case <-c.Context().Done():
			return errInterrupted
		case <-time.After(span):
		}
	}
}

// passes reports whether an error of a request may be gone at the next one.
func passes(err error) bool {
	if errors.Is(err, errInterrupted) || errors.As(err, new(usageError)) {
		return false
	}
	var answer *client.Error
	return !errors.As(err, &answer) || answer.Status >= 500 || answer.Status == http.StatusTooManyRequests
}

func (t *top) ask(c *cobra.Command) (client.Answer, error) {
	return t.whose.ask(func(user string) (client.Answer, error) {
		query := nonEmpty(map[string]string{"userId": user, "sort": "spent", "limit": strconv.FormatInt(t.limit, 10)})
		return callAPI(c, http.MethodGet, api.KeysPath, query, nil)
	})
}

// spending is what a key has spent of its tightest limit or quota.
type spending struct {
	limit        string // as people write it
	used, amount int64
	shared       bool // by all keys of the user
}

// share returns the part that is spent, from 0 to 1.
func (s spending) share() float64 {
	if s.amount <= 0 {
		return 0
	}
	return min(1, max(0, float64(s.used)/float64(s.amount)))
}

// percent returns the share that is spent. It is 100 only if all is spent.
func (s spending) percent() string {
	if s.limit == unlimited || s.limit == "-" {
		return "-"
	}
	return strconv.Itoa(int(100*s.share())) + "%"
}

// tightest returns the most used limit or quota of a key, by the share that is spent.
func tightest(k api.Record) spending {
	best := spending{limit: "-"}
	if k.Unlimited {
		best.limit = unlimited
	}
	consider := func(s spending) {
		if best.amount == 0 || s.share() > best.share() {
			best = s
		}
	}
	window := func(amount, seconds int64, left *int64) {
		if left != nil {
			consider(spending{limit: formatLimit(amount, seconds), amount: amount, used: amount - *left})
		}
	}
	if len(k.Bounds) > 0 {
		for _, b := range k.Bounds {
			text := formatQuota(b.Amount, b.Period)
			if b.Window > 0 {
				text = formatLimit(b.Amount, b.Window)
			}
			consider(spending{limit: text, amount: b.Amount, used: b.Used, shared: b.Of == "user"})
		}
		return best
	}
	if l := k.RateLimit.Value; l != nil {
		window(l.Requests, l.Window, l.Remaining)
	}
	for _, l := range k.Limits {
		window(l.Amount, l.Window, l.Remaining)
	}
	if q := k.Quota; q != nil && q.Used != nil {
		consider(spending{limit: formatQuota(q.Requests, q.Period), amount: q.Requests, used: *q.Used})
	}
	return best
}

var topColumns = []string{"ID", "NAME", "USER", "LIMIT", "USED", "SHARE", "OF", "LAST USED"}

func topRow(k api.Record) []string {
	s := tightest(k)
	of := "key"
	if s.shared {
		of = "user"
	}
	return []string{k.ID, k.Name, k.UserID, s.limit, strconv.FormatInt(s.used, 10), s.percent(), of, lastUse(k)}
}

// lastUse returns when a key was last used, or never.
func lastUse(k api.Record) string {
	if u := k.LastUsedAt; u != nil && u.Value != nil {
		return *u.Value
	}
	return "never"
}

// drawn reports whether the keys are drawn for people, and not printed for programs.
func (t *top) drawn(c *cobra.Command) bool {
	return !t.out.asJSON() && t.out.form == formTable && isTerminal(c.OutOrStdout())
}

// print prints the keys: for people on a terminal, and otherwise as the flags say.
func (t *top) print(c *cobra.Command, answer client.Answer) error {
	if t.out.asJSON() {
		return t.out.printJSON(c, answer.Body)
	}
	if t.drawn(c) {
		_, err := fmt.Fprintln(c.OutOrStdout(), strings.Join(t.lines(c, answer), "\n"))
		return err
	}
	keys, err := decode[page[api.Record]](answer.Body)
	if err != nil {
		return err
	}
	rows := make([][]string, len(keys.Data))
	for i, k := range keys.Data {
		rows[i] = topRow(k)
	}
	if len(rows) == 0 {
		fmt.Fprintln(c.ErrOrStderr(), "No keys.")
	}
	return t.out.printRows(c, topColumns, rows)
}
