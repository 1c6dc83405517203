package apikey

import (
	"strings"

	"latchkey/internal/audit"
)

// The audit subject of a key is its id, which never has the character #.
const (
	userSubjects = "user#"
	planSubjects = "plan#"
)

// UserSubject returns the audit subject of a user's record.
func UserSubject(userID string) string { return userSubjects + userID }

// PlanSubject returns the audit subject of a plan.
func PlanSubject(name string) string { return planSubjects + name }

// SubjectUser returns the user whose record an audit subject is, and false if it is another's.
func SubjectUser(subject string) (userID string, ok bool) {
	return strings.CutPrefix(subject, userSubjects)
}

// SubjectPlan returns the name of the plan that an audit subject is, and false if it is another's.
func SubjectPlan(subject string) (name string, ok bool) {
	return strings.CutPrefix(subject, planSubjects)
}

// PlansOwner owns the audit entries of plans. No user may have this id.
const PlansOwner = ownUsers + "plans"

// Place returns the place of the last entry of the trail.
func (u *User) Place() audit.Place { return audit.Place{Life: u.Since, Seq: u.Seq} }

// Place returns the place of the last entry of the trail.
func (p *Plan) Place() audit.Place { return audit.Place{Life: p.Since, Seq: p.Seq} }

// AuditSubject returns the audit subject of a user whose stored text is record.
func (u *User) AuditSubject(record []byte) audit.Subject {
	return audit.Subject{ID: UserSubject(u.ID), Place: u.Place(), Head: u.Trail, Record: record}
}

// AuditSubject returns the audit subject of a plan whose stored text is record.
func (p *Plan) AuditSubject(record []byte) audit.Subject {
	return audit.Subject{ID: PlanSubject(p.Name), Place: p.Place(), Head: p.Trail, Record: record}
}
