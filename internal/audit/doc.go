// Package audit keeps an authenticated trail of changes for each subject, and seals the stored
// record of each subject. An attacker who can only write to the table cannot forge, alter or remove
// any of it unnoticed. The package knows nothing of the table, and does no I/O.
//
// Call [Notary.Append] and [Notary.Seal] for each change of a subject, and [Notary.Check] to verify
// a subject with its trail.
//
// # What is authenticated, and how
//
// One key, which is derived from the deployment's secret and is never stored, signs four things:
//
//   - Each audit entry, with its place and the sum of the entry before it. The entries of a
//     subject's life are a chain.
//   - The record of the subject: all its stored attributes, its revision and the end of its chain.
//     See [Notary.Seal]. Each change seals the record anew. Replacing a token's hash by another hash
//     of the same token seals it anew too, but only if the seal before it was right.
//   - The [Witness], a copy of the end of the chain. It is stored apart from the subject. If an
//     attacker puts back the subject together with its entries, they do not fit the witness.
//   - The [Checkpoint], a list of the ends of all chains, which the operator stores elsewhere.
//
// A life ends with an entry that marks the end, or with one that gives the time from which the
// subject may be forgotten. The oldest entries are forgotten as well. Each entry states until when
// the entry before it must exist, and each head states the same of its own entry. An entry that is
// missing earlier was therefore removed.
//
// A record that was altered or put back can still be changed, because a key must always be
// revocable. The entry of that change states the flaw, so that the new seal does not hide it.
//
// # What an attacker can do
//
// An attacker who can write to the table, perhaps with an earlier copy of it, may do the following.
// In the column "found", yes is a deed that latchkey audit verify finds. A deed marked reported is
// listed, and is an error with --strict or a checkpoint. A deed marked checkpoint is found only with
// a checkpoint from before the deed.
//
//	deed                                                   found      gain
//	edit any attribute of a key, a secret's hash included  yes        the service obeys it until then
//	remove a key                                           yes        its tokens are refused
//	copy a key to another id                               yes        none: the hashes are of another id's tokens
//	put a key back, alone or with its entries              yes        the service obeys it until then
//	edit, remove, move, copy or add an audit entry         yes        none
//	edit, remove, copy or put back a witness               yes        none
//	remove the key, its entries and its witness            checkpoint its tokens are refused, its trail is gone
//	put the key, its entries and its witness back          checkpoint the service obeys it
//	put the whole table back                               checkpoint the service obeys it
//	take the trail off a key, its witness included         reported   the key looks like one of a version without trails
//	add a key without a trail                              reported   the service obeys it
//	edit any attribute of a user or a plan                 yes        the service obeys it until then
//	remove a user or a plan                                yes        its bounds are gone; keys of a plan get 503
//	copy a user or a plan to another                       yes        the service obeys it until then
//	put a user or a plan back, alone or with its entries   yes        the service obeys it until then
//	remove a user or a plan, its entries and its witness   checkpoint as above, and its trail is gone
//	put a user or a plan, its entries and its witness back checkpoint the service obeys it
//	take the trail and the witness off a user or a plan    reported   the service obeys it
//	add a user or a plan without a trail                   reported   the service obeys it
//	edit, remove, copy or put back a meter                 no         more or fewer requests than the limit are admitted
//	edit, remove or put back a day's usage                 no         the usage that is shown is wrong
//	edit, remove or put back refusals or an older use      no         the numbers that are shown are wrong
//	edit, remove or put back a user's count of keys        no         the user may have more or fewer keys
//	edit, remove or copy an alias                          no         a foreign token is refused; it opens no other key
//	edit, remove or copy the listing of a transfer         no         the former user's trail lacks it, not the key's
//	edit, remove or copy a stored reply                    no         a retry fails, or is carried out again
//	edit or remove what health writes                      no         none
//	do any of these with the deployment's secret           no         everything: the secret signs
//
// # Records of earlier versions
//
// Versions without trails stored nothing that could be checked, and later ones sealed the end of
// the chain without the record. [Standing] tells these from records that were altered. A key that
// was stripped of its trail, its witness included, looks like one of a version without trails. It
// is therefore reported by name, and a checkpoint tells them apart.
//
// A record that was sealed by this version, and whose token's hash was replaced by an instance of
// an earlier version afterwards, is taken for altered.
//
// # Why the gate does not check the seal
//
// The gate reads a key and would have to refuse one whose seal does not fit. It could not refuse
// one without a seal, since keys of earlier versions have none, and so an attacker would leave the
// seal out. Nor could it see that a whole record was put back. The check would cost each read time
// and would stop no one.
package audit
