package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v3"

	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/leaks/leakstest"
	"latchkey/internal/local/sam"
)

// grant is an IAM action of a function on a resource, by the resource's name in the template. The
// function may perform it, or has performed it.
type grant struct{ function, action, resource string }

func (g grant) String() string { return g.function + " " + g.action + " on " + g.resource }

// implied are actions without a request of ours. AWS performs them for a request to the table or to
// the secret.
var implied = map[string]bool{"kms:Decrypt": true}

// excess lists the actions that the roles do not allow, and those that no function needs.
func excess(allowed, performed map[grant]bool) []string {
	var found []string
	for g := range performed {
		if !allowed[g] {
			found = append(found, "not allowed: "+g.String())
		}
	}
	for g := range allowed {
		if !performed[g] && !implied[g.action] {
			found = append(found, "never needed: "+g.String())
		}
	}
	slices.Sort(found)
	return found
}

// roles reads the actions that each function's role allows, without those for logs. Everything that
// it does not understand is an error, because such a role could allow anything.
func roles(template []byte) (map[grant]bool, error) {
	var document struct {
		Resources map[string]struct {
			Type       string `yaml:"Type"`
			Properties struct {
				Role     yaml.Node `yaml:"Role"`
				Policies yaml.Node `yaml:"Policies"`
			} `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(template, &document); err != nil {
		return nil, err
	}
	allowed := make(map[grant]bool)
	for id, r := range document.Resources {
		if r.Type != "AWS::Serverless::Function" {
			continue
		}
		if !r.Properties.Role.IsZero() || r.Properties.Policies.IsZero() {
			return nil, fmt.Errorf("%s has no role of its own with inline statements", id)
		}
		for _, p := range many(&r.Properties.Policies) {
			statements := lookup(p, "Statement")
			if statements == nil {
				return nil, fmt.Errorf("%s: line %d is no inline policy", id, p.Line)
			}
			for _, s := range many(statements) {
				if err := readStatement(s, id, allowed); err != nil {
					return nil, fmt.Errorf("%s: line %d: %w", id, s.Line, err)
				}
			}
		}
	}
	return allowed, nil
}

func readStatement(s *yaml.Node, id string, allowed map[grant]bool) error {
	effect, actions, resources := lookup(s, "Effect"), lookup(s, "Action"), lookup(s, "Resource")
	if effect == nil || effect.Value != "Allow" || actions == nil || resources == nil {
		return errors.New("is not a statement that allows an Action on a Resource")
	}
	for _, action := range many(actions) {
		for _, resource := range many(resources) {
			// A table and a secret that were there get the rights of the stack's own, as other tests check.
			if strings.Contains(named(resource), "Existing") {
				continue
			}
			allowed[grant{id, action.Value, named(resource)}] = true
		}
	}
	return nil
}

// many returns the items of a list, or a single item. For a condition it returns the items of both
// sides, because a role must be right in both cases.
func many(n *yaml.Node) []*yaml.Node {
	var all []*yaml.Node
	switch {
	case n.Tag == "!If":
		for _, side := range n.Content[1:] {
			all = append(all, many(side)...)
		}
	case n.Tag == "!Ref" && n.Value == "AWS::NoValue":
	case n.Kind == yaml.SequenceNode && !strings.HasPrefix(n.Tag, "!G"):
		for _, item := range n.Content {
			all = append(all, many(item)...)
		}
	default:
		all = append(all, n)
	}
	return all
}

func lookup(n *yaml.Node, key string) *yaml.Node {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// named returns the name of a resource in the template, such as Table or Table/index/by-user.
func named(n *yaml.Node) string {
	text := n.Value
	for _, part := range n.Content {
		text += "." + part.Value
	}
	text = strings.TrimPrefix(text, ".")
	switch n.Tag {
	case "!GetAtt":
		return strings.TrimSuffix(text, ".Arn")
	case "!Sub":
		return regexp.MustCompile(`\$\{([A-Za-z0-9]+)(\.Arn)?\}`).ReplaceAllString(text, "$1")
	}
	return text
}

// recorder is a proxy in front of DynamoDB and Secrets Manager. It records the IAM actions of each
// function.
type recorder struct {
	t         testing.TB
	mu        sync.Mutex
	performed map[grant]bool
}

const secretARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:latchkey-AbCdEf"

var caller = regexp.MustCompile(`(?:^| )app/(\S+)`)

// before returns the URL of to, behind the recorder.
func (r *recorder) before(to http.Handler) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			r.t.Error(err)
		}
		request.Body = io.NopCloser(bytes.NewReader(body))
		// Requests without a name are the local stack's own, which creates the table and the admin
		// key.
		if app := caller.FindStringSubmatch(request.UserAgent()); app != nil {
			r.note(strings.ToUpper(app[1][:1])+app[1][1:]+"Function", request.Header.Get("X-Amz-Target"), body)
		}
		to.ServeHTTP(w, request)
	}))
	r.t.Cleanup(server.Close)
	return server.URL
}

func (r *recorder) note(function, target string, body []byte) {
	var in struct {
		TableName, IndexName, SecretId string
		RequestItems                   map[string]any
		TransactItems                  []map[string]struct{ TableName string }
	}
	if err := json.Unmarshal(body, &in); err != nil {
		r.t.Errorf("%s: %v", target, err)
	}
	service, operation, _ := strings.Cut(target, ".")
	service = map[string]string{"DynamoDB_20120810": "dynamodb", "secretsmanager": "secretsmanager"}[service]
	note := func(operation, on string) {
		resource := map[string]string{localTable: "Table", secretARN: "Secret"}[on]
		if in.IndexName != "" {
			resource += "/index/" + in.IndexName
		}
		r.performed[grant{function, service + ":" + operation, resource}] = true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case len(in.TransactItems) > 0: // needs the permission for the action of each part
		for _, item := range in.TransactItems {
			for part, of := range item {
				note(map[string]string{
					"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem", "Get": "GetItem",
				}[part], of.TableName)
			}
		}
	case len(in.RequestItems) > 0:
		for table := range in.RequestItems {
			note(operation, table)
		}
	default:
		note(operation, in.TableName+in.SecretId)
	}
}

func proxyTo(t testing.TB, endpoint string) http.Handler {
	t.Helper()
	to, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	return httputil.NewSingleHostReverseProxy(to)
}

// secretsManager answers GetSecretValue for secretARN.
func secretsManager(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if r.Header.Get("X-Amz-Target") != "secretsmanager.GetSecretValue" {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"__type":"InvalidRequestException"}`)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]string{
		"ARN": secretARN, "Name": "latchkey", "SecretString": `{"master":"` + strings.Repeat("m", 64) + `","peppers":[]}`,
	})
}

// The test calls every route for every kind of answer, and records all requests of the functions to
// AWS. A role must allow exactly these.
func TestEachRoleAllowsOnlyTheActionsOfItsFunction(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long and runs one step after another")
	}
	endpoint, giveBack := dynamotest.Lend(t, localTable)
	t.Cleanup(giveBack)
	r := &recorder{t: t, performed: make(map[grant]bool)}
	scanner, signs := leakstest.New(t, "k1")
	s := start(t, t.TempDir(), "LEAK_KEYS_URL="+scanner.URL, "FRESHNESS=0", "MAX_KEYS_PER_USER=1", "ROOT_KEY=an-admin-key-of-my-own", "LOG_LEVEL=ERROR",
		"DYNAMODB_ENDPOINT="+r.before(proxyTo(t, endpoint)),
		"AWS_ENDPOINT_URL_SECRETS_MANAGER="+r.before(http.HandlerFunc(secretsManager)), "SECRET_ARN="+secretARN,
		"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test")
	path := filepath.Join(dynamotest.Root(), "template.yaml")
	s.exercise(t, path, func(report string) string { return leakstest.Sign(t, signs, report) })

	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	allowed, err := roles(text)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.performed) < 10 {
		t.Errorf("only %d actions were recorded: %v", len(r.performed), r.performed)
	}
	for _, problem := range excess(allowed, r.performed) {
		t.Error(problem)
	}
	eachChangeOfARoleIsFound(t, string(text), r.performed)
}

// eachChangeOfARoleIsFound removes each action from each role and adds others. excess must find
// each change.
func eachChangeOfARoleIsFound(t *testing.T, template string, performed map[grant]bool) {
	t.Helper()
	lines := strings.SplitAfter(template, "\n")
	for i, line := range lines {
		action := regexp.MustCompile(`(dynamodb|secretsmanager):\w+`).FindString(line)
		if action == "" {
			continue
		}
		for _, c := range []struct{ change, with, says string }{
			{"without " + action, strings.Replace(line, action, "s3:GetObject", 1), "not allowed: "},
			{"with one more action", strings.Replace(line, action, "["+action+", dynamodb:PartiQLSelect]", 1), "never needed: "},
			{"with all actions", strings.Replace(line, action, "dynamodb:*", 1), "never needed: "},
		} {
			changed := slices.Clone(lines)
			changed[i] = c.with
			if strings.HasPrefix(strings.TrimSpace(line), "- ") && strings.Contains(c.with, "[") {
				changed[i] = line + strings.Replace(line, action, "dynamodb:PartiQLSelect", 1)
			}
			allowed, err := roles([]byte(strings.Join(changed, "")))
			if err != nil {
				t.Errorf("line %d %s: %v", i+1, c.change, err)
			}
			if !slices.ContainsFunc(excess(allowed, performed), func(p string) bool { return strings.HasPrefix(p, c.says) }) {
				t.Errorf("line %d %s: %q is not found", i+1, c.change, c.says)
			}
		}
	}
	for _, c := range []struct{ old, new string }{
		{"Resource: !If [MakesTable, !GetAtt Table.Arn,", "Resource: !If [MakesTable, \"*\","},
		{"/index/by-user", "/index/*"},
		{"Effect: Allow", "Effect: Deny"},
		{"      Policies:\n", "      Policies:\n        - AmazonDynamoDBFullAccess\n"},
		{"      Policies:\n", "      Role: !GetAtt Shared.Arn\n      Policies:\n"},
		{"Resource: !If [MakesSecret", "NotResource: !If [MakesSecret"},
	} {
		changed := strings.Replace(template, c.old, c.new, 1)
		allowed, err := roles([]byte(changed))
		if changed == template || err == nil && len(excess(allowed, performed)) == 0 {
			t.Errorf("%s in place of %s is not found", c.new, c.old)
		}
	}
}

// exercise calls every route for each kind of answer that needs other actions of a function. sign returns
// the signature of a report of leaked keys by the public key k1.
func (s *stack) exercise(t testing.TB, path string, sign func(report string) string) {
	t.Helper()
	template, err := sam.Load(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	literal, asked := make(map[string]bool), make(map[string]bool)
	for _, r := range template.Routes {
		literal[r.Method+" "+r.Path] = true
	}
	id := regexp.MustCompile(`^(/api/v1/api-keys/)[^/]+`)
	user := regexp.MustCompile(`^(/api/v1/users/)[^/]+`)
	plan := regexp.MustCompile(`^(/api/v1/plans/)[^/]+`)
	pages := strings.NewReplacer("/console/index.html", "/console/{file+}", "/docs/index.html", "/docs/{page+}", "/authorize/x", "/authorize/{proxy+}", "/console/", "/console", "/docs/", "/docs")
	send := func(status int, method, path, body, token string) answer {
		t.Helper()
		route, _, _ := strings.Cut(path, "?")
		if !literal[method+" "+route] {
			route = user.ReplaceAllString(id.ReplaceAllString(route, "$1{id}"), "$1{userId}")
			route = pages.Replace(plan.ReplaceAllString(route, "$1{name}"))
		}
		asked[method+" "+route] = true
		if head := "HEAD " + route; method == "GET" && status == 200 && (token == "" || token == s.root) && !asked[head] {
			asked[head] = true
			if a := s.send(t, "HEAD", path, "", "X-API-Key: "+token); a.status != 200 || a.text != "" {
				t.Errorf("HEAD %s: %d %q", path, a.status, a.text)
			}
		}
		a := s.send(t, method, path, body, "X-API-Key: "+token)
		if a.status != status {
			t.Errorf("%s %s %s: %d %s, want %d", method, path, body, a.status, a.text, status)
		}
		return a
	}
	const keys = "/api/v1/api-keys"
	create := func(status int, token, body string) (id, made string) {
		t.Helper()
		a := send(status, "POST", keys, body, token)
		id, _ = a.json["id"].(string)
		made, _ = a.json["key"].(string)
		return id, made
	}

	for _, prefix := range []string{"", "/latchkey"} {
		send(200, "GET", prefix+"/health", "", "")
		send(200, "GET", prefix+"/openapi.json", "", "")
		send(200, "GET", prefix+"/.well-known/jwks.json", "", "")
		for _, folder := range []string{prefix + "/console", prefix + "/docs"} {
			send(200, "GET", folder, "", "") // the client follows the redirect
			send(200, "GET", folder+"/", "", "")
			send(200, "GET", folder+"/index.html", "", "")
		}
	}
	send(200, "GET", "/api/v1/whoami", "", s.root)
	for _, token := range []string{"", "x", "a-foreign-token-of-nobody", s.root[1:]} {
		send(401, "GET", "/api/v1/whoami", "", token)
	}

	owner, ownerToken := create(201, s.root, `{"userId":"u1","scopes":["keys:write","keys:read"],"quota":{"requests":1000,"period":"day"}}`)
	create(409, ownerToken, `{}`) // the user has the largest number of keys, so they are counted again
	send(200, "GET", keys, "", ownerToken)
	send(200, "GET", keys+"/stats?userId=u1", "", s.root)
	send(200, "GET", keys+"/"+owner+"/usage", "", s.root)
	send(200, "GET", "/api/v1/usage", "", s.root)
	send(200, "GET", keys+"/"+owner+"/audit", "", s.root)
	send(200, "GET", "/api/v1/audit?userId=u1", "", s.root)
	send(200, "POST", keys+"/"+owner+"/explain", `{"method":"GET","path":"/x"}`, s.root)
	send(200, "POST", keys+"/lookup", `{"key":"`+ownerToken+`"}`, s.root)
	rotating, rotatingToken := create(201, s.root, `{"userId":"u9"}`)
	send(200, "POST", keys+"/"+rotating+"/rotate", `{"gracePeriod":60}`, s.root)
	send(200, "POST", keys+"/"+rotating+"/end-grace", "", s.root)
	send(200, "POST", keys+"/"+rotating+"/rotate", `{"gracePeriod":60}`, s.root)
	send(202, "POST", keys+"/revoke-by-token", `{"key":"`+rotatingToken+`"}`, "")
	send(200, "POST", "/api/v1/users/u9/revoke-keys", "", s.root)
	_, leaked := create(201, s.root, `{"userId":"u10"}`)
	report := `[{"token":"` + leaked + `"},{"token":"a-foreign-token-of-nobody"}]`
	signed := []string{"Github-Public-Key-Identifier: k1", "Github-Public-Key-Signature: " + sign(report)}
	if a := s.send(t, "POST", "/api/v1/leaks/github", report, signed...); a.status != 200 || !strings.Contains(a.text, "true_positive") {
		t.Errorf("a report of leaks: %d %s", a.status, a.text)
	}
	asked["POST /api/v1/leaks/github"] = true
	send(200, "GET", keys+"?userId=u1&status=active", "", s.root)
	send(200, "GET", keys+"?userId=*&sort=spent", "", s.root)
	send(200, "GET", "/api/v1/audit?userId=*&action=create", "", s.root)
	s.exercisePeople(send, owner)
	send(200, "GET", keys+"/"+owner, "", s.root)
	send(404, "GET", keys+"/0000000000000000", "", s.root)
	send(200, "PATCH", keys+"/"+owner, `{"name":"other"}`, s.root)
	send(400, "PATCH", keys+"/"+owner, `{}`, s.root)

	small, smallToken := create(201, s.root, `{"rateLimit":{"requests":1,"window":10}}`)
	for _, status := range []int{200, 429, 429} {
		send(status, "GET", "/api/v1/whoami", "", smallToken)
	}
	_, endless := create(201, s.root, `{"unlimited":true}`)
	_, spare := create(201, s.root, `{}`)
	for _, token := range []string{smallToken, endless, spare, "a-foreign-token-of-nobody", s.root} {
		for _, cost := range []string{"0", "1", "1"} {
			send(200, "POST", keys+"/validate", `{"apiKey":"`+token+`","cost":`+cost+`}`, "")
		}
	}
	send(200, "GET", "/api/v1/whoami", "", endless)
	for _, method := range []string{"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"} {
		send(400, method, "/api/v1/authorize", "", spare)
		send(200, method, "/api/v1/authorize/x", "", spare)
		send(429, method, "/api/v1/authorize/x", "", smallToken)
	}

	send(200, "POST", keys+"/"+small+"/revoke", "", s.root)
	send(200, "POST", keys+"/"+small+"/revoke", "", s.root)
	send(409, "PATCH", keys+"/"+small, `{"name":"other"}`, s.root)
	send(401, "GET", "/api/v1/whoami", "", smallToken)
	send(204, "DELETE", keys+"/"+small, "", s.root)
	send(204, "DELETE", keys+"/"+owner, "", s.root)
	send(404, "DELETE", keys+"/"+owner, "", s.root)

	for _, r := range template.Routes {
		if !asked[r.Method+" "+r.Path] {
			t.Errorf("no request for %s %s", r.Method, r.Path)
		}
	}
}

// exercisePeople calls every route for users, plans and credits, with a key of the user u1.
func (s *stack) exercisePeople(send func(status int, method, path, body, token string) answer, id string) {
	const keys, users, plans = "/api/v1/api-keys", "/api/v1/users", "/api/v1/plans"
	pro := `{"key":{"limits":[{"amount":10,"window":1}]},"user":{"limits":[{"amount":1000,"window":60}]}}`
	for range 2 { // new, and again
		send(200, "PUT", plans+"/pro", pro, s.root)
		send(200, "PATCH", users+"/u1", `{"plan":"pro","quota":{"requests":1000,"period":"lifetime"}}`, s.root)
		send(200, "PUT", users+"/u2", `{"suspended":true}`, s.root)
		send(200, "POST", users+"/u1/credits", `{"add":5}`, s.root)
	}
	send(200, "GET", plans, "", s.root)
	send(200, "GET", plans+"/pro", "", s.root)
	send(404, "GET", plans+"/none", "", s.root)
	send(200, "GET", plans+"/pro/stats", "", s.root)
	send(200, "GET", users, "", s.root)
	send(200, "GET", users+"/u1", "", s.root)
	moved := send(201, "POST", keys, `{"userId":"u7","plan":"pro","quota":{"requests":1000,"period":"lifetime"},"limits":[{"amount":100,"window":3600}]}`, s.root)
	moving, token := keys+"/"+moved.json["id"].(string), moved.json["key"].(string)
	send(200, "GET", "/api/v1/whoami", "", token)
	send(200, "POST", moving+"/credits", `{"add":5}`, s.root)
	send(200, "GET", "/api/v1/whoami", "", token)
	send(200, "POST", keys+"/validate", `{"apiKey":"`+token+`","cost":1}`, "")
	send(200, "PATCH", moving, `{"userId":"u8"}`, s.root)
	send(200, "GET", "/api/v1/whoami", "", token)
	send(204, "DELETE", moving, "", s.root)
	send(200, "GET", keys+"/"+id, "", s.root)
}
