// Package api holds the wire types of the HTTP API: the bodies of requests and responses, and the
// one form that errors have.
//
// The handlers, the client, the CLI and the smoke test use the same types, so they cannot drift
// apart. Read a response other than 2xx into an [Envelope]. A request is the type that ends in
// Request, and its response ends in Response or is a [Record].
//
// A pointer or a [Nullable] that is nil is a field that the JSON omits or has as null, as its
// comment says. Times are RFC 3339 in UTC with milliseconds. Types are plain values: copies share
// the memory that they point to, and are safe for concurrent reads.
//
// The struct tags doc, example, minimum and the like describe a field in the OpenAPI document and
// have no effect here.
package api

// Paths of the API. A deployment puts its stage before each of them.
const (
	// OwnPrefix comes before the paths that belong to latchkey itself and not to its API: health, the
	// document, the console and the manual. They are there in every deployment. They may also be
	// without it, unless the paths of another API are there.
	OwnPrefix    = "/latchkey"
	HealthPath   = "/health"
	KeySetPath   = "/.well-known/jwks.json"
	DocumentPath = "/openapi.json"
	WhoamiPath   = "/api/v1/whoami"
	KeysPath     = "/api/v1/api-keys"
	ValidatePath = KeysPath + "/validate"
	UsersPath    = "/api/v1/users"
	PlansPath    = "/api/v1/plans"
	// AuthorizePath is where proxies ask. Envoy adds the path about which it asks.
	AuthorizePath = "/api/v1/authorize"
	LeaksPath     = "/api/v1/leaks/github"
)

// Texts that the API takes from a fixed list each. The OpenAPI document shows the lists.
type (
	// Environment is live or test.
	Environment string
	// CallerEnvironment is an [Environment], or empty for a static key and for a user without a
	// key.
	CallerEnvironment string
	// Status is the state of a key, such as active or revoked.
	Status string
	// Sort is the order of a list of keys, such as lastUsed.
	Sort string
	// Level says whose a limit or quota is: key or user.
	Level string
	// Period is a calendar period in UTC, such as month, or lifetime.
	Period string
	// VerdictCode is valid, or the reason of a refusal.
	VerdictCode string
	// ExplainCode is a [VerdictCode], or the code of a route without a rule.
	ExplainCode string
	// CheckName names one check of a request.
	CheckName string
	// Action is the kind of a recorded change, such as update.
	Action string
	// ActorType is the kind of caller that made a change, such as key or user.
	ActorType string
	// ErrorType groups the codes of errors, such as invalid_request_error.
	ErrorType string
	// ErrorCode is the reason of an error, in one word for programs.
	ErrorCode string
)
