package api

// ValidateRequest asks for the verdict on a key.
type ValidateRequest struct {
	APIKey    Token    `json:"apiKey" doc:"The key to judge, or pk…:sk…" example:"sk_live_3fGq8ZpLw1xKc0Ty7bNvRmJ2uQeHsD9aXoYi5VtE6kWzBgFr2U0NGI"`
	PublicKey *string  `json:"publicKey,omitempty" doc:"Must belong to the key" example:"pk_live_3fGq8ZpLw1xKc0Ty"`
	Scope     *string  `json:"scope,omitempty" maxLength:"128" doc:"A scope that the key must have" example:"tts"`
	Cost      *Integer `json:"cost,omitempty" minimum:"0" maximum:"1000000" doc:"Requests to spend. If omitted or 0, nothing is spent." example:"1"`
	SourceIP  *string  `json:"sourceIp,omitempty" maxLength:"64" doc:"The address from which the key was used" example:"203.0.113.7"`
}

// Verdict is the response to a [ValidateRequest]. It describes the key only if the key is known.
type Verdict struct {
	Valid      bool                 `json:"valid"`
	Code       VerdictCode          `json:"code" doc:"valid, or the reason of the refusal" example:"valid"`
	Error      string               `json:"error,omitempty"`
	KeyID      string               `json:"keyId,omitempty" doc:"This and the other fields of the key are present if the token belongs to it" example:"3fGq8ZpLw1xKc0Ty"`
	UserID     string               `json:"userId,omitempty" example:"u1"`
	Name       string               `json:"name,omitempty" example:"ci"`
	Scopes     *[]string            `json:"scopes,omitempty" nullable:"false"`
	Metadata   map[string]string    `json:"metadata,omitempty" doc:"The metadata of the key. Absent if it has none"`
	RateLimit  *Nullable[RateLimit] `json:"rateLimit,omitempty" nullable:"true" doc:"null for a key without a limit"`
	Unlimited  bool                 `json:"unlimited,omitempty" doc:"true for a key without a limit; otherwise absent"`
	Quota      *Quota               `json:"quota,omitempty"`
	Plan       string               `json:"plan,omitempty" doc:"The plan of the key or, if it has none, of its user" example:"pro"`
	Limits     []Bound              `json:"limits,omitempty" doc:"Every limit and quota that the request keeps to. Present if these are more than rateLimit and quota of the key"`
	ExpiresAt  string               `json:"expiresAt,omitempty" format:"date-time" example:"2027-01-31T12:00:00Z"`
	RetryAfter int64                `json:"retryAfter,omitempty" doc:"Seconds to wait. Present if the limit or the quota refuses" example:"12"`
	WindowStatus
}

// WhoamiResponse describes the caller.
type WhoamiResponse struct {
	KeyID       string            `json:"keyId" example:"3fGq8ZpLw1xKc0Ty"`
	UserID      string            `json:"userId" example:"u1"`
	Name        string            `json:"name" example:"ci"`
	Scopes      []string          `json:"scopes" nullable:"false"`
	Environment CallerEnvironment `json:"environment" doc:"Empty for a static key, and for a user without a key" example:"live"`
	Internal    bool              `json:"internal"`
	Subject     string            `json:"subject,omitempty" doc:"The person who acts, if userId is an organisation" example:"auth0|alice"`
	Teams       []string          `json:"teams,omitempty" nullable:"false" doc:"Other owners for whom the caller may act, by its groups" example:"[\"team:ops\"]"`
	Unlimited   bool              `json:"unlimited,omitempty" doc:"true for a key without a limit, and for a user without a key; otherwise absent"`

	RateLimit Nullable[WhoamiLimit] `json:"rateLimit" doc:"The tightest limit or quota; null for a key without a limit, and for a user without a key"`
	WindowStatus
	Grants *Grants `json:"grants,omitempty" doc:"What the caller may do, and the most that it may grant to a new key of its own. Present for a user without a key, and for a key with include=grants"`
}

// Grants are what a caller may do, and the most that it may grant to a new key of its own. If the
// caller may change no key, all but the first three fields are empty.
type Grants struct {
	Admin        bool                `json:"admin" doc:"Whether the caller acts for every user, and may grant anything"`
	Write        bool                `json:"write" doc:"Whether the caller may create and change keys now"`
	Read         bool                `json:"read" doc:"Whether the caller may read keys"`
	Scopes       []string            `json:"scopes" nullable:"false" doc:"The scopes that the caller may grant, and every scope that a pattern stands for" example:"[\"tts\"]"`
	AnyScope     bool                `json:"anyScope" doc:"Whether the caller may grant every scope that is not of key management"`
	RateLimit    Nullable[RateLimit] `json:"rateLimit" doc:"The most that rateLimit may be; null if it may be anything. For a user without a key, it bounds the average rate alone"`
	Limits       []Line              `json:"limits" nullable:"false" doc:"Each key must keep to these, by its rateLimit or its limits"`
	Quota        *QuotaInput         `json:"quota,omitempty" doc:"The most that quota may be. If absent, anything"`
	Plan         string              `json:"plan" doc:"The plan of a new key. If empty, that of the user. Only admins may name another" example:"pro"`
	AllowedCIDRs []string            `json:"allowedCidrs" nullable:"false" doc:"The networks of a key must be within these. If empty, any"`
	ExpiresAt    string              `json:"expiresAt,omitempty" format:"date-time" doc:"The latest expiry of a key. If absent, any" example:"2027-01-31T12:00:00Z"`
	Environments []Environment       `json:"environments" nullable:"false" doc:"The environments of keys that the caller may create and change"`
	MaxKeys      int64               `json:"maxKeys" doc:"How many places the keys of the user may take. 0: any number" example:"20"`
	KeysLeft     *int64              `json:"keysLeft,omitempty" doc:"How many of these places are free. Present unless maxKeys is 0" example:"17"`
	MaxDays      int64               `json:"maxDays" doc:"A key expires at most so many days after its creation. 0: it need not expire" example:"90"`
	DefaultDays  int64               `json:"defaultDays" doc:"A key without an expiry gets one so many days after its creation. 0: it gets none" example:"30"`
}

// WhoamiLimit is the window status of the calling key.
type WhoamiLimit struct {
	Requests  int64 `json:"requests" example:"100"`
	Remaining int64 `json:"remaining" example:"99"`
	Reset     int64 `json:"reset,omitempty" doc:"Epoch second. Absent if the tightest one is a lifetime quota" example:"1795521660"`
}

// ExplainRequest describes a request of the service behind the gateway.
type ExplainRequest struct {
	Method   string   `json:"method" enum:"GET,HEAD,POST,PUT,PATCH,DELETE,OPTIONS" example:"POST"`
	Path     string   `json:"path" maxLength:"2048" doc:"As API Gateway sees it, without the stage" example:"/tts/speak"`
	SourceIP *string  `json:"sourceIp,omitempty" maxLength:"64" example:"203.0.113.7"`
	Cost     *Integer `json:"cost,omitempty" minimum:"0" maximum:"1000000" doc:"If omitted, the cost that a rule has for the route, or 1" example:"1"`
	At       *string  `json:"at,omitempty" doc:"RFC 3339. If omitted, now" example:"2027-01-31T12:00:00Z"`
}

// ExplainResponse lists the checks of the request and their results, in their order.
type ExplainResponse struct {
	Code   ExplainCode `json:"code" doc:"valid, or the code of the first check that refuses" example:"insufficient_scope"`
	Checks []CheckStep `json:"checks" nullable:"false"`
}

// CheckStep is the result of one check.
type CheckStep struct {
	Check  CheckName `json:"check" example:"scope"`
	Pass   bool      `json:"pass"`
	Detail string    `json:"detail" doc:"The reason of the result" example:"asked for is tts; the key has \"stt\""`
}

// HealthResponse says that the service can decide. If it cannot, the response is an [Envelope].
type HealthResponse struct {
	Status string `json:"status" enum:"ok"`
}

// KeySet is a JSON Web Key Set (RFC 7517).
type KeySet struct {
	Keys []PublicKey `json:"keys" nullable:"false" doc:"The first one signs. Empty if assertions are signed with HS256."`
}

// PublicKey is an Ed25519 key (RFC 8037).
type PublicKey struct {
	Type      string `json:"kty" enum:"OKP"`
	Curve     string `json:"crv" enum:"Ed25519"`
	X         string `json:"x" doc:"The public key, in base64url"`
	ID        string `json:"kid" doc:"The kid in the header of assertions"`
	Use       string `json:"use" enum:"sig"`
	Algorithm string `json:"alg" enum:"EdDSA"`
}
