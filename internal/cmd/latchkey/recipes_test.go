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
	protects(t, "app.mjs", node(t, "app.mjs")...)
}

func TestClientFastAPICheckProvesAssertions(t *testing.T) {
	proves(t, "assertion.py", filepath.Join(recipes(t), "bin", "python"), "assertion.py")
}

func TestClientExpressCheckProvesAssertions(t *testing.T) {
	proves(t, "assertion.mjs", node(t, "assertion.mjs")...)
}

// node returns a command that runs a recipe in JavaScript with the packages.
func node(t *testing.T, name string) []string {
	t.Helper()
	modules := filepath.Join(recipes(t), "node_modules")
	return []string{"sh", "-c", "ln -sfn '" + modules + "' node_modules && exec node " + name}
}
