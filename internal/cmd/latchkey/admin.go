package main

import (
	"context"
	"errors"
	"fmt"

	"latchkey/internal/apikey"
	"latchkey/internal/environment"
)

// makeAdmin stores an unlimited key with keys:admin for token, in env unless the
// token names its own, for one of the commands. One that is there already, and
// works, is left as it is.
func makeAdmin(ctx context.Context, e *environment.Environment, command string, token apikey.Token, env apikey.Environment, user, name string) error {
	if token.Native() {
		env = token.Environment()
	}
	unlimited, scopes := true, apikey.Scopes{apikey.ScopeAdmin}
	k, err := e.Registry.Build(ctx, token, user, env, apikey.Change{Name: &name, Scopes: &scopes, Unlimited: &unlimited})
	if err != nil {
		return err
	}
	if err := e.Registry.Install(ctx, command, k); err != nil && !errors.Is(err, apikey.ErrConflict) {
		return fmt.Errorf("create the admin key: %w", err)
	}
	v, err := e.Gate.Check(ctx, apikey.Request{Credential: e.Format.Credential(token.Reveal()), Scope: apikey.ScopeAdmin})
	if err != nil {
		return fmt.Errorf("check the admin key: %w", err)
	}
	if !v.Valid() {
		return fmt.Errorf("the admin key is there, but it is not accepted (%s): choose another", v.Code)
	}
	return nil
}
