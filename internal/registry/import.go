package registry

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/pepper"
)

// Import is one token of a key that was made by another service, or the hash of the token.
type Import struct {
	// ID is the name of the key at the other service. Entries with one ID are tokens of one key,
	// which share its limit. If empty, the token is a key of its own.
	ID    string
	Token apikey.Token
	// Hash is the SHA-256 of the token. It is nil if the token itself is known.
	Hash *[sha256.Size]byte
	// PublicKey is the public key that callers may send beside the token, or empty if there is
	// none.
	PublicKey   string
	UserID      string
	Environment apikey.Environment
	Change      apikey.Change
}

// Imported says what an import has changed.
type Imported string

const (
	ImportCreated   Imported = "created"   // it created a key
	ImportAdded     Imported = "added"     // it added a token to a stored key
	ImportUnchanged Imported = "unchanged" // the key had the token already
)

// MaxTogether is the largest number of entries in one ImportAll. A transaction takes 100 writes,
// and a new key with an alias takes five.
const MaxTogether = 20

// MaxTokens is the largest number of tokens of one key, and of its public keys.
const MaxTokens = 50

// Import stores a key of another service, without any check of rights. Importing it again changes
// nothing: later changes of the key stay.
func (r *Registry) Import(ctx context.Context, in Import) (Imported, error) {
	k, err := r.imported(ctx, in)
	if err != nil {
		return "", err
	}
	return r.importKey(ctx, k)
}

// ImportResult is the result of one entry of many.
type ImportResult struct {
	Did Imported
	Err error
}

// ImportAll imports at most [MaxTogether] entries as Import does one after the other, but writes
// the new keys in one transaction. It returns one result for each entry, in their order.
func (r *Registry) ImportAll(ctx context.Context, entries []Import) []ImportResult {
	results := make([]ImportResult, len(entries))
	keys := make([]*apikey.Key, len(entries))
	var together []int
	seen := make(map[string]bool)
	for i, in := range entries {
		k, err := r.imported(ctx, in)
		if keys[i], results[i].Err = k, err; err != nil {
			continue
		}
		if alias := k.Secrets[0].Alias; !seen[k.ID] && !seen[alias] {
			seen[k.ID], seen[alias] = true, true
			together = append(together, i)
		}
	}
	err := apikey.ErrConflict
	if len(together) > 1 {
		fresh := make([]Write, len(together))
		for n, i := range together {
			fresh[n] = Write{To: keys[i], Action: ActionImport, By: CommandLine("import")}
		}
		err = r.write(ctx, fresh...)
	}
	for i, k := range keys {
		switch {
		case results[i].Err != nil:
		case !errors.Is(err, apikey.ErrConflict) && slices.Contains(together, i):
			results[i] = ImportResult{ImportCreated, err}
		default:
			results[i].Did, results[i].Err = r.importKey(ctx, k)
		}
	}
	return results
}

// Check returns an error for an entry that is wrong by itself. A key that has expired already is no
// error: it is imported as it is.
func (in Import) Check() error {
	if err := apikey.CheckUserID(in.UserID); err != nil {
		return err
	}
	if err := in.Change.Check(time.Time{}); err != nil {
		return err
	}
	if in.PublicKey != "" {
		if _, err := apikey.ParseForeign(in.PublicKey); err != nil {
			return apikey.Invalid("publicKey", "must be %d to %d visible ASCII characters without space or comma",
				apikey.MinForeignLength, apikey.MaxForeignLength)
		}
	}
	switch {
	case in.Hash != nil && placeholders[*in.Hash]:
		return apikey.Invalid("sha256", "is the hash of no token")
	case in.Hash == nil && in.Token.Reveal() == "":
		return apikey.Invalid("key", "is missing")
	case in.Token.Native():
		return apikey.Invalid("key", "is one of latchkey's own, which are not imported")
	}
	return in.Change.Apply(&apikey.Key{})
}

// placeholders are hashes that tools write if the hash of a token is not known: the hash of the
// empty text, and all zeros.
var placeholders = map[[sha256.Size]byte]bool{sha256.Sum256(nil): true, {}: true}

// imported returns the key that an entry describes.
func (r *Registry) imported(ctx context.Context, in Import) (*apikey.Key, error) {
	if err := in.Check(); err != nil {
		return nil, err
	}
	hasher, err := r.hasher(ctx)
	if err != nil {
		return nil, err
	}
	secret := in.secret(hasher)
	k := &apikey.Key{
		ID: hasher.ImportedID("hash " + secret.Alias), UserID: in.UserID, Environment: in.Environment,
		Enabled: true, CreatedAt: r.now(), Secrets: []apikey.Secret{secret},
	}
	if in.ID != "" {
		k.ID = hasher.ImportedID("name " + in.ID)
	}
	if in.PublicKey != "" {
		k.PublicAliases = []string{hasher.PublicAlias(in.PublicKey)}
	}
	k.KeyPrefix = r.keyPrefix(k, in.Token)
	if err := in.Change.Apply(k); err != nil {
		return nil, err
	}
	hold(k, in.Change)
	share(nil, k)
	return k, k.Spread()
}

// secret returns the secret of an entry.
func (in Import) secret(h pepper.Hasher) apikey.Secret {
	if in.Hash != nil {
		return h.HashOf(*in.Hash)
	}
	return h.Hash(in.Token)
}

// importKey stores a key. If a key of its id is stored, it adds the token and the public key of k
// to that one.
func (r *Registry) importKey(ctx context.Context, k *apikey.Key) (Imported, error) {
	released := ""
	for try := 1; ; try++ {
		did := ImportCreated
		record, err := r.read(ctx, k.ID)
		switch {
		case errors.Is(err, apikey.ErrNotFound):
			err = r.write(ctx, Write{To: k, Action: ActionImport, By: CommandLine("import"), Released: released})
		case err == nil:
			did, err = r.addToken(ctx, record.Key, k, released)
		}
		if !errors.Is(err, apikey.ErrConflict) {
			return did, err
		}
		var owned bool
		released, owned, err = r.holder(ctx, k)
		switch {
		case err != nil:
			return "", err
		case owned:
			return "", apikey.Invalid("key", "belongs to another key already")
		}
		if try == rewrites {
			return "", apikey.ErrConflict
		}
	}
}

// holder returns the other key to which the alias of an imported key leads, or "", and whether that
// key owns the alias.
func (r *Registry) holder(ctx context.Context, k *apikey.Key) (id string, owned bool, err error) {
	alias := k.Secrets[0].Alias
	id, err = r.store.Resolve(ctx, alias)
	if err == nil && id != k.ID {
		var other apikey.Record
		if other, err = r.store.Find(ctx, id); err == nil {
			return id, other.Key.Owns(alias, r.now()), nil
		}
	}
	if errors.Is(err, apikey.ErrNotFound) {
		return id, false, nil // the alias of a deleted key stays for a while
	}
	return "", false, err
}

// addToken gives a stored key the token and the public key of k.
func (r *Registry) addToken(ctx context.Context, from, k *apikey.Key, released string) (Imported, error) {
	to, secret := *from, k.Secrets[0]
	known := slices.ContainsFunc(from.Secrets, func(s apikey.Secret) bool { return s.Alias == secret.Alias })
	rotated := slices.ContainsFunc(from.Secrets, func(s apikey.Secret) bool { return s.Alias == "" })
	if !known {
		to.Secrets = append(append([]apikey.Secret{}, from.Secrets...), secret)
		to.KeyPrefix = cmp.Or(r.keyPrefix(from, apikey.Token{}), k.KeyPrefix)
	}
	missing := false
	for _, public := range k.PublicAliases {
		if missing = !slices.Contains(from.PublicAliases, public); missing {
			to.PublicAliases = append(append([]string{}, from.PublicAliases...), public)
		}
	}
	switch {
	case known && !missing:
		return ImportUnchanged, nil
	case !from.RevokedAt.IsZero():
		return "", apikey.Invalid("key", "is a token of a revoked key")
	case !known && rotated:
		// A rotation may have replaced the token, which must not work again.
		return "", apikey.Invalid("key", "is not added to a key that was rotated here")
	case from.UserID != k.UserID:
		return "", apikey.Invalid("userId", "is not that of the key's other tokens")
	case len(to.Secrets) > MaxTokens:
		return "", apikey.Invalid("key", "is one too many: a key has at most %d tokens", MaxTokens)
	case len(to.PublicAliases) > MaxTokens:
		return "", apikey.Invalid("publicKey", "is one too many: a key has at most %d", MaxTokens)
	}
	return ImportAdded, r.write(ctx, Write{
		From: from, To: &to, Action: ActionImport, By: CommandLine("import"), Released: released,
	})
}
