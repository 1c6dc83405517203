package main

import (
	"context"
	"errors"
	"fmt"

	"latchkey/internal/apikey"
	"latchkey/internal/gate"
	"latchkey/internal/instance"
)

// makeAdmin stores an unlimited key with keys:admin for token, and checks that the gate accepts
// it. env is the key's environment if the token does not name one. command is the command's name
// for the audit entry. If the key is stored already, makeAdmin changes nothing.
func makeAdmin(
	ctx context.Context, e *instance.Instance, command string,
	token apikey.Token, env apikey.Environment, user, name string,
) error {
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
	v, err := e.Gate.Check(ctx, gate.Request{Credential: e.Format.Credential(token.Reveal()), Scope: apikey.ScopeAdmin})
	if err != nil {
		return fmt.Errorf("check the admin key: %w", err)
	}
	if !v.Valid() {
		return fmt.Errorf("the admin key is stored, but it is not accepted (%s): choose another", v.Code)
	}
	return nil
}
