package dynamo

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

const (
	keySort   = "key"
	meterSort = "meter"
	aliasSort = "alias"
	countSort = "keys"
)

func keyPartition(id string) string      { return "key#" + id }
func aliasPartition(alias string) string { return "alias#" + alias }
func userPartition(user string) string   { return "user#" + user }

// record is a key as it is stored. Times are in milliseconds, durations and ttl in seconds.
// template.yaml lists the attributes in the index. The attributes after Rev that begin with NoLimit
// are not in it, because an index cannot get more of them without being replaced, and no list shows
// them.
//
// The version before NoLimit was added drops these attributes when it changes a key. It bounds a key
// as follows:
//
//   - A key without a limit of its own is stored with the default limit, so it keeps to that.
//   - A lifetime quota is stored as the quota 0 of the period lifetime, with the number in Lifetime.
//     It refuses all requests of such a key, because it knows no meter that would bound them.
//   - It knows neither plans, nor limits beside the first, nor shared bounds.
//
// No version drops the reason of a revocation, because none changes a revoked key.
type record struct {
	PK           string            `dynamodbav:"pk"`
	SK           string            `dynamodbav:"sk"`
	ID           string            `dynamodbav:"id"`
	UserID       string            `dynamodbav:"userId"`
	CreatedKey   string            `dynamodbav:"createdKey"`
	Name         string            `dynamodbav:"name,omitempty"`
	Description  string            `dynamodbav:"description,omitempty"`
	Environment  string            `dynamodbav:"environment"`
	Scopes       []string          `dynamodbav:"scopes,omitempty"`
	Requests     int64             `dynamodbav:"requests"`
	Window       int64             `dynamodbav:"window"`
	Unlimited    bool              `dynamodbav:"unlimited,omitempty"`
	Quota        int64             `dynamodbav:"quota,omitempty"`
	QuotaPeriod  string            `dynamodbav:"quotaPeriod,omitempty"`
	AllowedCIDRs []string          `dynamodbav:"allowedCidrs,omitempty"`
	Metadata     map[string]string `dynamodbav:"metadata,omitempty"`
	Enabled      bool              `dynamodbav:"enabled"`
	NotBefore    int64             `dynamodbav:"notBefore,omitempty"`
	ExpiresAt    int64             `dynamodbav:"expiresAt,omitempty"`
	CreatedAt    int64             `dynamodbav:"createdAt"`
	RevokedAt    int64             `dynamodbav:"revokedAt,omitempty"`
	KeyPrefix    string            `dynamodbav:"keyPrefix"`
	Secrets      []secret          `dynamodbav:"secrets,omitempty"`
	Public       []string          `dynamodbav:"publicAliases,omitempty"`
	PresentSince int64             `dynamodbav:"presentSince,omitempty"`
	CountsUntil  int64             `dynamodbav:"countsUntil,omitempty"`
	Held         []string          `dynamodbav:"held,omitempty"`
	Rev          int64             `dynamodbav:"rev"`
	NoLimit      bool              `dynamodbav:"noLimit,omitempty"`
	Limits       []storedLimit     `dynamodbav:"limits,omitempty"`
	Lifetime     int64             `dynamodbav:"lifetimeQuota,omitempty"`
	Plan         string            `dynamodbav:"plan,omitempty"`
	Shared       *storedBounds     `dynamodbav:"shared,omitempty"`
	Sharing      bool              `dynamodbav:"sharesDefault,omitempty"`
	Reason       string            `dynamodbav:"revocationReason,omitempty"`
	Source       string            `dynamodbav:"revocationSource,omitempty"`
	Shards       *shards           `dynamodbav:"shards,omitempty"`
	Trail        *head             `dynamodbav:"trail,omitempty"`
	TTL          int64             `dynamodbav:"ttl,omitempty"`
}

type secret struct {
	Algorithm string `dynamodbav:"alg"`
	Pepper    string `dynamodbav:"pepper"`
	Hash      []byte `dynamodbav:"hash"`
	Alias     string `dynamodbav:"alias,omitempty"`
	NotAfter  int64  `dynamodbav:"notAfter,omitempty"`
	Ended     bool   `dynamodbav:"ended,omitempty"`
}

// shards are how many meters count the rateLimit of a key. until is in milliseconds. The version before
// shards were added spends the whole limit from the first meter, and drops the attribute when it changes
// a key.
type shards struct {
	Count int   `dynamodbav:"count"`
	Made  int   `dynamodbav:"made"`
	Few   int   `dynamodbav:"few,omitempty"`
	Many  int   `dynamodbav:"many,omitempty"`
	Until int64 `dynamodbav:"until,omitempty"`
}

func encodeShards(s ratelimit.Shards) *shards {
	if !s.Several() {
		return nil
	}
	return &shards{Count: s.Count, Made: s.Made, Few: s.Few, Many: s.Many, Until: millis(s.Until)}
}

func decodeShards(s *shards) ratelimit.Shards {
	if s == nil {
		return ratelimit.Shards{}
	}
	return ratelimit.Shards{Count: s.Count, Made: s.Made, Few: s.Few, Many: s.Many, Until: moment(s.Until)}
}

// head is the end of a key's trail. until is in seconds.
type head struct {
	Sum   []byte `dynamodbav:"sum"`
	Seal  []byte `dynamodbav:"seal"`
	Until int64  `dynamodbav:"until"`
}

// encodeKey returns the item of a key at a revision.
func encodeKey(k *apikey.Key, rev int64) (item, error) {
	r := record{
		PK: keyPartition(k.ID), SK: keySort,
		ID: k.ID, UserID: k.UserID, CreatedKey: position(k).String(),
		Name: k.Name, Description: k.Description, Environment: string(k.Environment), Scopes: k.Scopes,
		Unlimited: k.Unlimited, NoLimit: k.Limit == ratelimit.Limit{}, Limits: encodeLimits(k.Limits),
		Quota: k.Quota.Requests, QuotaPeriod: string(k.Quota.Period), Plan: k.Plan,
		Shared: encodeBounds(k.Shared), Sharing: k.SharesDefault,
		Shards: encodeShards(k.Shards),
		Reason: k.Revocation.Reason, Source: k.Revocation.Source,
		Metadata: k.Metadata, Enabled: k.Enabled,
		NotBefore: millis(k.NotBefore), ExpiresAt: millis(k.ExpiresAt),
		CreatedAt: millis(k.CreatedAt), RevokedAt: millis(k.RevokedAt),
		KeyPrefix: k.KeyPrefix, Public: k.PublicAliases, PresentSince: millis(k.PresentSince),
		CountsUntil: millis(k.CountsUntil), Held: k.Held, Rev: rev, Trail: encodeHead(k.Trail),
	}
	limit := k.OwnLimit()
	r.Requests, r.Window = limit.Requests, int64(limit.Window/time.Second)
	if k.Quota.Period == ratelimit.Lifetime {
		r.Quota, r.Lifetime = 0, k.Quota.Requests
	}
	for _, p := range k.AllowedCIDRs {
		r.AllowedCIDRs = append(r.AllowedCIDRs, p.String())
	}
	for _, s := range k.Secrets {
		r.Secrets = append(r.Secrets, encodeSecret(s))
	}
	if gone := k.Forgotten(); !gone.IsZero() {
		r.TTL = gone.Unix()
	}
	encoded, err := attributevalue.MarshalMap(r)
	if err != nil {
		return nil, fmt.Errorf("encode key %s: %w", k.ID, err)
	}
	return encoded, nil
}

func encodeSecret(s apikey.Secret) secret {
	return secret{
		Algorithm: s.Algorithm, Pepper: s.Pepper, Hash: s.Hash, Alias: s.Alias, NotAfter: millis(s.NotAfter), Ended: s.Ended,
	}
}

// decodeKey returns the key of an item.
func decodeKey(i item) (*apikey.Key, error) {
	var r record
	if err := attributevalue.UnmarshalMap(i, &r); err != nil {
		return nil, fmt.Errorf("decode key: %w", err)
	}
	if r.ID == "" || r.PK != keyPartition(r.ID) {
		return nil, fmt.Errorf("decode key: %s holds the key %q", r.PK, r.ID)
	}
	k := &apikey.Key{
		ID: r.ID, UserID: r.UserID, Name: r.Name, Description: r.Description,
		Environment: apikey.Environment(r.Environment), Scopes: r.Scopes,
		Limit:  ratelimit.Limit{Requests: r.Requests, Window: time.Duration(r.Window) * time.Second},
		Quota:  ratelimit.Quota{Requests: r.Quota, Period: ratelimit.Period(r.QuotaPeriod)},
		Limits: decodeLimits(r.Limits), Plan: r.Plan, Shared: decodeBounds(r.Shared), SharesDefault: r.Sharing,
		Shards:     decodeShards(r.Shards),
		Revocation: apikey.Revocation{Reason: r.Reason, Source: r.Source},
		Unlimited:  r.Unlimited, Metadata: r.Metadata, Enabled: r.Enabled,
		NotBefore: moment(r.NotBefore), ExpiresAt: moment(r.ExpiresAt),
		CreatedAt: moment(r.CreatedAt), RevokedAt: moment(r.RevokedAt),
		KeyPrefix: r.KeyPrefix, PublicAliases: r.Public, PresentSince: moment(r.PresentSince),
		CountsUntil: moment(r.CountsUntil), Held: r.Held, Rev: r.Rev, Trail: decodeHead(r.Trail),
	}
	if r.NoLimit {
		k.Limit = ratelimit.Limit{}
	}
	if r.Lifetime != 0 || k.Quota.Period == ratelimit.Lifetime {
		k.Quota = ratelimit.Quota{Requests: r.Lifetime, Period: ratelimit.Lifetime}
	}
	for _, text := range r.AllowedCIDRs {
		// A network that cannot be read must not become "any source".
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("decode key %s: %w", r.ID, err)
		}
		k.AllowedCIDRs = append(k.AllowedCIDRs, p)
	}
	for _, s := range r.Secrets {
		k.Secrets = append(k.Secrets, apikey.Secret{
			Algorithm: s.Algorithm, Pepper: s.Pepper, Hash: s.Hash, Alias: s.Alias, NotAfter: moment(s.NotAfter), Ended: s.Ended,
		})
	}
	return k, nil
}

func position(k *apikey.Key) registry.Position {
	return registry.Position{CreatedAt: k.CreatedAt, ID: k.ID}
}

// millis returns a time in milliseconds of the epoch, or 0 for the zero time.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	if ms := t.UnixMilli(); ms != 0 {
		return ms
	}
	return 1 // zero would mean no end
}

// moment returns the time of millis.
func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
