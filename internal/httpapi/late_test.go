package httpapi_test

import (
	"context"

	"latchkey/internal/apikey"
	"latchkey/internal/registry"
)

// late is a table that changes after its index was read, and before the keys are.
type late struct {
	registry.Store
	then func()
}

func (l *late) List(ctx context.Context, userID string, after registry.Position, limit int) ([]*apikey.Key, error) {
	keys, err := l.Store.List(ctx, userID, after, limit)
	if then := l.then; then != nil {
		l.then = nil
		then()
	}
	return keys, err
}
