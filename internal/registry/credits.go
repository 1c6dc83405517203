package registry

import (
	"context"
	"errors"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
)

// AddKeyCredits adds to the lifetime quota of a key, or takes from it if add is negative. Only an
// admin may call it. Credits that were spent stay spent: the quota is all that the key may ever
// spend.
func (r *Registry) AddKeyCredits(ctx context.Context, caller Caller, id string, add int64) (apikey.Record, error) {
	q, err := r.creditsRequest(ctx, caller, "credits key "+id)
	if err != nil {
		return apikey.Record{}, err
	}
	answer, err := r.answer(ctx, q)
	if errors.Is(err, apikey.ErrNotFound) {
		var record apikey.Record
		record, err = r.addKeyCredits(ctx, caller, id, add, q)
		if err == nil {
			return record, nil
		}
		answer, err = r.answerAfter(ctx, q, err)
	}
	if err != nil {
		return apikey.Record{}, err
	}
	return r.creditedBefore(ctx, caller, answer)
}

// creditedBefore returns the key of a stored answer, with its present meters. It judges the caller
// anew.
func (r *Registry) creditedBefore(ctx context.Context, caller Caller, answer reply) (apikey.Record, error) {
	if _, err := r.own(ctx, caller); err != nil {
		return apikey.Record{}, err
	}
	record, err := r.read(ctx, answer.Key.ID)
	if err != nil && !errors.Is(err, apikey.ErrNotFound) {
		return apikey.Record{}, err
	}
	record.Key = &answer.Key
	return record, nil
}

func (r *Registry) addKeyCredits(
	ctx context.Context, caller Caller, id string, add int64, q *request,
) (apikey.Record, error) {
	return r.change(ctx, caller, id, func(_ grantor, from *apikey.Key) (Write, bool, error) {
		if !from.RevokedAt.IsZero() {
			return Write{}, false, apikey.ErrEnded
		}
		to := *from
		var err error
		if to.Quota, err = credited(from.Quota, add); err != nil {
			return Write{}, false, err
		}
		share(from, &to)
		answered := public(&to)
		answered.Rev++
		reply, err := q.sealAnswer(reply{Key: answered, At: r.now()})
		return Write{To: &to, Action: ActionAddCredits, Reply: reply}, true, err
	})
}

// AddUserCredits is [Registry.AddKeyCredits] for the quota that all keys of a user share.
func (r *Registry) AddUserCredits(ctx context.Context, caller Caller, userID string, add int64) (*apikey.User, error) {
	q, err := r.creditsRequest(ctx, caller, "credits user "+userID)
	if err != nil {
		return nil, err
	}
	if err := apikey.CheckOwner(userID); err != nil {
		return nil, err
	}
	answer, err := r.answer(ctx, q)
	if errors.Is(err, apikey.ErrNotFound) {
		var u *apikey.User
		u, err = r.changeUser(ctx, caller, userID, q, func(from *apikey.User) (*apikey.User, string, error) {
			to := *from
			var err error
			to.Quota, err = credited(from.Quota, add)
			return &to, ActionAddCredits, err
		})
		if err == nil {
			return u, nil
		}
		answer, err = r.answerAfter(ctx, q, err)
	}
	if err != nil {
		return nil, err
	}
	if _, err := r.own(ctx, caller); err != nil {
		return nil, err
	}
	return answer.User, nil
}

// creditsRequest returns the idempotent request of a caller who may add credits.
func (r *Registry) creditsRequest(ctx context.Context, caller Caller, operation string) (*request, error) {
	if err := caller.may(apikey.ScopeAdmin); err != nil {
		return nil, err
	}
	return r.newRequest(ctx, caller, operation)
}

// answerAfter is replayAfter for an answer without a token.
func (r *Registry) answerAfter(ctx context.Context, q *request, failure error) (reply, error) {
	answer, err := r.answer(ctx, q)
	if errors.Is(err, apikey.ErrNotFound) {
		return reply{}, failure
	}
	return answer, err
}

// credited returns q with credits added.
func credited(q ratelimit.Quota, add int64) (ratelimit.Quota, error) {
	switch {
	case add == 0 || add > apikey.MaxQuota || add < -apikey.MaxQuota:
		return q, apikey.Invalid("add", "must be between %d and %d, and not 0", -apikey.MaxQuota, apikey.MaxQuota)
	case q.Period != ratelimit.Lifetime:
		return q, apikey.Invalid("add", "needs a quota whose period is lifetime: set that quota first")
	case q.Requests+add < 1:
		return q, apikey.Invalid("add", "must leave a quota of at least 1: the quota is %d", q.Requests)
	case q.Requests+add > apikey.MaxQuota:
		return q, apikey.Invalid("add", "must leave a quota of at most %d: the quota is %d", apikey.MaxQuota, q.Requests)
	}
	q.Requests += add
	return q, nil
}
