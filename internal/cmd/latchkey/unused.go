package main

import (
	"context"
	"io"
	"log/slog"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"latchkey/internal/amazon"
	"latchkey/internal/config"
	"latchkey/internal/dynamo"
)

// unused returns the table of a target, or of a local stack that does not run. It makes the
// local table if it does not exist. closeTable ends what unused has started.
func (t target) unused(ctx context.Context, notices io.Writer) (table *dynamo.Table, closeTable func(), err error) {
	if err := t.check(); err != nil {
		return nil, nil, err
	}
	if !t.local() {
		_, e, err := t.open(ctx)
		if err != nil {
			return nil, nil, err
		}
		return e.Table, func() {}, nil
	}
	return t.state.unusedTable(ctx, notices)
}

// unusedTable makes the table of a local stack that does not run, unless it exists.
func (s state) unusedTable(ctx context.Context, notices io.Writer) (*dynamo.Table, func(), error) {
	var d devConfig
	if err := config.Read(&d, config.Process()); err != nil {
		return nil, nil, usageError{err}
	}
	template, err := d.template()
	if err != nil {
		return nil, nil, err
	}
	lock, err := s.open()
	if err != nil {
		return nil, nil, err
	}
	endpoint, stop, err := d.startEngine(ctx, s, notices, slog.New(slog.DiscardHandler))
	if err != nil {
		_ = lock.Close() // nothing was written to it
		return nil, nil, err
	}
	end := func() {
		stop()
		_ = lock.Close() // nothing was written to it
	}
	account := amazon.Local()
	// No caller waits for a verdict, and an engine on a busy machine takes seconds to write a batch to
	// its files.
	account.HTTPClient = awshttp.NewBuildableClient().WithTimeout(30 * time.Second)
	table := dynamo.Open(dynamo.Options{Name: localTable, AWS: account, Endpoint: endpoint, Local: true})
	if err := createTable(ctx, table, template.Table); err != nil {
		end()
		return nil, nil, err
	}
	return table, end, nil
}
