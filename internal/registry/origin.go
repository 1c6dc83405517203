package registry

import (
	"cmp"

	"latchkey/internal/audit"
)

// The actions of audit entries. Enabling and disabling a key is an update. An import that adds a
// token to a stored key is an import.
const (
	ActionCreate      = "create"
	ActionImport      = "import"
	ActionUpdate      = "update"
	ActionRotate      = "rotate"
	ActionRevoke      = "revoke"
	ActionEndGrace    = "end-grace"    // ends the replaced tokens; the present ones go on
	ActionRevokeToken = "revoke-token" // ends one replaced token; the key goes on
	ActionDelete      = "delete"
	// The actions on users and plans. A change that does several things has the first action of
	// suspend, resume, set_plan and set_user that applies. In the entry of a user, set_plan is another plan
	// of the user, and in that of a plan it is a change of the plan.
	ActionSetUser    = "set_user"
	ActionSuspend    = "suspend"
	ActionResume     = "resume"
	ActionSetPlan    = "set_plan"
	ActionAddCredits = "add_credits" // also of a key
	ActionTransfer   = "transfer"    // gives a key to another user
)

// Actions returns every action of an audit entry.
func Actions() []string {
	return []string{
		ActionCreate, ActionImport, ActionUpdate, ActionRotate, ActionEndGrace, ActionRevoke, ActionRevokeToken, ActionDelete,
		ActionSetUser, ActionSuspend, ActionResume, ActionSetPlan, ActionAddCredits, ActionTransfer,
	}
}

// Origin says who makes a change, and from where.
type Origin struct {
	Actor     audit.Actor
	RequestID string
	SourceIP  string
}

// The types of actors.
const (
	actorKey     = "key"     // the holder of a key
	actorUser    = "user"    // a user who came without a key
	actorToken   = "token"   // a caller who proved nothing but having the token to revoke
	actorScanner = "scanner" // a leak scanner, which has found the token in public
	actorCLI     = "cli"     // the operator of latchkey's command line, who may write to the table
)

// Actors returns every type of an actor.
func Actors() []string { return []string{actorKey, actorUser, actorToken, actorScanner, actorCLI} }

// CommandLine returns the origin of one of latchkey's commands.
func CommandLine(command string) Origin {
	return Origin{Actor: audit.Actor{Type: actorCLI, ID: command}}
}

// origin returns the origin of a caller's changes. The actor is the caller's key, or the person who
// acts if the caller has no key.
func (c Caller) origin() Origin {
	o := c.From
	o.Actor = audit.Actor{Type: actorKey, ID: c.KeyID}
	if c.KeyID == "" {
		o.Actor = audit.Actor{Type: actorUser, ID: cmp.Or(c.Subject, c.UserID)}
	}
	return o
}
