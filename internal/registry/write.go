package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/audit"
)

// write stores changes of keys, each with its audit entry and witness. It also removes secrets of a
// changed key that ended long ago.
//
// A key that was altered, put back or stripped of its trail outside the service can still be
// changed and, above all, revoked. The entry then states the flaw, so that the new seal does not
// hide it.
func (r *Registry) write(ctx context.Context, changes ...Write) error {
	hasher, err := r.hasher(ctx)
	if err != nil {
		return err
	}
	for i := range changes {
		w := &changes[i]
		if w.ends() {
			w.PlaceUntil = apikey.Later(w.PlaceUntil, w.From.PlaceUntil(r.now(), r.options.Freshness))
		}
		w.At = r.now()
		if w.From != nil && !w.Delete {
			w.To.Secrets = tidy(w.To.Secrets, w.At)
			w.To.KeyPrefix = r.keyPrefix(w.To, apikey.Token{})
		}
		if w.From != nil {
			if w.Standing, err = hasher.Standing(r.store, w.From); err != nil {
				return err
			}
		}
		flaw := ""
		if w.From != nil && w.Standing == audit.Altered {
			if flaw, err = r.flaw(ctx, w.From.ID); err != nil {
				return err
			}
			w.Checked = true
		}
		if err := r.seal(hasher.Notary(), w, flaw); err != nil {
			return err
		}
	}
	err = r.store.Write(ctx, changes...)
	if !errors.Is(err, apikey.ErrUnwitnessed) {
		return err
	}
	if len(changes) > 1 {
		return apikey.ErrConflict // the caller writes them one after another
	}
	w := &changes[0]
	flaw, err := r.flaw(ctx, w.Witness.Subject)
	if err != nil {
		return err
	}
	w.Checked = true
	if err := r.seal(hasher.Notary(), w, flaw); err != nil {
		return err
	}
	return r.store.Write(ctx, *w)
}

// seal adds to a change its audit entry and the witness of the entry, and sets the new head of the
// key. flaw is the problem that the key had before.
func (r *Registry) seal(n audit.Notary, w *Write, flaw string) error {
	k, head, place := w.To, audit.Head{}, audit.Place{}
	if w.From == nil {
		place = audit.Place{Life: k.CreatedAt, Seq: k.Rev}
	} else {
		head, place = w.From.Trail, audit.Place{Life: w.From.CreatedAt, Seq: w.From.Rev + 1}
	}
	entry := audit.Entry{
		At: w.At, Actor: w.By.Actor, Action: w.Action, RequestID: w.By.RequestID, SourceIP: w.By.SourceIP,
		Changes: changes(w.From, w.To, w.At), Last: w.Delete, Flaw: flaw,
	}
	if entry.Last {
		k = w.From
	} else {
		entry.Forgotten = k.Forgotten()
	}
	entry.Subject, entry.Owner = k.ID, k.UserID
	sealed, next, witness, err := n.Append(head, place, entry, r.options.AuditRetention)
	if err != nil {
		return err
	}
	w.Entry, w.Witness = &sealed, &witness
	if w.Delete {
		return nil
	}
	w.To.Trail = next
	record, err := r.store.Text(w.To, place.Seq)
	if err != nil {
		return err
	}
	w.To.Trail.Seal = n.Seal(k.ID, place, record)
	return nil
}

// flaw returns the problem that CheckTrail finds with a key, or "".
func (r *Registry) flaw(ctx context.Context, id string) (string, error) {
	_, err := r.CheckTrail(ctx, id)
	var found *audit.Break
	switch {
	case errors.As(err, &found):
		return fmt.Sprintf("was written although entry %s %s", found.Place, found.Problem), nil
	case errors.Is(err, apikey.ErrNotFound):
		return "", nil
	}
	return "", err
}

// placeOf returns until when a key that g ends takes its place at least: another one that g grants
// in its place may have the whole limit of g at once.
func (r *Registry) placeOf(g grantor) time.Time {
	if g.admin || g.Key == nil || g.Unlimited {
		return time.Time{}
	}
	return g.Terms().Until(r.now().Add(r.options.Freshness))
}
