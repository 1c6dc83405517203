package gate

import (
	"context"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
)

// Finder is the part of the table that judging needs. It must be safe for concurrent use and read
// strongly consistently. Any call may be repeated after an error.
type Finder interface {
	// Find returns a key with its meter, both from one read, or ErrNotFound.
	Find(ctx context.Context, id string) (apikey.Record, error)
	// User returns what an operator has set for a user, with the user's meters, all from one read.
	// Its User is nil if there is no record. It returns the meters also without a record.
	User(ctx context.Context, userID string) (apikey.UserRecord, error)
	// Plan returns the plan of a name, or ErrNotFound.
	Plan(ctx context.Context, name string) (*apikey.Plan, error)
	// Resolve returns the id of the key to which an alias leads, or ErrNotFound.
	Resolve(ctx context.Context, alias string) (id string, err error)
	// Meter returns the meter of an id, which need not be a key's, or the zero Meter if there is
	// none.
	Meter(ctx context.Context, id string) (ratelimit.Meter, error)
	// Rehash replaces secret n of from by secret n of to, another hash of the same token. It also
	// replaces the seal. It changes nothing if the key has changed meanwhile.
	Rehash(ctx context.Context, from, to *apikey.Key, n int) error
	// Text returns the stored text of a key at a revision, without the seal, which is computed over
	// this text. It does no I/O.
	Text(k *apikey.Key, rev int64) ([]byte, error)
}

// Upstream is another key service. The gate asks it about tokens that the table does not know. It
// must be safe for concurrent use.
type Upstream interface {
	// Ask returns the key behind a token with CodeValid, or a refusal. A refusal must have a key if
	// and only if a limit or a quota of the other service has refused. Ask may answer from memory,
	// unless the answer must be fresh.
	Ask(ctx context.Context, token apikey.Token, public string, fresh bool) (apikey.Verdict, error)
}
