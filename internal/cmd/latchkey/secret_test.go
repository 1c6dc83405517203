package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// secretVault is a Secrets Manager that stores secretARN. Its zero value has a first version.
type secretVault struct {
	mu       sync.Mutex
	versions []string // newest last
	between  func()   // called once after the next read
	deleted  int64    // the date on which it is deleted, in Unix seconds
}

func (v *secretVault) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.versions) == 0 {
		v.versions = []string{`{"master":"` + strings.Repeat("m", 64) + `","peppers":[],"other":1}`}
	}
	var in struct{ SecretID, SecretString, VersionStage string }
	_ = json.NewDecoder(r.Body).Decode(&in)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	newest := len(v.versions) - 1
	switch _, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), "."); {
	case action == "PutSecretValue":
		v.versions = append(v.versions, in.SecretString)
		newest++
	case in.VersionStage == "AWSPREVIOUS":
		newest--
	}
	answer := map[string]any{
		"ARN": secretARN, "Name": "latchkey", "VersionId": fmt.Sprint(newest), "SecretString": v.versions[newest],
	}
	if v.deleted > 0 {
		answer["DeletedDate"] = v.deleted
	}
	_ = json.NewEncoder(w).Encode(answer)
	if v.between != nil && in.VersionStage == "" {
		v.between()
		v.between = nil
	}
}

// Two changes at the same time are told, and the lost one is named.
func TestASecretThatSomebodyElseChangesIsTold(t *testing.T) {
	vault := new(secretVault)
	serve := func(h http.Handler) string {
		server := httptest.NewServer(h)
		t.Cleanup(server.Close)
		return server.URL
	}
	environment := []string{
		"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ENDPOINT_URL_SECRETS_MANAGER=" + serve(vault),
		"AWS_ENDPOINT_URL_CLOUDFORMATION=" + serve(cloudFormation{
			outputs:    map[string]string{"TableName": localTable, "SecretArn": secretARN},
			parameters: map[string]string{"KeyPrefix": "sk", "AcceptEnvironments": "live,test"},
		}),
	}
	add := func() (string, error) {
		out, err := command(t, environment, "secret", "add-pepper", "--stack", "auth").CombinedOutput()
		return string(out), err
	}
	if out, err := add(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	vault.mu.Lock()
	vault.between = func() { vault.versions = append(vault.versions, vault.versions[0]) } // it runs under the lock
	vault.mu.Unlock()
	if out, err := add(); err == nil || !strings.Contains(out, "the other change is in version 2") {
		t.Errorf("%v: %s", err, out)
	}
}
