// Package audit keeps an authenticated trail of changes for each subject, and seals the record of
// each subject. An attacker who can only write to the table cannot forge, alter or remove any of it
// unnoticed. The package knows nothing of the table, and does no I/O.
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
// A life ends with an entry that marks the end, or that gives the time from which the subject may
// be forgotten. The oldest entries are forgotten as well. Each entry states until when its
// predecessor must exist, and each head until when its entry must. An entry that is missing earlier
// was therefore removed.
//
// A record that was altered or put back can still be changed, because a key must always be
// revocable. The entry states the flaw, so that the new seal does not hide it.
//
// # What an attacker can do
//
// An attacker who can write to the table, perhaps with an earlier copy of it, may do the following.
// Deeds marked "yes" are found by latchkey audit verify. Those marked "reported" are listed, and
// are errors with --strict or a checkpoint. Those marked "checkpoint" are only found with a
// checkpoint from before the deed.
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
