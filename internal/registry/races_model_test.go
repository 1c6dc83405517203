package registry_test

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"latchkey/internal/apikey"
)

// An ask is a request of a client, and told is its answer. The two models below say in which orders
// one key, and one user, could have given these answers.
type (
	ask struct {
		do      string // create, rotate, name, enable, revoke, get, validate
		id      string // of the key; empty for create, until it is told
		token   string // to validate
		grace   bool
		name    string
		enabled bool
		match   int64  // the revision that is meant; -1: any
		once    string // the name of the request
		number  int    // of the request in its history
		cost    int64  // of validate
	}
	told struct {
		failed  error // one that the registry names; errUnknown: none of these
		id      string
		token   string
		rev     int64
		name    string
		enabled bool
		revoked bool
		code    apikey.Code
	}
)

// errUnknown is for a change of which the client cannot tell whether it was made.
var errUnknown = fmt.Errorf("not known")

// oneKey is a key as the model has it. All of it compares.
type oneKey struct {
	made, enabled, revoked bool
	rev                    int64
	name                   string
	present, grace         string // tokens
	over, replied          string // sets of them, and of requests with their answers
}

func in(set, member string) bool { return strings.Contains(set, "|"+member+"|") }

func with(set, member string) string {
	if set == "" {
		set = "|"
	}
	return set + member + "|"
}

func (k oneKey) opens(token string) apikey.Code {
	switch {
	case token == k.present || token == k.grace:
	case in(k.over, token):
		return apikey.CodeRevoked
	default:
		return apikey.CodeUnknown
	}
	switch {
	case k.revoked:
		return apikey.CodeRevoked
	case !k.enabled:
		return apikey.CodeDisabled
	}
	return apikey.CodeValid
}

// endsTold is how many secrets that are over a key knows. One that was over before
// these may be as unknown as any other.
const endsTold = 10

func (k oneKey) forgotten(token string) bool {
	_, later, found := strings.Cut(k.over, "|"+token+"|")
	return found && strings.Count(later, "|") >= endsTold
}

// change is k after a, or why it is refused.
func (k oneKey) change(a ask, token string) (oneKey, error) {
	if a.match >= 0 && a.match != k.rev {
		return k, apikey.ErrPrecondition
	}
	if a.do == "revoke" {
		if !k.revoked {
			k.revoked, k.rev = true, k.rev+1
		}
		return k, nil
	}
	if k.revoked {
		return k, apikey.ErrEnded
	}
	k.rev++
	switch a.do {
	case "name":
		k.name = a.name
	case "enable":
		k.enabled = a.enabled
	case "rotate":
		switch {
		case !a.grace: // ends every older token
			if k.grace != "" {
				k.over, k.grace = with(k.over, k.grace), ""
			}
			k.over = with(k.over, k.present)
		case k.grace != "":
			return k, apikey.ErrTwoSecrets
		default:
			k.grace = k.present
		}
		k.present = token
		if a.once != "" {
			k.replied = with(k.replied, fmt.Sprint(a.once, "=", token, "@", k.rev))
		}
	}
	return k, nil
}

func (k oneKey) step(a ask, t told) []any {
	switch {
	case a.do == "create":
		if !k.made {
			return []any{oneKey{made: true, enabled: true, present: t.token, replied: with("", "create="+t.token)}}
		}
		if a.once != "" && in(k.replied, "create="+t.token) {
			return []any{k}
		}
		return nil
	case !k.made:
		return nil
	case a.do == "validate":
		if t.code == k.opens(a.token) || t.code == apikey.CodeUnknown && k.forgotten(a.token) {
			return []any{k}
		}
		return nil
	case a.do == "get":
		if t.rev == k.rev && t.name == k.name && t.enabled == k.enabled && t.revoked == k.revoked {
			return []any{k}
		}
		return nil
	case t.failed == errUnknown:
		// The change was made or not. The client does not know the answer.
		changed, err := k.change(a, fmt.Sprintf("of request %d", a.number))
		if err != nil {
			return []any{k}
		}
		return []any{k, changed}
	case t.failed == apikey.ErrConflict:
		return []any{k}
	case a.once != "" && t.failed == nil && in(k.replied, fmt.Sprint(a.once, "=", t.token, "@", t.rev)):
		return []any{k}
	}
	changed, err := k.change(a, t.token)
	switch {
	case err != t.failed:
		return nil
	case err != nil:
		return []any{k}
	case changed.rev != t.rev || a.do != "rotate" && (changed.name != t.name || changed.enabled != t.enabled || changed.revoked != t.revoked):
		return nil
	}
	return []any{changed}
}

// oneUser holds the keys of a user that are not revoked, the number of keys that may exist without
// an acknowledgement, and the number of revoked ones.
type oneUser struct {
	live, replied  string
	unheard, ended int
}

func (u oneUser) count() int { return strings.Count(u.live, "|") + u.unheard - min(1, len(u.live)) }

func (u oneUser) step(a ask, t told, most int) []any {
	revoked := u
	if in(u.live, a.id) {
		revoked.live, revoked.ended = strings.Replace(u.live, "|"+a.id+"|", "|", 1), u.ended+1
	}
	created := u
	created.live = with(u.live, t.id)
	switch {
	case a.do == "revoke" && t.failed == errUnknown:
		return []any{u, revoked}
	case a.do == "revoke" && t.failed == nil:
		return []any{revoked}
	case a.do == "revoke":
		return []any{u}
	case t.failed == errUnknown:
		if created = u; u.count() < most {
			created.unheard++
			return []any{u, created}
		}
		return []any{u}
	case t.failed == apikey.ErrTooManyKeys:
		// Those that were revoked may still take their places, for a time.
		if u.count()+u.ended >= most {
			return []any{u}
		}
		return nil
	case t.failed != nil:
		return []any{u}
	case a.once != "" && in(u.replied, fmt.Sprint(a.once, "=", t.id)):
		return []any{u}
	case a.once != "" && strings.Contains(u.replied, "|"+a.once+"="), u.count() >= most:
		return nil
	}
	if a.once != "" {
		created.replied = with(u.replied, fmt.Sprint(a.once, "=", t.id))
	}
	return []any{created}
}

// inTime says that the search for an order ended before it found one, or found that there is none.
const inTime = "no order was found in time"

// check reports what could not have been in a history of one user whose keys, most
// of them at a time, are all made in it; empty: nothing. patience bounds the search.
func check(history []porcupine.Operation, most int, patience time.Duration) string {
	byKey := make(map[string][]porcupine.Operation)
	var ofUser []porcupine.Operation
	for _, o := range history {
		a, t := o.Input.(ask), o.Output.(told)
		if t.failed == errUnknown {
			o.Return = math.MaxInt64 // it may be made at any time
		}
		if a.do == "create" || a.do == "revoke" {
			ofUser = append(ofUser, o)
		}
		switch {
		case a.do == "create" && t.failed == nil:
			byKey[t.id] = append(byKey[t.id], o)
		case a.do != "create":
			byKey[a.id] = append(byKey[a.id], o)
		}
	}
	verdict := func(what string, history []porcupine.Operation, init any, step func(any, ask, told) []any) string {
		model := porcupine.NondeterministicModel{
			Init: func() []any { return []any{init} },
			Step: func(state, input, output any) []any { return step(state, input.(ask), output.(told)) },
		}
		switch porcupine.CheckOperationsTimeout(model.ToModel(), history, patience) {
		case porcupine.Illegal:
			return fmt.Sprintf("%s cannot have been so in any order (%d requests)", what, len(history))
		case porcupine.Unknown:
			return fmt.Sprintf("%s: %s (%d requests)", what, inTime, len(history))
		}
		return ""
	}
	for id, history := range byKey {
		found := verdict("key "+id, history, oneKey{}, func(s any, a ask, t told) []any { return s.(oneKey).step(a, t) })
		if found != "" {
			return found
		}
	}
	return verdict("the user's keys", ofUser, oneUser{}, func(s any, a ask, t told) []any { return s.(oneUser).step(a, t, most) })
}
