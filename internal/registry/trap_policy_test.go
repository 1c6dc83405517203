package registry_test

import (
	"context"
	"fmt"
	"testing"

	"latchkey/internal/apikey"
	"latchkey/internal/audit"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

func (t *trap) User(ctx context.Context, userID string) (apikey.UserRecord, error) {
	if err := t.spring(ctx, "User"); err != nil {
		return apikey.UserRecord{}, err
	}
	return t.Store.User(ctx, userID)
}

func (t *trap) Users(ctx context.Context, userIDs []string) (map[string]*apikey.User, error) {
	if err := t.spring(ctx, "Users"); err != nil {
		return nil, err
	}
	return t.Store.Users(ctx, userIDs)
}

func (t *trap) Plan(ctx context.Context, name string) (*apikey.Plan, error) {
	if err := t.spring(ctx, "Plan"); err != nil {
		return nil, err
	}
	return t.Store.Plan(ctx, name)
}

func (t *trap) Plans(ctx context.Context) ([]*apikey.Plan, error) {
	if err := t.spring(ctx, "Plans"); err != nil {
		return nil, err
	}
	return t.Store.Plans(ctx)
}

func (t *trap) PlanUsers(ctx context.Context, plan, after string, limit int) ([]string, error) {
	if err := t.spring(ctx, "PlanUsers"); err != nil {
		return nil, err
	}
	return t.Store.PlanUsers(ctx, plan, after, limit)
}

func (t *trap) UserText(u *apikey.User) ([]byte, error) {
	if err := t.spring(nil, "UserText"); err != nil {
		return nil, err
	}
	return t.Store.UserText(u)
}

func (t *trap) PlanText(p *apikey.Plan) ([]byte, error) {
	if err := t.spring(nil, "PlanText"); err != nil {
		return nil, err
	}
	return t.Store.PlanText(p)
}

func (t *trap) StoredPolicy(ctx context.Context, subject string) (audit.Subject, error) {
	if err := t.spring(ctx, "StoredPolicy"); err != nil {
		return audit.Subject{}, err
	}
	return t.Store.StoredPolicy(ctx, subject)
}

// policyDeed puts a plan and gives it to a user.
var policyDeed = deed{"a plan is put, listed, given to a user and verified", func(_ *testing.T, b *bench, root registry.Caller) func(context.Context) error {
	return func(ctx context.Context) error {
		requests := int64(b.Count()) + 1 // another each time
		_, err := b.Registry.PutPlan(ctx, root, apikey.Plan{Name: "pro", Key: apikey.Bounds{
			Quota: ratelimit.Quota{Requests: requests, Period: ratelimit.Day},
		}})
		if err != nil {
			return err
		}
		if _, err := b.Registry.Plans(ctx, root); err != nil {
			return err
		}
		plan := "pro"
		user := fmt.Sprintf("u%d", requests)
		if _, err := b.Registry.SetUser(ctx, root, user, apikey.UserChange{Plan: &plan}, true); err != nil {
			return err
		}
		if _, err := b.Registry.User(ctx, root, user); err != nil {
			return err
		}
		if _, _, err := b.Registry.PlanStats(ctx, root, "pro", "", 10); err != nil {
			return err
		}
		if _, err := b.Registry.CheckTrail(ctx, apikey.UserSubject(user)); err != nil {
			return err
		}
		_, err = b.Registry.CheckTrail(ctx, apikey.PlanSubject("pro"))
		return err
	}
}, nil}
