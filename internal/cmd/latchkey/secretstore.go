package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"latchkey/internal/amazon"
	"latchkey/internal/config"
)

var errSecretChanged = errors.New("the secret was changed by somebody else at the same time")

// secret reads the secret of a deployed stack, of the variables, or of a local stack, which need not
// run.
func (t target) secret(ctx context.Context) (heldSecret, error) {
	if err := t.check(); err != nil {
		return heldSecret{}, err
	}
	if t.local() {
		return t.state.heldSecret()
	}
	c, err := t.config(ctx)
	if err != nil {
		return heldSecret{}, err
	}
	if path := secretFile(); t.fromEnv && path != "" {
		return readFile(c, path, "Send SIGHUP to each latchkey serve, so that it reads the secret again.")
	}
	if c.SecretARN == "" {
		return heldSecret{}, usageError{errors.New("the secret is in the variable LATCHKEY_SECRET: keep it in a file, " +
			"and name that in LATCHKEY_SECRET_FILE")}
	}
	loaded, err := t.account.load(ctx)
	if err != nil {
		return heldSecret{}, err
	}
	return readDeployed(ctx, c, secretsmanager.NewFromConfig(amazon.Patient(loaded)))
}

// heldSecret reads the secret in the folder of a local stack.
func (s state) heldSecret() (heldSecret, error) {
	// Only the form of static keys depends on the configuration.
	c, err := config.Load(map[string]string{"TABLE_NAME": localTable, "SECRET_ARN": s.secret()})
	if err != nil {
		return heldSecret{}, err
	}
	next := "latchkey dev reads it when it starts."
	if runner := s.runner(); runner != "" {
		next = "Send SIGHUP to latchkey dev" + runner + ", so that it reads the secret again."
	}
	return readFile(c, s.secret(), next)
}

// readFile reads the secret in a file.
func readFile(c config.Config, path, next string) (heldSecret, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return heldSecret{}, fmt.Errorf("read the secret: %w", err)
	}
	return heldSecret{
		config: c, text: config.NewSensitive(string(text)), next: next,
		store: func(_ context.Context, changed config.Sensitive) error {
			now, err := os.ReadFile(path)
			if err != nil {
				return fmt.Errorf("read the secret: %w", err)
			}
			if !bytes.Equal(now, text) {
				return fmt.Errorf("%w: nothing was stored, try again", errSecretChanged)
			}
			return keep(path, changed.Reveal())
		},
	}, nil
}

// readDeployed reads the secret of a deployed stack. Secrets Manager stores a version without a
// condition. So store looks afterwards whether the version before is the one that was read.
func readDeployed(ctx context.Context, c config.Config, client *secretsmanager.Client) (heldSecret, error) {
	out, err := client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &c.SecretARN})
	if err != nil {
		return heldSecret{}, fmt.Errorf("get the secret's value: %w", err)
	}
	was := aws.ToString(out.VersionId)
	return heldSecret{
		config: c, text: config.NewSensitive(aws.ToString(out.SecretString)),
		next: "Running instances know it within five minutes.",
		store: func(ctx context.Context, changed config.Sensitive) error {
			put, err := client.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{
				SecretId: &c.SecretARN, SecretString: aws.String(changed.Reveal()),
			})
			if err != nil {
				return fmt.Errorf("store the secret: %w", err)
			}
			before, err := client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{
				SecretId: &c.SecretARN, VersionStage: aws.String("AWSPREVIOUS"),
			})
			if err != nil {
				return fmt.Errorf("the secret is stored, but the version before it could not be read: %w", err)
			}
			if previous := aws.ToString(before.VersionId); previous != was {
				return fmt.Errorf("%w: version %s is stored and holds this change alone; the other change is in version %s, "+
					"make it again", errSecretChanged, aws.ToString(put.VersionId), previous)
			}
			return nil
		},
	}, nil
}
