//go:build clients

package main

import (
	"os"
	"path/filepath"
	"testing"

	"latchkey/internal/dynamo/dynamotest"
)

// recipes is the folder in which make has put what the recipes need.
func recipes(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(dynamotest.Root(), ".latchkey", "recipes")
	if _, err := os.Stat(filepath.Join(folder, "installed")); err != nil {
		t.Fatal("the packages of the recipes are missing: make clients brings them")
	}
	return folder
}

func TestClientFastAPIRecipeProtects(t *testing.T) {
	protects(t, "app.py", filepath.Join(recipes(t), "bin", "python"), "app.py")
}

func TestClientExpressRecipeProtects(t *testing.T) {
	modules := filepath.Join(recipes(t), "node_modules")
	protects(t, "app.mjs", "sh", "-c", "ln -sfn '"+modules+"' node_modules && exec node app.mjs")
}
