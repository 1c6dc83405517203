package registry_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"log"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/pepper"
	"latchkey/internal/registry"
)

// A registry manages keys in a store. The caller comes from the verdict of a gate.
func ExampleNew() {
	manage := func(ctx context.Context, store registry.Store, format apikey.Format, hasher pepper.Hasher) error {
		hashing := func(context.Context) (pepper.Hasher, error) { return hasher, nil }
		keys := registry.New(registry.Options{
			Store: store, Hasher: hashing, Reread: hashing, Format: format, Random: rand.Reader, Now: time.Now,
			AuditRetention: 365 * 24 * time.Hour, MaxKeys: 100,
		})
		admin := registry.Caller{UserID: "root", Scopes: apikey.Scopes{apikey.ScopeAdmin}}
		key, token, err := keys.Create(ctx, admin, "customer-7", apikey.Live, apikey.Change{})
		if err != nil {
			return err
		}
		fmt.Println(token.Reveal()) // it cannot be read again
		issued, err := keys.Rotate(ctx, admin, key.ID, registry.DefaultGrace)
		if err != nil {
			return err
		}
		fmt.Println(issued.Token.Reveal(), "the earlier token works until", issued.Previous)
		_, err = keys.Revoke(ctx, admin, key.ID, "")
		return err
	}
	_ = manage // the store is a table
}

// Check finds the mistakes of an entry without a table.
func ExampleImport_Check() {
	token, err := apikey.ParseForeign("a-token-of-another-service")
	if err != nil {
		log.Fatal(err)
	}
	unknown := sha256.Sum256(nil)
	for _, in := range []registry.Import{
		{UserID: "customer-7", Token: token},
		{UserID: "customer-7", Hash: &unknown},
		{UserID: "anonymous", Token: token},
	} {
		fmt.Println(in.Check())
	}
	// Output:
	// <nil>
	// sha256 is the hash of no token
	// userId must not be anonymous or begin with "latchkey:": these are reserved, so choose another
}
