package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"latchkey/internal/config"
)

// state is the folder in which a local stack keeps what must survive it.
type state string

// localTable is the name of a local stack's table.
const localTable = "latchkey"

func (s state) data() string     { return filepath.Join(string(s), "data") }
func (s state) rootKey() string  { return filepath.Join(string(s), "root-key") }
func (s state) endpoint() string { return filepath.Join(string(s), "endpoint") }
func (s state) secret() string   { return filepath.Join(string(s), "secret.json") }

// open makes the folder and the stack's secret, unless they are there.
func (s state) open() error {
	if err := os.MkdirAll(string(s), 0o700); err != nil {
		return fmt.Errorf("make the state folder: %w", err)
	}
	_, err := os.Stat(s.secret())
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	content, err := json.Marshal(map[string]any{"master": rand.Text() + rand.Text(), "peppers": []string{}})
	if err != nil {
		return fmt.Errorf("make the secret: %w", err)
	}
	return keep(s.secret(), string(content))
}

// config is the configuration of functions before the engine at endpoint: the
// variables are those that deployed functions have. The secret is the stack's
// own, unless they name one.
func (s state) config(endpoint string, variables map[string]string) (config.Config, error) {
	variables["TABLE_NAME"] = localTable
	variables["AWS_ENDPOINT_URL_DYNAMODB"] = endpoint
	if variables["SECRET_ARN"] == "" {
		secret, err := os.ReadFile(s.secret())
		if err != nil {
			return config.Config{}, fmt.Errorf("read the secret: %w", err)
		}
		variables["LATCHKEY_SECRET"] = string(secret)
	}
	c, err := config.Load(variables)
	c.Local = true
	return c, err
}

// keep writes a secret so that it is whole or not there, for its owner alone.
func keep(path, content string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer os.Remove(f.Name()) // gone already when all went well
	_, err = f.WriteString(content + "\n")
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func read(path string) (string, error) {
	content, err := os.ReadFile(path)
	return strings.TrimSpace(string(content)), err
}
