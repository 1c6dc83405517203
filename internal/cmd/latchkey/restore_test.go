package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/go-cmp/cmp"

	"latchkey/internal/amazon"
	"latchkey/internal/dynamo/dynamotest"
)

// A table is dumped, lost and loaded. Keys, plans, users, trails and what keys have spent are there again.
func TestALostTableIsRestoredFromItsDump(t *testing.T) {
	endpoint, giveBack := dynamotest.Lend(t, localTable)
	t.Cleanup(giveBack)
	dir, files := t.TempDir(), t.TempDir()
	at := []string{"FRESHNESS=0", "DYNAMODB_ENDPOINT=" + endpoint, "STATE=" + dir}
	s := start(t, dir, at...)
	admin := func() []string { return []string{"LATCHKEY_URL=" + s.url, "LATCHKEY_KEY=" + s.root} }
	asked{args: "plans put trial --user-limit 3/1h"}.run(t, admin()...)
	asked{args: "users set acme --plan trial"}.run(t, admin()...)
	_, good := s.create(t, `{"userId":"u1"}`)
	_, spent := s.create(t, `{"userId":"u1","rateLimit":{"requests":2,"window":3600}}`)
	_, shares := s.create(t, `{"userId":"acme","unlimited":true}`)
	revoked, dead := s.create(t, `{"userId":"u1"}`)
	later, revived := s.create(t, `{"userId":"u1"}`)
	s.send(t, "POST", "/api/v1/api-keys/"+revoked+"/revoke", "", s.admin())
	use := func(token string, statuses ...int) {
		t.Helper()
		for i, want := range statuses {
			if a := s.whoami(t, token); a.status != want {
				t.Errorf("use %d: %d %s, want %d", i+1, a.status, a.text, want)
			}
		}
	}
	use(spent, 200, 200, 429)
	use(shares, 200, 200, 200, 429)
	use(dead, 401)

	dump, checkpoint := filepath.Join(files, "table.jsonl"), filepath.Join(files, "checkpoint.json")
	asked{args: "table dump --state " + dir + " --file " + dump, talk: "Dumped "}.run(t)
	s.send(t, "POST", "/api/v1/api-keys/"+later+"/revoke", "", s.admin())
	use(revived, 401)
	asked{args: "audit verify --state " + dir + " --checkpoint " + checkpoint, out: "all as written"}.run(t)
	asked{args: "table load --state " + dir + " --file " + dump, code: 1, talk: "another latchkey dev"}.run(t, at...)
	if err := s.end(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	isPrivateDump(t, dump, good, spent, s.root)
	load := asked{args: "table load --state " + dir + " --file " + dump}
	load.with(1, "the table is not empty").run(t, at...)

	loseTable(t, endpoint)
	refuseDamagedDumps(t, dump, func(path string) {
		asked{args: "table load --state " + dir + " --file " + path, code: 1, talk: "is cut off or altered"}.run(t, at...)
	})
	load.with(0, "Loaded ").run(t, at...)
	s = start(t, dir, at...)
	use(good, 200)
	use(dead, 401)
	use(spent, 429)
	use(shares, 429)
	asked{args: "audit verify --strict --state " + dir, out: "all as written"}.run(t)
	// The table is as old as its dump. A key that was revoked since then is valid again.
	use(revived, 200)
	asked{args: "audit verify --state " + dir + " --checkpoint " + checkpoint, code: 1, out: later}.run(t)
}

// A table moves from one deployed stack to another. A load that the network cuts off is repeated.
func TestATableMovesToAnotherDeployedStack(t *testing.T) {
	endpoint, giveBack := dynamotest.Lend(t, localTable)
	t.Cleanup(giveBack)
	s := start(t, t.TempDir(), "DYNAMODB_ENDPOINT="+endpoint)
	s.create(t, `{"userId":"u1"}`)
	options, _ := dynamotest.Faulty(t)
	var writes atomic.Int32 // that the second table still takes
	engine := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		at, _ := url.Parse(options.Endpoint)
		r.SetURL(at)
	}}
	serve := func(h http.HandlerFunc) string {
		server := httptest.NewServer(h)
		t.Cleanup(server.Close)
		return server.URL
	}
	second := serve(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".BatchWriteItem") && writes.Add(-1) < 0 {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		engine.ServeHTTP(w, r)
	})
	stack := func(name, table, dynamodb string) []string {
		formation := cloudFormation{
			name: name, outputs: map[string]string{"TableName": table, "SecretArn": secretARN},
			parameters: map[string]string{"KeyPrefix": "sk", "AcceptEnvironments": "live,test"},
		}
		return []string{
			"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_EC2_METADATA_DISABLED=true",
			"AWS_ENDPOINT_URL_CLOUDFORMATION=" + serve(formation.ServeHTTP), "AWS_ENDPOINT_URL_DYNAMODB=" + dynamodb,
			"AWS_ENDPOINT_URL=" + serve(denied),
		}
	}
	from, to := stack("old", localTable, endpoint), stack("new", options.Name, second)
	dump, again := filepath.Join(t.TempDir(), "table.jsonl"), filepath.Join(t.TempDir(), "again.jsonl")

	asked{args: "table dump --stack missing --file " + dump, code: 1, talk: "Stack with id missing does not exist"}.run(t, from...)
	asked{args: "table dump --stack old --file " + dump, talk: "Dumped "}.run(t, from...)
	isPrivateDump(t, dump, s.root)
	load := asked{args: "table load --stack new --file " + dump}
	load.with(1, "run the same command again").run(t, to...)
	writes.Store(100)
	load.with(0, "Loaded ").run(t, to...)
	load.with(0, "Loaded ").run(t, to...) // the table has all of it already
	asked{args: "table dump --stack new --file " + again, talk: "Dumped "}.run(t, to...)
	if diff := cmp.Diff(linesOf(t, dump), linesOf(t, again)); diff != "" {
		t.Errorf("the second table has other items than the first:\n%s", diff)
	}
	s.create(t, `{"userId":"u1"}`)
	asked{args: "table load --stack old --file " + dump, code: 1, talk: "the table is not empty"}.run(t, from...)
}

// linesOf returns the items of a dump in one order. Neither items nor their attributes have one.
func linesOf(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for line := range strings.Lines(string(text)) {
		var item map[string]any
		if err := json.Unmarshal([]byte(line), &item); err != nil {
			t.Fatal(err)
		}
		sorted, err := json.Marshal(item)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(sorted))
	}
	all = all[:len(all)-1] // the number and the hash
	slices.Sort(all)
	return all
}

func (a asked) with(code int, talk string) asked {
	a.code, a.talk = code, talk
	return a
}

// isPrivateDump checks that only its owner can read a dump, and that no token is in it.
func isPrivateDump(t *testing.T, path string, tokens ...string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Fatalf("the dump has the mode %v, %v", info.Mode(), err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range tokens {
		if strings.Contains(string(text), token[25:]) { // the id before that is public
			t.Error("the dump has a token")
		}
	}
}

// refuseDamagedDumps passes to refuse the paths of dumps that lack a part or have another.
func refuseDamagedDumps(t *testing.T, path string, refuse func(path string)) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
	for _, damaged := range [][]byte{
		nil, text[:len(text)/2], text[:len(text)-1], bytes.Join(lines[:len(lines)-1], nil), bytes.Join(lines[1:], nil),
		bytes.Replace(text, []byte("acme"), []byte("acne"), 1), append(bytes.Clone(text), text...),
	} {
		bad := filepath.Join(t.TempDir(), "bad.jsonl")
		if err := os.WriteFile(bad, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		refuse(bad)
	}
}

// loseTable deletes the local stack's table at an engine.
func loseTable(t *testing.T, endpoint string) {
	t.Helper()
	client := dynamodb.NewFromConfig(amazon.Local(), func(o *dynamodb.Options) { o.BaseEndpoint = &endpoint })
	_, err := client.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: aws.String(localTable)})
	if err != nil {
		t.Fatal(err)
	}
}
