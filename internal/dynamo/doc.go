// Package dynamo is the table: it implements the contracts of
// [latchkey/internal/apikey] and [latchkey/internal/ratelimit] on one DynamoDB
// table, and is the only package that speaks to DynamoDB.
//
//	item     pk               sk      holds
//	key      key#<id>         key     the record, with hashes and no token
//	meter    key#<id>         meter   what the key spent
//	usage    key#<id>         usage#<month>  what was used on each day that is over
//	entry    key#<id>         audit#<life>#<seq>  one thing that was done to the key
//	witness  head#<id>        head    which entry is the last, apart from the key
//	alias    alias#<hmac>     alias   the id of the key behind a foreign token
//	reply    idem#<hmac>      reply   the sealed answer to an idempotent request
//	counter  user#<user>      keys    how many keys a user holds
//
// Every read that a verdict rests on is strongly consistent. The index by-user
// lists a user's keys, newest first, without secrets; it is eventually
// consistent. DynamoDB deletes late what its ttl says, by days. Each read and each
// condition therefore takes a key, an alias, a reply or an entry whose end has come for one that is
// not there. A meter that may be forgotten still counts, which changes nothing.
package dynamo
