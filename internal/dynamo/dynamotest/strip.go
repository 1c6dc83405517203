package dynamotest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
)

// Stripped is a transport that removes a condition from writes. Tests use it to show that something
// goes wrong without the condition.
type Stripped struct {
	Next http.RoundTripper
	// Condition is the beginning of the conditions to remove.
	Condition string
	// Count is the number of conditions that were removed.
	Count atomic.Int64
}

// RoundTrip implements [http.RoundTripper].
func (s *Stripped) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var request map[string]any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&request); err != nil {
		return nil, err
	}
	s.strip(request)
	if items, ok := request["TransactItems"].([]any); ok {
		for _, item := range items {
			for kind, write := range item.(map[string]any) {
				if kind != "ConditionCheck" { // DynamoDB refuses one without a condition
					s.strip(write.(map[string]any))
				}
			}
		}
	}
	if body, err = json.Marshal(request); err != nil {
		return nil, err
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return s.Next.RoundTrip(r)
}

// strip removes the condition of a write. It also removes the names and values that nothing else uses,
// because DynamoDB refuses them.
func (s *Stripped) strip(write map[string]any) {
	condition, _ := write["ConditionExpression"].(string)
	if condition == "" || !strings.HasPrefix(condition, s.Condition) {
		return
	}
	s.Count.Add(1)
	delete(write, "ConditionExpression")
	update, _ := write["UpdateExpression"].(string)
	for _, field := range []string{"ExpressionAttributeNames", "ExpressionAttributeValues"} {
		all, _ := write[field].(map[string]any)
		for name := range all {
			if !strings.Contains(update, name) {
				delete(all, name)
			}
		}
		if len(all) == 0 {
			delete(write, field)
		}
	}
}
