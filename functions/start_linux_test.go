package functions_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/dynamo/dynamotest"
)

// counted counts the operations of DynamoDB and Secrets Manager that it passes on.
type counted struct {
	http.Handler
	mu         sync.Mutex
	operations map[string]int
}

func (c *counted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	c.operations[operation]++
	c.mu.Unlock()
	c.Handler.ServeHTTP(w, r)
}

// The first verdict needs one read of the secret, one read that opens the connection to the table,
// and the operations of the check itself. That does not depend on the source of the trusted roots.
func TestTheFirstVerdictMakesNoOperationTwice(t *testing.T) {
	ca := newAuthority(t)
	table := dynamotest.Options(t)
	token := newKey(t, table.Name, table.Endpoint)
	plain, embedded := build(t, "AuthorizerFunction"), build(t, "AuthorizerFunction", ca.embed(t))
	for name, c := range map[string]struct{ bootstrap, variable string }{
		"a root that the bootstrap contains": {embedded, ""},
		"a root of the system":               {plain, "SSL_CERT_FILE=" + ca.bundle(t)},
		"AWS_CA_BUNDLE":                      {plain, "AWS_CA_BUNDLE=" + ca.bundle(t)},
	} {
		t.Run(name, func(t *testing.T) {
			seen := make(map[string]int)
			dynamo := &counted{Handler: engine(t, table.Endpoint), operations: seen}
			secrets := &counted{Handler: secretsManager(secretText), operations: make(map[string]int)}
			i := start(t, c.bootstrap, "TABLE_NAME="+table.Name, "SECRET_ARN="+secretARN, c.variable,
				"AWS_ENDPOINT_URL_DYNAMODB="+ca.serve(t, dynamo), "AWS_ENDPOINT_URL_SECRETS_MANAGER="+ca.serve(t, secrets))
			a := i.invoke(t, event(t, "authorizer-allow.json", token))
			if a.failed || !strings.Contains(a.text, `"Effect":"Allow"`) {
				t.Fatalf("%+v\n%s", a, i.log(t))
			}
			for operation, n := range secrets.operations {
				seen[operation] = n
			}
			// The queries are the one at the start, the key's and its user's.
			want := map[string]int{"GetSecretValue": 1, "Query": 3, "UpdateItem": 1}
			if diff := cmp.Diff(want, seen); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// late refuses each request until begin is called.
type late struct {
	mu    sync.Mutex
	now   http.Handler
	works http.Handler
}

func (l *late) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	h := l.now
	l.mu.Unlock()
	h.ServeHTTP(w, r)
}

func (l *late) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now = l.works
}

func TestAFunctionThatStartsWithoutSecretOrTableWorksOnceTheyExist(t *testing.T) {
	ca := newAuthority(t)
	table := dynamotest.Options(t)
	token := newKey(t, table.Name, table.Endpoint)
	down := refuse(http.StatusServiceUnavailable, "ServiceUnavailable", "down")
	dynamo := &late{now: down, works: engine(t, table.Endpoint)}
	secrets := &late{now: down, works: secretsManager(secretText)}
	i := start(t, build(t, "AuthorizerFunction"),
		"TABLE_NAME="+table.Name, "SECRET_ARN="+secretARN, "AWS_CA_BUNDLE="+ca.bundle(t),
		"AWS_ENDPOINT_URL_DYNAMODB="+ca.serve(t, dynamo), "AWS_ENDPOINT_URL_SECRETS_MANAGER="+ca.serve(t, secrets))
	for _, step := range []struct {
		begin func()
		want  string
	}{
		{func() {}, "GetSecretValue"}, {secrets.begin, "DynamoDB"}, {dynamo.begin, ""},
	} {
		step.begin()
		a := i.invoke(t, event(t, "authorizer-allow.json", token))
		allowed := strings.Contains(a.text, `"Effect":"Allow"`)
		if allowed != (step.want == "") || !strings.Contains(a.log, step.want) {
			t.Errorf("answered %s\nlog: %s\nwant %q", a.text, a.log, step.want)
		}
	}
}
