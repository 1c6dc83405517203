package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"latchkey/internal/config"
)

// secretFile returns the name of the file with the secret, or nothing if it is elsewhere.
func secretFile() string { return config.Process()["LATCHKEY_SECRET_FILE"] }

// fromEnvironment returns the configuration of this process's variables. It reads the secret if it is
// in a file.
func fromEnvironment() (config.Config, error) {
	variables := config.Process()
	if secretFile() != "" && (variables["SECRET_ARN"] != "" || variables["LATCHKEY_SECRET"] != "") {
		return config.Config{}, usageError{
			errors.New("LATCHKEY_SECRET_FILE, SECRET_ARN and LATCHKEY_SECRET exclude each other")}
	}
	if path := secretFile(); path != "" {
		secret, err := os.ReadFile(path)
		if err != nil {
			return config.Config{}, fmt.Errorf("read the secret: %w", err)
		}
		if len(bytes.TrimSpace(secret)) == 0 {
			return config.Config{}, fmt.Errorf("%s is empty: latchkey secret new makes a secret", path)
		}
		variables["LATCHKEY_SECRET"] = string(secret)
	}
	c, err := config.Load(variables)
	if err != nil {
		return config.Config{}, usageError{err}
	}
	return c, nil
}
