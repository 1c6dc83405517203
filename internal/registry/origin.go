package registry

import (
	"latchkey/internal/audit"
)

// What is done to keys. Enabling and disabling are updates, and an import that
// adds a token to a key that is there is an import.
const (
	ActionCreate      = "create"
	ActionImport      = "import"
	ActionUpdate      = "update"
	ActionRotate      = "rotate"
	ActionRevoke      = "revoke"
	ActionEndGrace    = "end-grace"    // of every older token, the present one lives on
	ActionRevokeToken = "revoke-token" // one of two, the key lives on
	ActionDelete      = "delete"
)

// Actions returns every action of an audit entry.
func Actions() []string {
	return []string{
		ActionCreate, ActionImport, ActionUpdate, ActionRotate, ActionEndGrace, ActionRevoke, ActionRevokeToken, ActionDelete,
	}
}

// Origin is who makes a change, and from where.
type Origin struct {
	Actor     audit.Actor
	RequestID string
	SourceIP  string
}

// The types of actors: whoever holds a key, a user who came without one, whoever
// found a token, and whoever may write to the table, with latchkey's command line.
const (
	actorKey   = "key"
	actorUser  = "user"
	actorToken = "token"
	actorCLI   = "cli"
)

// Actors returns every type of an actor.
func Actors() []string { return []string{actorKey, actorUser, actorToken, actorCLI} }

// CommandLine is one of latchkey's commands.
func CommandLine(command string) Origin {
	return Origin{Actor: audit.Actor{Type: actorCLI, ID: command}}
}

// origin is the caller's, who is a key, or a user.
func (c Caller) origin() Origin {
	o := c.From
	if o.Actor = (audit.Actor{Type: actorKey, ID: c.KeyID}); c.KeyID == "" {
		o.Actor = audit.Actor{Type: actorUser, ID: c.UserID}
	}
	return o
}
