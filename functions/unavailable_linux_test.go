package functions_test

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"latchkey/internal/dynamo/dynamotest"
)

// silent reads each request and never answers.
func silent(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // without this, the server does not notice that the client has gone
	<-r.Context().Done()
	panic(http.ErrAbortHandler) // otherwise a client that is just giving up may still read an empty answer
}

// beforeTimeout is less than the timeout of a function, which is 10 s. The bound of a check itself is
// tested in package gate, because here it depends on the load of the machine.
const beforeTimeout = 8 * time.Second

// A function starts even if it cannot read its secret or its table. It answers every request
// "unavailable" before its timeout, and logs one line for it without a secret.
func TestWithoutSecretOrTableEveryRequestIsUnavailable(t *testing.T) {
	ca, stranger := newAuthority(t), newAuthority(t)
	table := dynamotest.Options(t)
	token := newKey(t, table.Name, table.Endpoint)
	create := strings.ReplaceAll(string(read(t, "keys-create.json")), "0000000000000000", token[len("sk_live_"):][:16])
	functions := map[string]struct {
		bootstrap   string
		event       []byte
		unavailable func(answer) bool
	}{
		"authorizer": {build(t, "AuthorizerFunction"), event(t, "authorizer-allow.json", token), func(a answer) bool {
			return a.failed && strings.Contains(a.text, `"errorMessage":"unavailable`) &&
				!strings.Contains(a.text, "Unauthorized")
		}},
		"validate": {build(t, "ValidateFunction"), event(t, "keys-validate.json", token), unavailable},
		"keys":     {build(t, "KeysFunction"), []byte(create), unavailable},
	}
	const closed = "https://127.0.0.1:1"
	works, answers := ca.serve(t, engine(t, table.Endpoint)), ca.serve(t, secretsManager(secretText))
	silence := ca.serve(t, http.HandlerFunc(silent))
	slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(700 * time.Millisecond)
		secretsManager(secretText).ServeHTTP(w, r)
	})
	denied := func(action string) string {
		const user = "User: arn:aws:sts::123456789012:assumed-role/r/f"
		return ca.serve(t, refuse(400, "AccessDeniedException", user+" is not authorized to perform: "+action))
	}
	for name, c := range map[string]struct {
		secrets, dynamo string
		variables       []string
		log             []string // words that the log line must contain
	}{
		"no secret": {ca.serve(t, refuse(400, "ResourceNotFoundException", "Secrets Manager can't find the specified secret.")), works, nil,
			[]string{"GetSecretValue", "ResourceNotFoundException"}},
		"secret not allowed":          {denied("secretsmanager:GetSecretValue"), works, nil, []string{"GetSecretValue", "AccessDeniedException"}},
		"secret is no JSON":           {ca.serve(t, secretsManager(canary)), works, nil, []string{"secret is not JSON"}},
		"secret is of another form":   {ca.serve(t, secretsManager(`{"master":["`+canary+`"]}`)), works, nil, []string{"secret is not JSON of the form"}},
		"secret is too short":         {ca.serve(t, secretsManager(`{"master":"`+canary+`"}`)), works, nil, []string{"master"}},
		"Secrets Manager is down":     {closed, works, nil, []string{"GetSecretValue", "refused"}},
		"Secrets Manager is silent":   {silence, works, nil, []string{"GetSecretValue"}},
		"a late secret, then silence": {ca.serve(t, slow), silence, nil, []string{"DynamoDB"}},
		"no table":                    {answers, works, []string{"TABLE_NAME=another"}, []string{"DynamoDB", "ResourceNotFoundException"}},
		"table not allowed":           {answers, denied("dynamodb:Query"), nil, []string{"dynamodb:Query", "AccessDeniedException"}},
		"DynamoDB is down":            {answers, closed, nil, []string{"DynamoDB", "refused"}},
		"DynamoDB is silent":          {answers, silence, nil, []string{"DynamoDB"}},
		"nothing answers":             {silence, silence, nil, []string{"operation error"}},
		// If there is a bundle, only the bundle is trusted, and no root of the system.
		"DynamoDB of unknown origin": {answers, stranger.serve(t, engine(t, table.Endpoint)), []string{"SSL_CERT_FILE=" + stranger.bundle(t)},
			[]string{"DynamoDB", "certificate"}},
	} {
		for function, f := range functions {
			t.Run(function+"/"+name, func(t *testing.T) {
				t.Parallel()
				i := start(t, f.bootstrap, append([]string{
					"TABLE_NAME=" + table.Name, "SECRET_ARN=" + secretARN, "AWS_CA_BUNDLE=" + ca.bundle(t),
					"AWS_ENDPOINT_URL_DYNAMODB=" + c.dynamo, "AWS_ENDPOINT_URL_SECRETS_MANAGER=" + c.secrets,
				}, c.variables...)...)
				requests := 2
				if c.secrets == silence || c.dynamo == silence {
					requests = 1 // each of them runs into a timeout
				}
				for n := range requests {
					begun := time.Now()
					a := i.invoke(t, f.event)
					if !f.unavailable(a) {
						t.Errorf("answered %s", a.text)
					}
					if took := a.at.Sub(begun); took > beforeTimeout {
						t.Errorf("request %d took %v", n+1, took)
					}
					oneClearLine(t, a.log, requestID(n+1), c.log)
				}
				if log := i.log(t); strings.Contains(log, canary) || strings.Contains(log, token[len("sk_live_")+16:]) {
					t.Errorf("a secret is in the log:\n%s", log)
				}
			})
		}
	}
}

func unavailable(a answer) bool {
	return !a.failed && strings.Contains(a.text, `"statusCode":503`) &&
		strings.Contains(a.text, `\"code\":\"unavailable\"`)
}

// oneClearLine checks that a function logged one error line for a request, which contains the
// words.
func oneClearLine(t *testing.T, log, request string, words []string) {
	t.Helper()
	// The lines of metrics are not counted.
	isMetric := func(line string) bool { return strings.Contains(line, `"_aws":{`) }
	log = strings.Join(slices.DeleteFunc(strings.SplitAfter(log, "\n"), isMetric), "")
	var line struct{ Level, RequestID, Code, Error string }
	if strings.Count(log, "\n") != 1 || json.Unmarshal([]byte(log), &line) != nil {
		t.Fatalf("not one line of JSON:\n%s", log)
	}
	if line.Level != "ERROR" || line.RequestID != request || line.Code != "unavailable" {
		t.Errorf("the line is not of this request: %s", log)
	}
	for _, word := range words {
		if !strings.Contains(line.Error, word) {
			t.Errorf("the line does not say %q: %s", word, log)
		}
	}
}

// With a wrong variable, the function does not start. It logs one line with the name of the
// variable.
func TestAFunctionNamesAWrongVariableAndDoesNotStart(t *testing.T) {
	bootstrap := build(t, "AuthorizerFunction")
	for variable, value := range map[string]string{
		"TABLE_NAME": "", "FRESHNESS": "soon", "ACCEPT_ENVIRONMENTS": "live,,test", "KEY_PREFIX": "sk_", "ROUTE_SCOPES": "GET /x",
		"TRUSTED_PROXY_HOPS": "many", "QUERY_API_KEY": "maybe", "AWS_CA_BUNDLE": "/nowhere", "AWS_USE_FIPS_ENDPOINT": "perhaps",
	} {
		i := start(t, bootstrap, "TABLE_NAME=t", "SECRET_ARN="+secretARN, variable+"="+value)
		select {
		case <-i.exited:
		case <-time.After(10 * time.Second):
			t.Fatalf("%s=%q: the function runs", variable, value)
		}
		if log := i.log(t); i.status == nil || strings.Count(log, "\n") != 1 || !strings.Contains(log, variable) {
			t.Errorf("%s=%q: %v\n%s", variable, value, i.status, log)
		}
	}
}
