package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"latchkey/internal/amazon"
	"latchkey/internal/config"
	"latchkey/internal/instance"
	"latchkey/internal/local/engine"
	"latchkey/internal/local/sam"
	"latchkey/internal/serve"
)

// serveConfig is the configuration of the server, beside the functions' own variables.
type serveConfig struct {
	Port        int             `env:"PORT" envDefault:"3000"`
	Listen      string          `env:"LISTEN"` // 127.0.0.1 with Port if empty
	Monitor     string          `env:"MONITOR"`
	Cert        string          `env:"TLS_CERT"`
	Key         string          `env:"TLS_KEY"`
	Connections int             `env:"MAX_CONNECTIONS" envDefault:"4096"`
	DrainDelay  config.Duration `env:"DRAIN_DELAY" envDefault:"0"`
	LogLevel    slog.Level      `env:"LOG_LEVEL" envDefault:"INFO"`

	// State is the folder of an engine that the server starts. If empty, the table is DynamoDB's.
	State    string           `env:"STATE"`
	RootKey  config.Sensitive `env:"ROOT_KEY"`
	Endpoint string           `env:"DYNAMODB_ENDPOINT"`
	Engine   engine.Kind      `env:"ENGINE" envDefault:"dynoxide"`
	Engines  string           `env:"ENGINE_DIR" envDefault:".latchkey/engine"`

	Routing routing
}

// routing has the parameters of the template that decide about routes, throttles and the gateway's own
// answers. An empty one has the template's default.
type routing struct {
	APIRate         string `env:"API_RATE"`
	APIBurst        string `env:"API_BURST"`
	ValidateRate    string `env:"VALIDATE_RATE"`
	ValidateBurst   string `env:"VALIDATE_BURST"`
	RevokeRate      string `env:"REVOKE_RATE"`
	RevokeBurst     string `env:"REVOKE_BURST"`
	PageRate        string `env:"PAGE_RATE"`
	PageBurst       string `env:"PAGE_BURST"`
	ProtectValidate string `env:"PROTECT_VALIDATE"`
	DenyStatus      string `env:"DENY_STATUS"`
	OwnPrefix       string `env:"OWN_PREFIX"`
	Console         string `env:"CONSOLE_ENABLED"`
	CORSOrigin      string `env:"CORS_ORIGIN"`
	CORSHeaders     string `env:"CORS_HEADERS"`
	CORSMaxAge      string `env:"CORS_MAX_AGE"`
}

// settings returns the settings that are not empty.
func (r routing) settings() (all []setting) {
	for _, s := range []setting{
		{"API_RATE", "ApiRate", r.APIRate}, {"API_BURST", "ApiBurst", r.APIBurst},
		{"VALIDATE_RATE", "ValidateRate", r.ValidateRate}, {"VALIDATE_BURST", "ValidateBurst", r.ValidateBurst},
		{"REVOKE_RATE", "RevokeRate", r.RevokeRate}, {"REVOKE_BURST", "RevokeBurst", r.RevokeBurst},
		{"PAGE_RATE", "PageRate", r.PageRate}, {"PAGE_BURST", "PageBurst", r.PageBurst},
		{"PROTECT_VALIDATE", "ProtectValidate", r.ProtectValidate}, {"DENY_STATUS", "DenyStatus", r.DenyStatus},
		{"OWN_PREFIX", "OwnPrefix", r.OwnPrefix}, {"CONSOLE_ENABLED", "ConsoleEnabled", r.Console},
		{"CORS_ORIGIN", "CorsOrigin", r.CORSOrigin}, {"CORS_HEADERS", "CorsHeaders", r.CORSHeaders},
		{"CORS_MAX_AGE", "CorsMaxAge", r.CORSMaxAge},
	} {
		if s.value != "" {
			all = append(all, s)
		}
	}
	return all
}

// template returns the program's own template with these parameters. It checks each of them.
func (r routing) template() (*sam.Template, error) {
	parameters := make(map[string]string)
	for _, s := range r.settings() {
		parameters[s.parameter] = s.value
	}
	if err := checkParameters(r.settings()); err != nil {
		return nil, usageError{err}
	}
	return sam.Own(parameters)
}

func serveCommand() *cobra.Command {
	var flags serveConfig
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the service as one long-running server",
		Long: `Runs the HTTP API, the console and the manual in one process, on a machine or in
a container, without API Gateway and Lambda. Routes, throttles and answers are
those of the template. The table is DynamoDB's (TABLE_NAME, with AWS credentials
from the usual places) or that of an engine in a folder (--state). Without a
stack, latchkey table create, secret new and init --from-env make the rest.

A variable sets what a flag does not. These variables configure the server:

  PORT, LISTEN          port on 127.0.0.1 (3000), or the whole address
  MONITOR               address of /livez, /readyz and /metrics (none)
  TLS_CERT, TLS_KEY     files of a certificate and its key, in PEM
  MAX_CONNECTIONS       connections that are open at a time (4096)
  DRAIN_DELAY           seconds between "not ready" and the end of the listener
                        (0)
  LATCHKEY_SECRET_FILE  file of the secret, in place of SECRET_ARN
  LOG_LEVEL             DEBUG, INFO, WARN or ERROR
  STATE                 folder of the engine's files, in place of TABLE_NAME;
                        with it, ROOT_KEY, DYNAMODB_ENDPOINT, ENGINE and
                        ENGINE_DIR are as in latchkey dev
  API_RATE, API_BURST, VALIDATE_RATE, VALIDATE_BURST, REVOKE_RATE, REVOKE_BURST,
  PAGE_RATE, PAGE_BURST, PROTECT_VALIDATE, DENY_STATUS, OWN_PREFIX,
  CONSOLE_ENABLED, CORS_ORIGIN, CORS_HEADERS, CORS_MAX_AGE
                        the template's parameters ApiRate and so on

The functions' own variables, such as FRESHNESS, are in
internal/docs/configuration.md.

SIGTERM and SIGINT end it: it is no longer ready, answers the requests that it
has, gives back leases and writes counts. SIGHUP makes it read the certificate
and the secret again, and no connection ends. A socket of systemd takes the
place of --listen, and one that is named monitor that of --monitor.`,
		Example: `  latchkey serve --state data --tls-cert cert.pem --tls-key key.pem
  TABLE_NAME=latchkey latchkey serve --listen :8080 --monitor 127.0.0.1:9464`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			var s serveConfig
			if err := config.Read(&s, config.Process()); err != nil {
				return usageError{err}
			}
			s.Listen, s.Monitor = cmp.Or(flags.Listen, s.Listen), cmp.Or(flags.Monitor, s.Monitor)
			s.Cert, s.Key, s.State = cmp.Or(flags.Cert, s.Cert), cmp.Or(flags.Key, s.Key), cmp.Or(flags.State, s.State)
			if err := s.check(); err != nil {
				return usageError{err}
			}
			return s.run(c.Context(), c.ErrOrStderr())
		},
	}
	textFlag(c.Flags(), &flags.Listen, "listen", "", "`ADDRESS` and port for clients, such as :8080", checkListen)
	textFlag(c.Flags(), &flags.Monitor, "monitor", "", "`ADDRESS` and port for monitoring", checkListen)
	c.Flags().StringVar(&flags.Cert, "tls-cert", "", "`FILE` of the certificate, with its chain")
	c.Flags().StringVar(&flags.Key, "tls-key", "", "`FILE` of the certificate's key")
	c.Flags().StringVar(&flags.State, "state", "", "`DIR` of an engine that the server starts")
	return c
}

func (s serveConfig) check() error {
	variables := config.Process()
	switch {
	case (s.Cert == "") != (s.Key == ""):
		return errors.New("--tls-cert and --tls-key need each other")
	case s.State == "" && variables["TABLE_NAME"] == "":
		return errors.New("needs a table: set TABLE_NAME to one of DynamoDB, or say --state with a folder")
	case s.State != "" && variables["TABLE_NAME"] != "":
		return errors.New("TABLE_NAME and --state exclude each other")
	case s.State != "" && variables["SECRET_ARN"] != "":
		return errors.New("SECRET_ARN and --state exclude each other: the folder has a secret of its own")
	case s.State != "" && secretFile() != "":
		return errors.New("LATCHKEY_SECRET_FILE and --state exclude each other: the folder has a secret of its own")
	case s.Connections < 1 || s.Connections > 1_000_000:
		return errors.New("MAX_CONNECTIONS must be from 1 to 1000000")
	case s.DrainDelay < 0 || time.Duration(s.DrainDelay) > 10*time.Minute:
		return errors.New("DRAIN_DELAY must be from 0 to 600 seconds")
	case s.Port < 0 || s.Port > 65535:
		return errors.New("PORT must be from 0 to 65535")
	}
	return nil
}

func (s serveConfig) run(ctx context.Context, log io.Writer) error {
	logger := slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: s.LogLevel})).With("service", "serve")
	template, err := s.Routing.template()
	if err != nil {
		return err
	}
	o := serve.Options{Connections: s.Connections, DrainDelay: time.Duration(s.DrainDelay), Logger: logger}
	if s.Cert != "" {
		if o.Certificate, err = serve.LoadCertificate(s.Cert, s.Key); err != nil {
			return usageError{err}
		}
	}
	if o.Listener, o.MonitorListener, err = s.listen(); err != nil {
		return err
	}
	defer o.Listener.Close()
	if o.MonitorListener != nil {
		defer o.MonitorListener.Close()
	}
	open, stop, err := s.store(ctx, template, log, logger)
	if err != nil {
		return err
	}
	defer stop() // after the instance has given back its leases
	o.Build = func(ctx context.Context) (*serve.App, error) {
		i, err := open(ctx)
		if err != nil {
			return nil, err
		}
		if err := checkSecret(ctx, i); errors.Is(err, errDamagedSecret) || errors.Is(err, errAnotherSecret) {
			return nil, err
		}
		return serve.New(i, template, time.Now, logger)
	}
	server, err := serve.NewServer(ctx, o)
	if err != nil {
		return err
	}
	s.tuneGarbage()
	s.greet(logger, o)
	server.Supervise(ctx)
	return server.Run(ctx)
}

// listen returns the sockets of systemd, or opens those that the configuration names.
func (s serveConfig) listen() (clients, monitor net.Listener, err error) {
	clients, monitor, err = serve.Sockets()
	if err == nil && clients == nil {
		clients, err = net.Listen("tcp", cmp.Or(s.Listen, net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port))))
	}
	if err == nil && monitor == nil && s.Monitor != "" {
		if monitor, err = net.Listen("tcp", s.Monitor); err != nil {
			clients.Close()
		}
	}
	if err != nil {
		return nil, nil, fmt.Errorf("listen: %w", err)
	}
	return clients, monitor, nil
}

// store returns a function that opens an instance with a configuration and a secret that it has just
// read. stop ends the engine, if the server has started one.
func (s serveConfig) store(ctx context.Context, t *sam.Template, notices io.Writer, logger *slog.Logger) (
	open func(context.Context) (*instance.Instance, error), stop func(), err error,
) {
	if s.State != "" {
		return s.engine(ctx, t, notices, logger)
	}
	return func(ctx context.Context) (*instance.Instance, error) {
		c, err := fromEnvironment()
		if err != nil {
			return nil, err
		}
		c.Service = cmp.Or(c.Service, "serve")
		loaded, err := account{}.load(ctx)
		if errors.Is(err, errNoRegion) {
			return nil, usageError{errors.New("no AWS region is set: set AWS_REGION, such as eu-west-1")}
		}
		if err != nil {
			return nil, err
		}
		return instance.New(ctx, c, amazon.Concurrent(amazon.Patient(loaded)), time.Now, logger)
	}, func() {}, nil
}

// engine starts an engine on the folder, with a table, a secret and an admin key.
func (s serveConfig) engine(ctx context.Context, t *sam.Template, notices io.Writer, logger *slog.Logger) (
	open func(context.Context) (*instance.Instance, error), stop func(), err error,
) {
	folder := state(s.State)
	lock, err := folder.open()
	if err != nil {
		return nil, nil, err
	}
	ends := []func(){func() { lock.Close() }}
	end := func() {
		for _, e := range slices.Backward(ends) {
			e()
		}
	}
	defer func() {
		if err != nil {
			end()
		}
	}()
	made, err := folder.makeSecret()
	if err != nil {
		return nil, nil, err
	}
	d := devConfig{State: s.State, RootKey: s.RootKey, Endpoint: s.Endpoint, Engine: s.Engine, Engines: s.Engines}
	endpoint, endEngine, err := d.startEngine(ctx, folder, notices, logger)
	if err != nil {
		return nil, nil, err
	}
	ends = append(ends, endEngine)
	l := localStack{state: folder, endpoint: endpoint, template: t, logger: logger}
	if _, err := l.prepare(ctx, d, made); err != nil {
		return nil, nil, err
	}
	withdraw, err := folder.publish(endpoint)
	if err != nil {
		return nil, nil, err
	}
	ends = append(ends, withdraw)
	return func(ctx context.Context) (*instance.Instance, error) {
		c, err := folder.config(endpoint, config.Process())
		if err != nil {
			return nil, err
		}
		c.Service = cmp.Or(c.Service, "serve")
		return instance.New(ctx, c, amazon.Concurrent(amazon.Local()), time.Now, logger)
	}, end, nil
}

// tuneGarbage collects garbage later than usual, unless a variable of Go's says when: a check makes
// much garbage and keeps nothing of it.
func (s serveConfig) tuneGarbage() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(800)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(512 << 20)
	}
}

// greet logs where the server listens. It warns if keys can travel through a network in plain text.
func (s serveConfig) greet(logger *slog.Logger, o serve.Options) {
	attrs := []any{"address", o.Listener.Addr().String(), "tls", o.Certificate != nil}
	if o.MonitorListener != nil {
		attrs = append(attrs, "monitor", o.MonitorListener.Addr().String())
	}
	logger.Info("ready", attrs...)
	at, err := netip.ParseAddrPort(o.Listener.Addr().String())
	if o.Certificate == nil && err == nil && !at.Addr().IsLoopback() {
		logger.Warn("without --tls-cert, keys travel in plain text up to the proxy that ends TLS")
	}
}
