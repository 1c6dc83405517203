package audit

// Found says whether latchkey audit verify finds a deed.
type Found string

const (
	// FoundAlways is a deed that is found by the table alone.
	FoundAlways Found = "yes"
	// FoundReported is a deed that is listed, and is an error with --strict or a checkpoint.
	FoundReported Found = "reported"
	// FoundCheckpoint is a deed that is found with a checkpoint from before it, and only then.
	FoundCheckpoint Found = "checkpoint"
	// FoundNever is a deed that is not found.
	FoundNever Found = "no"
)

// Finding is one thing that an attacker can do, whether latchkey audit verify finds it, and what
// the attacker gains by it.
type Finding struct {
	Deed  string
	Found Found
	Gain  string
}

// Findings returns everything that an attacker can do, with whether latchkey audit verify finds it.
// The documentation and the command line print this list, and a test does each deed to a table.
func Findings() []Finding {
	return []Finding{
		{"edit any attribute of a key, a secret's hash included", FoundAlways, "the service obeys it until then"},
		{"remove a key", FoundAlways, "its tokens are refused"},
		{"copy a key to another id", FoundAlways, "none: the hashes are of another id's tokens"},
		{"put a key back, alone or with its entries", FoundAlways, "the service obeys it until then"},
		{"edit, remove, move, copy or add an audit entry", FoundAlways, "none"},
		{"edit, remove, copy or put back a witness", FoundAlways, "none"},
		{"remove the key, its entries and its witness", FoundCheckpoint, "its tokens are refused, its trail is gone"},
		{"put the key, its entries and its witness back", FoundCheckpoint, "the service obeys it"},
		{"put the whole table back", FoundCheckpoint, "the service obeys it"},
		{"take the trail off a key, its witness included", FoundReported,
			"the key looks like one of a version without trails"},
		{"add a key without a trail", FoundReported, "the service obeys it"},
		{"edit any attribute of a user or a plan", FoundAlways, "the service obeys it until then"},
		{"remove a user or a plan", FoundAlways,
			"its bounds are gone; keys of a plan get 503"},
		{"copy a user or a plan to another", FoundAlways, "the service obeys it until then"},
		{"put a user or a plan back, alone or with its entries", FoundAlways, "the service obeys it until then"},
		{"remove a user or a plan, its entries and its witness", FoundCheckpoint,
			"as above, and its trail is gone"},
		{"put a user or a plan, its entries and its witness back", FoundCheckpoint, "the service obeys it"},
		{"take the trail and the witness off a user or a plan", FoundReported, "the service obeys it"},
		{"add a user or a plan without a trail", FoundReported, "the service obeys it"},
		{"edit, remove, copy or put back a meter", FoundNever, "more or fewer requests than the limit are admitted"},
		{"edit, remove or put back a day's usage", FoundNever, "the usage that is shown is wrong"},
		{"edit, remove or put back refusals or an older use", FoundNever, "the numbers that are shown are wrong"},
		{"edit, remove or put back a user's count of keys", FoundNever, "the user may have more or fewer keys"},
		{"edit, remove or copy an alias", FoundNever, "a foreign token is refused; it opens no other key"},
		{"edit, remove or copy the listing of a transfer", FoundNever,
			"the former user's trail lacks it, not the key's"},
		{"edit, remove or copy a stored reply", FoundNever, "a retry fails, or is carried out again"},
		{"edit or remove what health writes", FoundNever, "none"},
		{"do any of these with the deployment's secret", FoundNever, "everything: the secret signs"},
	}
}
