package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/audit"
)

// write stores changes of keys, users' records and plans, each with its audit entry and witness. It
// also removes secrets of a changed key that ended long ago.
//
// A record that was altered, put back or stripped of its trail outside the service can still be
// changed and, above all, a key can be revoked. The entry then states the flaw, so that the new seal
// does not hide it.
func (r *Registry) write(ctx context.Context, changes ...Write) error {
	hasher, err := r.hasher(ctx)
	if err != nil {
		return err
	}
	for i := range changes {
		w := &changes[i]
		if w.Ends() {
			w.PlaceUntil = apikey.Later(w.PlaceUntil, w.From.PlaceUntil(r.now(), r.options.Freshness))
		}
		w.At = r.now()
		if w.From != nil && !w.Delete {
			w.To.Secrets = tidy(w.To.Secrets, w.At)
			w.To.KeyPrefix = r.keyPrefix(w.To, apikey.Token{})
		}
		before, stored, err := r.before(w)
		if err != nil {
			return err
		}
		flaw := ""
		if stored {
			w.Standing = hasher.Notary().Standing(before)
		}
		if stored && w.Standing == audit.Altered {
			if flaw, err = r.flaw(ctx, before.ID); err != nil {
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

// before returns the subject of a change as it was read, and false if it is new.
func (r *Registry) before(w *Write) (s audit.Subject, stored bool, err error) {
	var record []byte
	switch {
	case w.User != nil && w.User.From != nil:
		record, err = r.store.UserText(w.User.From)
		return w.User.From.AuditSubject(record), true, err
	case w.Plan != nil && w.Plan.From != nil:
		record, err = r.store.PlanText(w.Plan.From)
		return w.Plan.From.AuditSubject(record), true, err
	case w.From != nil:
		record, err = r.store.Text(w.From, w.From.Rev)
		return w.From.AuditSubject(record), true, err
	}
	return audit.Subject{}, false, nil
}

// seal adds to a change its audit entry and the witness of the entry, and sets the new head of the
// subject. flaw is the problem that the subject had before.
func (r *Registry) seal(n audit.Notary, w *Write, flaw string) error {
	e := audit.Entry{
		At: w.At, Actor: w.By.Actor, Action: w.Action, RequestID: w.By.RequestID, SourceIP: w.By.SourceIP,
		Last: w.Delete, Flaw: flaw,
	}
	switch {
	case w.User != nil:
		return r.sealUser(n, w, e)
	case w.Plan != nil:
		return r.sealPlan(n, w, e)
	}
	k, head, place := w.To, audit.Head{}, audit.Place{}
	if w.From == nil {
		place = audit.Place{Life: k.CreatedAt, Seq: k.Rev}
	} else {
		head, place = w.From.Trail, audit.Place{Life: w.From.CreatedAt, Seq: w.From.Rev + 1}
	}
	if e.Last {
		k = w.From
	} else {
		e.Forgotten = k.Forgotten()
	}
	e.Subject, e.Owner, e.Changes = k.ID, k.UserID, changes(w.From, w.To, w.At, w.Why)
	next, err := r.addEntry(n, w, head, place, e)
	if err != nil || w.Delete {
		return err
	}
	w.To.Trail = next
	record, err := r.store.Text(w.To, place.Seq)
	if err != nil {
		return err
	}
	w.To.Trail.Seal = n.Seal(k.ID, place, record)
	return nil
}

// sealUser is seal for a user's record.
func (r *Registry) sealUser(n audit.Notary, w *Write, e audit.Entry) (err error) {
	from, to, head := w.User.From, w.User.To, audit.Head{}
	if from != nil {
		head = from.Trail
	}
	e.Subject, e.Owner = apikey.UserSubject(to.ID), to.ID
	e.Changes = differences(visibleUser(from), visibleUser(to))
	if to.Trail, err = r.addEntry(n, w, head, to.Place(), e); err != nil {
		return err
	}
	record, err := r.store.UserText(to)
	if err != nil {
		return err
	}
	to.Trail.Seal = n.Seal(e.Subject, to.Place(), record)
	return nil
}

// sealPlan is seal for a plan.
func (r *Registry) sealPlan(n audit.Notary, w *Write, e audit.Entry) (err error) {
	from, to, head := w.Plan.From, w.Plan.To, audit.Head{}
	if from != nil {
		head = from.Trail
	}
	e.Subject, e.Owner = apikey.PlanSubject(to.Name), apikey.PlansOwner
	e.Changes = differences(visiblePlan(from), visiblePlan(to))
	if to.Trail, err = r.addEntry(n, w, head, to.Place(), e); err != nil {
		return err
	}
	record, err := r.store.PlanText(to)
	if err != nil {
		return err
	}
	to.Trail.Seal = n.Seal(e.Subject, to.Place(), record)
	return nil
}

// addEntry adds to a change the entry e at a place, after the entry that head ends with, and the
// witness of e. It returns the new head.
func (r *Registry) addEntry(
	n audit.Notary, w *Write, head audit.Head, p audit.Place, e audit.Entry,
) (audit.Head, error) {
	sealed, next, witness, err := n.Append(head, p, e, r.options.AuditRetention)
	if err != nil {
		return audit.Head{}, err
	}
	w.Entry, w.Witness = &sealed, &witness
	return next, nil
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
