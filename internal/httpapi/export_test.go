package httpapi

import "net/http"

// NewWithoutShortcuts is New for a handler that answers every request by huma.
func NewWithoutShortcuts(o Options) http.Handler { return newServer(o).guard() }

var (
	PlainValidate = plainValidate
	TextOfVerdict = textOfVerdict
	TextOfWhoami  = textOfWhoami
	WriteJSON     = writeJSON
)
