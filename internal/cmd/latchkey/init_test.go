package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"latchkey/internal/dynamo/dynamotest"
)

// cloudFormation answers DescribeStacks for the stack name, or auth if that is empty, with these
// outputs and parameters.
type cloudFormation struct {
	name                string
	outputs, parameters map[string]string
}

func (c cloudFormation) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	list := func(tag, key, value string, of map[string]string) string {
		var text strings.Builder
		for _, name := range slices.Sorted(maps.Keys(of)) {
			fmt.Fprintf(&text, "<member><%s>%s</%s><%s>%s</%s></member>", key, name, key, value, of[name], value)
		}
		return "<" + tag + ">" + text.String() + "</" + tag + ">"
	}
	if r.PostFormValue("Action") == "ListStackResources" {
		denied(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/xml")
	if r.PostFormValue("Action") != "DescribeStacks" || r.PostFormValue("StackName") != cmp.Or(c.name, "auth") {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code>`+
			`<Message>Stack with id %s does not exist</Message></Error><RequestId>1</RequestId></ErrorResponse>`, r.PostFormValue("StackName"))
		return
	}
	fmt.Fprint(w, `<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeStacksResult><Stacks><member>`+
		`<StackName>auth</StackName><CreationTime>2026-11-24T00:00:00Z</CreationTime><StackStatus>CREATE_COMPLETE</StackStatus>`,
		list("Outputs", "OutputKey", "OutputValue", c.outputs), list("Parameters", "ParameterKey", "ParameterValue", c.parameters),
		`</member></Stacks></DescribeStacksResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></DescribeStacksResponse>`)
}

// denied answers as AWS does without a permission.
func denied(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	if strings.Contains(r.URL.Path, "account-settings") { // of Lambda
		w.Header().Set("X-Amzn-ErrorType", "AccessDeniedException")
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"Message":"You may not"}`)
		return
	}
	if r.Header.Get("X-Amz-Target") == "" {
		w.Header().Set("Content-Type", "text/xml")
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `<ErrorResponse><Error><Code>AccessDenied</Code><Message>You may not</Message></Error></ErrorResponse>`)
		return
	}
	w.WriteHeader(http.StatusBadRequest)
	_, _ = io.WriteString(w, `{"__type":"AccessDeniedException","Message":"You may not"}`)
}

// written counts the requests that write to a table.
type written struct {
	http.Handler
	n atomic.Int64
}

func (w *written) ServeHTTP(to http.ResponseWriter, r *http.Request) {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if !slices.Contains([]string{"Query", "GetItem"}, operation) {
		w.n.Add(1)
	}
	w.Handler.ServeHTTP(to, r)
}

func TestInitMakesTheFirstKeyOfADeployedStack(t *testing.T) {
	endpoint, giveBack := dynamotest.Lend(t, localTable)
	t.Cleanup(giveBack)
	serve := func(h http.Handler) string {
		server := httptest.NewServer(h)
		t.Cleanup(server.Close)
		return server.URL
	}
	few := `{"AccountLimit":{"ConcurrentExecutions":10}}`
	quota := serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if few == "" {
			denied(w, r)
			return
		}
		_, _ = io.WriteString(w, few)
	}))
	secrets, table := serve(http.HandlerFunc(secretsManager)), &written{Handler: proxyTo(t, endpoint)}
	tableURL := serve(table)
	aws := []string{"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=canary-of-the-operator"}
	functions := start(t, t.TempDir(), append(aws, "DYNAMODB_ENDPOINT="+endpoint,
		"AWS_ENDPOINT_URL_SECRETS_MANAGER="+secrets, "SECRET_ARN="+secretARN, "KEY_PREFIX=acme", "ACCEPT_ENVIRONMENTS=test")...)

	complete := func(change ...string) cloudFormation {
		c := cloudFormation{
			outputs:    map[string]string{"ApiUrl": "https://example.com/prod", "TableName": localTable, "SecretArn": secretARN},
			parameters: map[string]string{"KeyPrefix": "acme", "AcceptEnvironments": "test", "Freshness": "1s", "LogLevel": "INFO", "AuditDays": "30"},
		}
		for _, name := range change {
			delete(c.outputs, name)
			delete(c.parameters, name)
		}
		return c
	}
	const ours = "acme_test_"
	run := func(c http.Handler, variables ...string) (out, talk string, code int) {
		t.Helper()
		stack := "auth"
		environment := append(slices.Clone(aws), "AWS_ENDPOINT_URL_CLOUDFORMATION="+serve(c),
			"AWS_ENDPOINT_URL_SECRETS_MANAGER="+secrets, "AWS_ENDPOINT_URL_DYNAMODB="+tableURL, "AWS_EC2_METADATA_DISABLED=true",
			"AWS_ENDPOINT_URL_LAMBDA="+quota)
		for _, v := range variables {
			if name, found := strings.CutPrefix(v, "--stack="); found {
				stack = name
			} else {
				environment = append(environment, v)
			}
		}
		program := command(t, environment, "init", "--stack", stack)
		var stdout, stderr bytes.Buffer
		program.Stdout, program.Stderr = &stdout, &stderr
		err := program.Run()
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			code = exit.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if all := stdout.String() + stderr.String(); strings.Contains(all, "canary") || strings.Contains(all, strings.Repeat("m", 16)) {
			t.Errorf("a secret is printed: %s", all)
		}
		return stdout.String(), stderr.String(), code
	}

	out, talk, code := run(complete(), "LATCHKEY_SECRET=another", "FRESHNESS=nonsense", "KEY_PREFIX=acme")
	token := strings.TrimSuffix(out, "\n")
	if code != 0 || !strings.HasPrefix(token, ours) || strings.ContainsAny(token, " \n") || strings.Contains(talk, token) {
		t.Fatalf("init --stack: exit code %d, %q, %q", code, out, talk)
	}
	if !strings.Contains(talk, "may run 10 functions at once in us-east-1") || !strings.Contains(talk, "request-service-quota-increase") {
		t.Errorf("it does not say how few functions may run at once: %q", talk)
	}
	few = ""
	if _, talk, code := run(complete()); code != 0 || !strings.Contains(talk, "could not be read") {
		t.Errorf("without the right to read the quota: exit code %d, %q", code, talk)
	}
	few = `{"AccountLimit":{"ConcurrentExecutions":1000}}`
	if _, talk, code := run(complete()); code != 0 || !strings.Contains(talk, "may run 1000 functions") || strings.Contains(talk, "increase") {
		t.Errorf("with a quota of 1000: exit code %d, %q", code, talk)
	}
	if a := functions.whoami(t, token); a.status != 200 || a.json["userId"] != "latchkey:admin" || a.json["unlimited"] != true {
		t.Errorf("its key: %d %s", a.status, a.text)
	}
	if a := functions.send(t, "POST", "/api/v1/api-keys", `{"userId":"u1","unlimited":true}`, "X-API-Key: "+token); a.status != 201 {
		t.Errorf("its key creates: %d %s", a.status, a.text)
	}
	if table.n.Load() == 0 {
		t.Error("no write was noted")
	}
	a := functions.send(t, "GET", "/api/v1/audit", "", "X-API-Key: "+token)
	if !strings.Contains(a.text, `"actor":{"type":"cli","id":"init"},"action":"create"`) {
		t.Errorf("audit entries: %d %s", a.status, a.text)
	}

	for _, c := range []struct {
		name      string
		stack     http.Handler
		variables []string
		code      int
		says      string
	}{
		{name: "a stack that does not exist", stack: complete(), variables: []string{"--stack=nope"}, code: 1, says: "Stack with id nope does not exist"},
		{name: "without outputs", stack: complete("TableName", "SecretArn", "ApiUrl"), code: 1, says: "is it latchkey's"},
		{name: "without a table, although TABLE_NAME is set", stack: complete("TableName"), variables: []string{"TABLE_NAME=" + localTable}, code: 1, says: "no TableName"},
		{name: "without a secret", stack: complete("SecretArn"), variables: []string{"SECRET_ARN=" + secretARN}, code: 1, says: "no SecretArn"},
		{name: "without a prefix", stack: complete("KeyPrefix"), variables: []string{"KEY_PREFIX=acme"}, code: 1, says: "no KeyPrefix"},
		{name: "another prefix here", stack: complete(), variables: []string{"KEY_PREFIX=sk"}, code: 2, says: `KEY_PREFIX is "sk" here, but stack auth has "acme"`},
		{name: "another table here", stack: complete(), variables: []string{"TABLE_NAME=other"}, code: 2, says: `TABLE_NAME is "other" here`},
		{name: "other environments here", stack: complete(), variables: []string{"ACCEPT_ENVIRONMENTS=live"}, code: 2, says: `ACCEPT_ENVIRONMENTS is "live" here`},
		{name: "no right to the stack", stack: http.HandlerFunc(denied), code: 1, says: "describe stack auth: "},
		{name: "no right to the secret", stack: complete(), variables: []string{"AWS_ENDPOINT_URL_SECRETS_MANAGER=" + serve(http.HandlerFunc(denied))}, code: 1, says: "get the secret's value: "},
		{name: "no right to the table", stack: complete(), variables: []string{"AWS_ENDPOINT_URL_DYNAMODB=" + serve(http.HandlerFunc(denied))}, code: 1, says: "create the admin key: "},
		{name: "no credentials", stack: complete(), variables: []string{"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY="}, code: 1, says: "describe stack auth: "},
	} {
		before := table.n.Load()
		out, talk, code := run(c.stack, c.variables...)
		if code != c.code || out != "" || strings.Count(talk, "\n") != 1 || !strings.Contains(strings.ToLower(talk), strings.ToLower(c.says)) {
			t.Errorf("%s: exit code %d, want %d with one line %q: %q, %q", c.name, code, c.code, c.says, out, talk)
		}
		if table.n.Load() != before {
			t.Errorf("%s: the table was written to", c.name)
		}
	}
}

// A deployed stack is looked for in the region of --region, no matter what the variables say.
func TestTheRegionOfAStackIsGivenOrAnError(t *testing.T) {
	run := func(args ...string) (asked, output string) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if scope := strings.Split(r.Header.Get("Authorization"), "/"); len(scope) > 2 {
				asked = scope[2]
			}
			denied(w, r)
		}))
		defer server.Close()
		out, err := command(t, []string{
			"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_EC2_METADATA_DISABLED=true", "AWS_REGION=", "AWS_DEFAULT_REGION=",
			"AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull,
			"AWS_ENDPOINT_URL_CLOUDFORMATION=" + server.URL, "AWS_ENDPOINT_URL_LAMBDA=" + server.URL,
		}, args...).CombinedOutput()
		if err == nil {
			t.Errorf("%q succeeded:\n%s", args, out)
		}
		return asked, string(out)
	}
	for _, c := range [][]string{
		{"init", "--stack", "auth"}, {"import", "none", "--stack", "auth"}, {"audit", "verify", "--stack", "auth"},
		{"doctor", "--stack", "auth"},
	} {
		if asked, out := run(append(c, "--region", "eu-west-1")...); asked != "eu-west-1" {
			t.Errorf("%q looks in the region %q:\n%s", c, asked, out)
		}
		if asked, out := run(c...); asked != "" || !strings.Contains(out, "--region") {
			t.Errorf("%q without a region looks in %q, want an error that names --region:\n%s", c, asked, out)
		}
		if _, out := run(append(c, "--region", "Frankfurt")...); !strings.Contains(out, "must be an AWS region, such as eu-west-1") {
			t.Errorf("%q with a wrong region:\n%s", c, out)
		}
	}
	for _, c := range [][]string{{"init", "--region", "eu-west-1"}, {"doctor", "--aws-profile", "work"}} {
		if _, out := run(c...); !strings.Contains(out, "need --stack") {
			t.Errorf("%q:\n%s", c, out)
		}
	}
	if _, out := run("init", "--stack", "auth", "--aws-profile", "none"); !strings.Contains(out, "none") {
		t.Errorf("a profile of the AWS CLI that does not exist:\n%s", out)
	}
}
