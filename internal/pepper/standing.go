package pepper

import (
	"errors"

	"latchkey/internal/apikey"
	"latchkey/internal/audit"
)

// Texter returns the stored text of a key at a revision, without the seal, which is computed over
// this text. It does no I/O.
type Texter interface {
	Text(k *apikey.Key, rev int64) ([]byte, error)
}

// Standing reports how far the seal authenticates the record of a stored key.
func (h Hasher) Standing(text Texter, k *apikey.Key) (audit.Standing, error) {
	record, err := text.Text(k, k.Rev)
	if err != nil {
		return audit.Altered, err
	}
	return h.Notary().Standing(k.AuditSubject(record)), nil
}

// ErrAltered means that a record was changed outside the service.
var ErrAltered = errors.New("the record was altered")

// Reseal seals to, which replaces the stored key from without an audit entry. An altered record
// gets no new seal. A record without a seal over all of it stays without.
func (h Hasher) Reseal(text Texter, from, to *apikey.Key) error {
	standing, err := h.Standing(text, from)
	switch {
	case err != nil:
		return err
	case standing == audit.Altered:
		return ErrAltered
	case standing != audit.Authentic:
		return nil
	}
	record, err := text.Text(to, to.Rev)
	if err != nil {
		return err
	}
	to.Trail.Seal = h.Notary().Seal(to.ID, audit.Place{Life: to.CreatedAt, Seq: to.Rev}, record)
	return nil
}
