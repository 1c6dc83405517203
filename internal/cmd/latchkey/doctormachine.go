package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"latchkey/internal/config"
	"latchkey/internal/local/engine"
	"latchkey/internal/pepper"
)

// checkMachine checks what latchkey dev needs on this machine, and the files of its stack.
func (r *report) checkMachine(ctx context.Context) {
	var d devConfig
	if err := config.Read(&d, config.Process()); err != nil {
		r.skip("engine", "a variable is wrong")
		r.skip("files", "a variable is wrong")
		return
	}
	if d.Endpoint != "" {
		r.skip("engine", "DYNAMODB_ENDPOINT names one that runs already")
	} else if file, err := (engine.Options{Kind: d.Engine, Dir: d.Engines}).Find(); err != nil {
		r.warn("engine", err.Error()+"; only latchkey dev needs it", "make engine ENGINE="+string(d.Engine))
	} else {
		r.ok("engine", fmt.Sprintf("%s is %s", d.Engine, file))
	}
	if _, err := d.template(); err != nil {
		r.warn("template", err.Error()+"; only latchkey dev needs it", "")
	} else {
		r.ok("template", cmp.Or(d.Template, "the program's own")+" can be read")
	}
	s := state(d.State)
	if r.checkFiles(s) {
		r.checkLocalSecret(ctx, s)
	}
}

// checkFiles checks the files of a local stack, and reports whether there are any.
func (r *report) checkFiles(s state) bool {
	if _, err := os.Stat(s.secret()); errors.Is(err, fs.ErrNotExist) {
		r.ok("files", fmt.Sprintf("there is no local stack in %s yet; latchkey dev makes one", string(s)))
		return false
	}
	for _, file := range []struct {
		path  string
		fatal fs.FileMode // the bits that it must not have
		mend  string
	}{{string(s), 0o022, "700"}, {s.secret(), 0o077, "600"}, {s.rootKey(), 0o077, "600"}} {
		info, err := os.Stat(file.path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // ROOT_KEY may name the admin key
		}
		if err != nil {
			r.fail("files", err.Error(), "ls -la "+string(s))
			return false
		}
		if info.Mode().Perm()&file.fatal != 0 {
			text := "%s has the rights %o: others could read or replace a secret"
			r.fail("files", fmt.Sprintf(text, file.path, info.Mode().Perm()), "chmod "+file.mend+" "+file.path)
			return true
		}
	}
	runs := "no stack runs on it"
	if by := s.runner(); by != "" {
		runs = "a stack runs on it" + by
	}
	r.ok("files", fmt.Sprintf("only you can read the secrets in %s; %s", string(s), runs))
	return true
}

// checkLocalSecret checks the form of a local stack's secret and, if the stack runs, that the keys of
// its table were made with it.
func (r *report) checkLocalSecret(ctx context.Context, s state) {
	variables := config.Process()
	if variables["SECRET_ARN"] != "" {
		r.skip("secret", "SECRET_ARN names one in Secrets Manager")
		return
	}
	text, err := os.ReadFile(s.secret())
	if err == nil {
		var content config.SecretContent
		if content, err = (config.Config{}).ParseSecret(config.NewSensitive(string(text))); err == nil {
			_, err = pepper.NewHasher(content.Master.Reveal(), content.Peppers.Reveal())
		}
	}
	if err != nil {
		r.fail("secret", s.damaged(err).Error(), "")
		return
	}
	if s.runner() == "" {
		r.ok("secret", s.secret()+" has the right form")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	c, err := target{state: s}.config(ctx)
	if err == nil {
		if e, failure := newInstance(ctx, c, account{}, slog.New(slog.DiscardHandler)); failure != nil {
			err = failure
		} else {
			err = checkSecret(ctx, e)
		}
	}
	if err != nil {
		r.fail("secret", err.Error(), "latchkey dev")
		return
	}
	r.ok("secret", s.secret()+" has the right form, and the table's keys were made with it")
}
