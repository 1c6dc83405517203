package main

import (
	"fmt"
	"syscall"
	"testing"

	"latchkey/internal/dynamo/dynamotest"
)

// A stack that ends writes what its instances have counted.
func TestRefusalsOutliveTheStack(t *testing.T) {
	endpoint, giveBack := dynamotest.Lend(t, localTable)
	t.Cleanup(giveBack)
	dir := t.TempDir()
	s := start(t, dir, ownEngine+endpoint)
	id, token := s.create(t, `{"userId":"u1","enabled":false}`)
	refused := func(s *stack) any {
		t.Helper()
		a := s.send(t, "GET", "/api/v1/api-keys/"+id+"/usage", "", s.admin())
		days, _ := a.json["data"].([]any)
		if a.status != 200 || len(days) == 0 {
			t.Fatalf("usage: %d %s", a.status, a.text)
		}
		sum := map[string]float64{}
		for _, day := range days { // it may be midnight
			codes, _ := day.(map[string]any)["refused"].(map[string]any)
			for code, n := range codes {
				sum[code] += n.(float64)
			}
		}
		return fmt.Sprint(sum)
	}
	for range 3 {
		if a := s.whoami(t, token); a.status != 401 {
			t.Fatalf("whoami: %d %s", a.status, a.text)
		}
	}
	if got := refused(s); got != "map[]" {
		t.Errorf("within a minute: %v", got)
	}
	if err := s.end(syscall.SIGTERM); err != nil {
		t.Errorf("the stack: %v\n%s", err, s.log)
	}
	if got := refused(start(t, dir, ownEngine+endpoint)); got != "map[disabled_key:3]" {
		t.Errorf("after the stack has ended: %v", got)
	}
}
