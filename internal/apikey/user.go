package apikey

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// OwnUser owns the admin keys that latchkey makes for itself. [CheckUserID] refuses it, so no
// `sub` of a JWT and no userId of a request can be this user. Only a key of OwnUser makes more
// keys for OwnUser.
const OwnUser = ownUsers + "admin"

// ownUsers begins the ids of users that latchkey keeps for itself.
const ownUsers = "latchkey:"

// AnonymousUser is the user that a backend sees on a route without a key. It never owns a key.
const AnonymousUser = "anonymous"

// formerOwnUser owned latchkey's admin keys in earlier versions, and still owns those.
const formerOwnUser = "admin"

// ReservedUserID reports whether id, in any case of its letters, is one that no user may have.
func ReservedUserID(id string) bool {
	return strings.EqualFold(id, AnonymousUser) || beginsWith(id, ownUsers)
}

// ReservedSubject reports whether id, in any case of its letters, is one that no user may have
// who proves it with a JWT: it is reserved, is a team, or owns the admin keys of earlier versions.
func ReservedSubject(id string) bool {
	return ReservedUserID(id) || strings.EqualFold(id, formerOwnUser) || beginsWith(id, teams)
}

// teams begins the ids of teams. A team owns keys as a user does, and the members of its group act
// for it.
const teams = "team:"

// Team returns the user id of the team of a group.
func Team(group string) string { return teams + group }

// TeamOf returns the group whose team has the user id. It reports whether id is a team's.
func TeamOf(id string) (group string, ok bool) { return strings.CutPrefix(id, teams) }

// beginsWith reports whether id begins with an ASCII prefix, in any case of its letters.
func beginsWith(id, prefix string) bool {
	return len(id) >= len(prefix) && strings.EqualFold(id[:len(prefix)], prefix)
}

// CheckUserID returns an error if no key may be made for the user id.
func CheckUserID(id string) error {
	if id == "" || strings.TrimSpace(id) != id || utf8.RuneCountInString(id) > MaxUserID || !Legible(id) {
		return Invalid("userId", "must be 1 to %d characters without space around them, "+
			"and without control, formatting or invisible characters", MaxUserID)
	}
	if ReservedUserID(id) {
		return Invalid("userId", "must not be anonymous or begin with \"latchkey:\": these are reserved, so choose another")
	}
	return nil
}

// CheckOwner returns an error if no stored key can belong to the user id. It accepts more than
// [CheckUserID]: keys of [OwnUser], and of users whose ids earlier versions have accepted, must
// be found, listed and revoked.
func CheckOwner(id string) error {
	if id == "" || strings.TrimSpace(id) != id || utf8.RuneCountInString(id) > MaxUserID ||
		!utf8.ValidString(id) || strings.ContainsFunc(id, unicode.IsControl) {
		return Invalid("userId", "must be 1 to %d characters without control characters or space around it", MaxUserID)
	}
	return nil
}

// Legible reports whether text is valid UTF-8 and has visible characters only: letters, marks,
// numbers, punctuation, symbols and spaces. It refuses control characters, line separators,
// formatting characters (which reorder or hide text), and private, surrogate and unassigned code
// points. It also refuses the letters, marks and symbols that are invisible. It accepts a variation
// selector only where that changes a character: after a symbol or a Chinese character, and before
// the frame of a keycap.
func Legible(text string) bool {
	if !utf8.ValidString(text) {
		return false
	}
	runes := []rune(text)
	for i, r := range runes {
		switch {
		case unicode.Is(unicode.Variation_Selector, r):
			varies := i > 0 && unicode.In(runes[i-1], unicode.S, unicode.Han)
			if framed := i+1 < len(runes) && runes[i+1] == keycap; !varies && !framed {
				return false
			}
		case !unicode.IsGraphic(r) || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) || r == brailleBlank:
			return false
		}
	}
	return true
}

const (
	keycap       = '\u20e3'
	brailleBlank = '\u2800' // a symbol that is invisible
)

// The zero width joiners of Persian and Indic words and of emoji.
const (
	nonJoiner = '\u200c'
	joiner    = '\u200d'
)

// LegibleName reports whether text is [Legible], except that it may have a zero width joiner or
// non-joiner between two other characters, where scripts and emoji need it, and a variation
// selector after any character.
func LegibleName(text string) bool {
	inside := false // whether the character before is no joiner
	bare := strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Variation_Selector, r) && inside:
			return -1
		case (r == joiner || r == nonJoiner) && inside:
			inside = false
			return -1
		}
		inside = true
		return r
	}, text)
	return utf8.ValidString(text) && Legible(bare) && (text == "" || inside)
}
