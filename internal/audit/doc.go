// Package audit is a trail of what was done to subjects, and a seal over what each of them is.
// Whoever can merely write to where they are stored cannot forge, alter or remove any of it
// unseen. It knows nothing of the table, and does no I/O.
//
// # What is authenticated, and how
//
// One key, which is derived from the deployment's secret and is never stored, signs four things:
//
//   - Each audit entry, with its place and the sum of the entry before it. The entries of a
//     subject's life are a chain.
//   - The record of the subject, which is every attribute that is stored of it, together with
//     its revision and the end of its chain: see [Notary.Seal]. A change seals the record anew.
//     Replacing a token's hash by another hash of the same token does so too, but never seals a
//     record whose seal did not fit before.
//   - The [Witness], a copy of the end of the chain. It is stored apart from the subject, so
//     that putting back the subject together with its entries does not fit it.
//   - The [Checkpoint], a list of the ends of all chains, which the operator stores elsewhere.
//
// A life that is over ends with an entry that says so, or that says from when on the subject may
// be forgotten. Entries are forgotten, too, the oldest first. Each says until when the one before
// it must be there, and a head until when its entry must. What is missing was therefore forgotten,
// or it was removed.
//
// A change of a record that was altered or put back is not refused, because a key must always be
// revocable. Its entry says what was wrong, so that the new seal does not hide it.
//
// # What an attacker can do
//
// An attacker who can write to the table, and maybe has an earlier copy of it, does the following.
// "yes" is found by latchkey audit verify. "reported" is told of, and is an error with --strict.
// "checkpoint" is found only with a checkpoint from before the deed. With a checkpoint, what is
// reported is an error as well.
//
//	deed                                                    found       gain
//	edit any attribute of a key, a secret's hash included   yes         the service obeys it until then
//	remove a key                                            yes         its tokens are refused
//	copy a key to another id                                yes         none: the hashes are of another id's tokens
//	put a key back, alone or with its entries               yes         the service obeys it until then
//	edit, remove, move, copy or add an audit entry          yes         none
//	edit, remove, copy or put back a witness                yes         none
//	remove the key, its entries and its witness             checkpoint  its tokens are refused, its trail is gone
//	put the key, its entries and its witness back           checkpoint  the service obeys it
//	put the whole table back                                checkpoint  the service obeys it
//	take the trail off a key, its witness included          reported    the key looks like one of a version without trails
//	add a key without a trail                               reported    the service obeys it
//	edit, remove, copy or put back a meter                  no          more or fewer requests than the limit are admitted
//	edit, remove or put back a day's usage                  no          the usage that is shown is wrong
//	edit, remove or put back a user's count of keys         no          the user may have more or fewer keys
//	edit, remove or copy an alias                           no          a foreign token is refused; it never opens another key
//	edit, remove or copy a stored reply                     no          a retry fails, or is carried out again
//	edit or remove what health writes                       no          none
//	do any of these with the deployment's secret            no          everything: the secret signs
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
