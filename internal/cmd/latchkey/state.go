package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"latchkey/internal/config"
	"latchkey/internal/instance"
)

// state is the folder with the files of a local stack. They outlive the stack.
type state string

// localTable is the name of a local stack's table.
const localTable = "latchkey"

func (s state) data() string     { return filepath.Join(string(s), "data") }
func (s state) rootKey() string  { return filepath.Join(string(s), "root-key") }
func (s state) endpoint() string { return filepath.Join(string(s), "endpoint") }
func (s state) secret() string   { return filepath.Join(string(s), "secret.json") }
func (s state) lock() string     { return filepath.Join(string(s), "lock") }

// lockTime is how long open waits for a killed stack to end.
const lockTime = time.Second

// open makes the folder if it does not exist. Other stacks cannot use the folder until the returned
// file is closed.
func (s state) open() (*os.File, error) {
	if err := os.MkdirAll(string(s), 0o700); err != nil {
		return nil, fmt.Errorf("make the state folder: %w", err)
	}
	lock, err := os.OpenFile(s.lock(), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the state folder: %w", err)
	}
	for begun := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		err := syscall.FcntlFlock(lock.Fd(), syscall.F_SETLK, &syscall.Flock_t{Type: syscall.F_WRLCK})
		if err == nil {
			return lock, nil
		}
		if held := errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES); !held || time.Since(begun) > lockTime {
			lock.Close()
			if !held {
				return nil, fmt.Errorf("lock the state folder: %w", err)
			}
			return nil, fmt.Errorf("another latchkey dev%s runs on %s: end it, or set STATE to another folder",
				s.runner(), string(s))
		}
	}
}

// runner names the process whose stack runs on the folder, as in " (process 12)". It is empty if
// there is none.
func (s state) runner() string {
	lock, err := os.OpenFile(s.lock(), os.O_RDWR, 0)
	if err != nil {
		return ""
	}
	defer lock.Close()
	held := syscall.Flock_t{Type: syscall.F_WRLCK}
	if err := syscall.FcntlFlock(lock.Fd(), syscall.F_GETLK, &held); err != nil || held.Type == syscall.F_UNLCK {
		return ""
	}
	return fmt.Sprintf(" (process %d)", held.Pid)
}

// makeSecret makes the stack's secret if it does not exist, and reports whether it did.
func (s state) makeSecret() (made bool, err error) {
	_, err = os.Stat(s.secret())
	if !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	content, err := newSecret()
	if err != nil {
		return false, err
	}
	return true, keep(s.secret(), content)
}

// newSecret returns a new random secret.
func newSecret() (string, error) {
	content, err := json.Marshal(map[string]any{"master": rand.Text() + rand.Text(), "peppers": []string{}})
	if err != nil {
		return "", fmt.Errorf("make the secret: %w", err)
	}
	return string(content), nil
}

// checkSecret returns an error if the secret has no pepper of the table's keys. Such a stack would
// answer 503 to every key.
func checkSecret(ctx context.Context, e *instance.Instance) error {
	hasher, err := e.Registry.Hasher(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", errDamagedSecret, err)
	}
	peppers, err := e.Table.Peppers(ctx)
	if err != nil {
		return err
	}
	if len(peppers) > 0 && !slices.ContainsFunc(peppers, hasher.Knows) {
		return errAnotherSecret
	}
	return nil
}

var (
	errAnotherSecret = errors.New("the table's keys need another secret")
	errDamagedSecret = errors.New("load the secret")
)

// explain turns an error of checkSecret into advice. It deletes the secret again if makeSecret just
// made it. endpoint is the engine's if the stack did not start its own, and empty otherwise.
func (s state) explain(err error, made bool, c config.Config, endpoint string) error {
	switch {
	case errors.Is(err, errDamagedSecret) && c.Secret.Reveal() != "":
		return s.damaged(err)
	case !errors.Is(err, errAnotherSecret):
		return err
	}
	table := "remove the folder " + s.data()
	if endpoint != "" {
		table = "remove the table " + c.TableName + " at " + endpoint
	}
	which, problem := s.secret(), "is not the one that the table's keys were made with"
	switch {
	case c.Secret.Reveal() == "":
		which = "the secret that SECRET_ARN names"
	case made:
		if err := os.Remove(s.secret()); err != nil {
			return err
		}
		problem = "is missing, and the table has keys that were made with it"
	}
	return fmt.Errorf("%s %s: restore it from a backup, or %s to begin without these keys", which, problem, table)
}

// damaged returns an error that says what to do about a secret that cannot be read.
func (s state) damaged(err error) error {
	return fmt.Errorf("%s is damaged: restore it from a backup, or remove it and the folder %s to begin without keys: %w",
		s.secret(), s.data(), err)
}

// publish stores the engine's address for the other commands. withdraw removes it again.
func (s state) publish(endpoint string) (withdraw func(), err error) {
	if err := keep(s.endpoint(), endpoint); err != nil {
		return nil, err
	}
	own, err := os.Stat(s.endpoint())
	return func() {
		// Another stack may use the folder by now.
		if now, err := os.Stat(s.endpoint()); err == nil && os.SameFile(own, now) {
			_ = os.Remove(s.endpoint()) // a file that stays is harmless, because it has no runner
		}
	}, err
}

// config returns the configuration of the functions. Their table is on the engine at endpoint.
// variables are the variables of deployed functions, and config adds to them. The secret is the
// stack's own unless the variables name one.
func (s state) config(endpoint string, variables map[string]string) (config.Config, error) {
	variables["TABLE_NAME"] = localTable
	variables["AWS_ENDPOINT_URL_DYNAMODB"] = endpoint
	if variables["FENCE"] == "" {
		variables["FENCE"] = "trust" // this program alone changes keys here
	}
	if variables["SECRET_ARN"] == "" {
		secret, err := os.ReadFile(s.secret())
		if err != nil {
			return config.Config{}, fmt.Errorf("read the secret: %w", err)
		}
		if len(bytes.TrimSpace(secret)) == 0 {
			return config.Config{}, s.damaged(errors.New("it is empty"))
		}
		variables["LATCHKEY_SECRET"] = string(secret)
	}
	c, err := config.Load(variables)
	c.Local = true
	return c, err
}

// keep writes a file that only its owner can read. A crash leaves either all of it or nothing.
func keep(path, content string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer os.Remove(f.Name()) // fails if the file was renamed
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

// read returns the text of a file without the space around it.
func read(path string) (string, error) {
	content, err := os.ReadFile(path)
	return strings.TrimSpace(string(content)), err
}
