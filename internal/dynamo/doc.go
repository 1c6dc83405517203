// Package dynamo implements the stores of packages gate, registry and ratelimit on one DynamoDB
// table. It is the only package that speaks to DynamoDB. [Open] returns the [Table].
//
//	item     pk               sk      holds
//	key      key#<id>         key     the record, with hashes and no token
//	meter    key#<id>         meter   what the key spent, for the first of its meters
//	further  key#<id>         meter#<seconds>  and meter#<period>: the same for its other meters
//	usage    key#<id>         usage#<month>  the usage of each past day
//	refusals key#<id>         refused#<month>#<life>  refused requests of each day, by code
//	older    key#<id>         previous  when a token was last used that a rotation has replaced
//	entry    key#<id>         audit#<life>#<seq>  one audit entry of the key
//	witness  head#<id>        head    the place of the last entry, apart from the key
//	alias    alias#<hmac>     alias   the id of the key behind a foreign token
//	reply    idem#<hmac>      reply   the sealed answer to an idempotent request
//	counter  user#<user>      keys    how many places the keys of a user take
//	user     user#<user>      settings  what an operator has set for a user
//	plan     plan#<name>      plan    a plan
//
// A user has the same meters and usage in its partition, for the limits that its keys share. See
// [apikey.ParseMeter].
//
// The entries of a user's record and of a plan are in its partition, and their witness is in
// heads#user#<user> or heads#plan#<name>.
//
// Every read that a verdict rests on is strongly consistent. The index by-user lists a user's keys,
// newest first, without secrets. It is eventually consistent.
//
// DynamoDB deletes items up to days after their ttl. Each condition therefore treats a key, an
// alias, a reply or a witness whose end has come as deleted, and so does each caller of a reader. A
// meter whose ttl has passed may still be read, which changes no decision.
package dynamo
