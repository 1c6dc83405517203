package dynamo_test

import (
	"errors"

	"latchkey/internal/apikey"
)

func isCallersMistake(err error) bool {
	for _, mistake := range []error{apikey.ErrNotFound, apikey.ErrConflict, apikey.ErrTooManyKeys, apikey.ErrInvalid, apikey.ErrForbidden} {
		if errors.Is(err, mistake) {
			return true
		}
	}
	return false
}
