package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/spf13/cobra"

	"latchkey/internal/apikey"
	"latchkey/internal/config"
	"latchkey/internal/dynamo"
	"latchkey/internal/instance"
	"latchkey/internal/local"
	"latchkey/internal/local/engine"
	"latchkey/internal/local/sam"
)

const defaultState = ".latchkey"

// devConfig is the configuration of the local stack, beside the functions' own variables.
type devConfig struct {
	Port     int              `env:"PORT" envDefault:"3000"`
	State    string           `env:"STATE" envDefault:".latchkey"`
	RootKey  config.Sensitive `env:"ROOT_KEY"`
	Endpoint string           `env:"DYNAMODB_ENDPOINT"`
	Engine   engine.Kind      `env:"ENGINE" envDefault:"dynoxide"`
	Engines  string           `env:"ENGINE_DIR" envDefault:".latchkey/engine"`
	Template string           `env:"TEMPLATE"` // the embedded one if empty
	LogLevel slog.Level       `env:"LOG_LEVEL" envDefault:"INFO"`
	// BackendURL is the API behind every path that is not latchkey's own. If empty, there is none.
	BackendURL string `env:"BACKEND_URL"`
	// PlainBackendURL is such an API in place of BackendURL. It may be reached by http in any network.
	PlainBackendURL string `env:"PLAIN_BACKEND_URL"`
	// Audience is the template's AssertionAudience. If empty, it is the URL of the API.
	Audience string `env:"ASSERTION_AUDIENCE"`
	// OwnPrefix and Console are the template's OwnPrefix and ConsoleEnabled.
	OwnPrefix string `env:"OWN_PREFIX" envDefault:"auto"`
	Console   bool   `env:"CONSOLE_ENABLED" envDefault:"true"`
	// ProtectValidate makes validate require a key of the calling service.
	ProtectValidate bool `env:"PROTECT_VALIDATE"`
	// CORSOrigin, CORSHeaders and CORSMaxAge are the template's parameters. If empty, they have its
	// defaults. The functions read CORS_ORIGIN too.
	CORSOrigin  string `env:"CORS_ORIGIN"`
	CORSHeaders string `env:"CORS_HEADERS"`
	CORSMaxAge  string `env:"CORS_MAX_AGE"`
	Access      bool   `env:"ACCESS_LOG" envDefault:"true"`
}

func devCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "dev",
		Short: "Run the whole service on this machine",
		Long: `Runs API Gateway, the three functions and a table on this machine, in any folder
and with the same template, handlers, events and answers as on AWS. It is
ready when /latchkey/health answers 200. These variables configure it:

  PORT               port on 127.0.0.1 (3000; 0 for any free port)
  STATE              folder of its files (.latchkey)
  ROOT_KEY           token of the admin key, of 16 to 128 characters; without
                     it, latchkey makes one and stores it in $STATE/root-key
  DYNAMODB_ENDPOINT  URL of an engine that already runs; without it, latchkey
                     starts one
  ENGINE             dynoxide or dynamodb-local
  ENGINE_DIR         folder of the engine (.latchkey/engine); otherwise it is
                     dynoxide on PATH, or npm installs it into the user's
                     cache folder
  TEMPLATE           path of another template.yaml than this program's own
  LOG_LEVEL          DEBUG, INFO, WARN or ERROR
  BACKEND_URL        URL of the API that receives all other paths, with https or
                     at a loopback address
  PLAIN_BACKEND_URL  such a URL with http and any address
  ASSERTION_AUDIENCE the aud of X-Latchkey-Assertion (the URL of that API)
  OWN_PREFIX         whether /health, /openapi.json, /console/ and /docs/ are
                     latchkey's, and not only below /latchkey: none (yes),
                     latchkey (no), auto (if there is no BACKEND_URL)
  CONSOLE_ENABLED    whether there is a console (true)
  PROTECT_VALIDATE   whether a caller of validate must send a key of its own
                     (false)
  CORS_ORIGIN        origin whose pages may call the API (*), and with
  CORS_HEADERS       CORS_HEADERS and CORS_MAX_AGE the headers they may send
  CORS_MAX_AGE       and how long a browser remembers that, in seconds
  ACCESS_LOG         whether each request is a line on standard error (true):
                     time | key ID, or - | METHOD /path | status

The functions' own variables, such as FRESHNESS, are in
internal/docs/configuration.md.`,
		Example: `  latchkey dev
  PORT=8080 ROOT_KEY=an-admin-key-of-mine latchkey dev`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			var d devConfig
			if err := config.Read(&d, config.Process()); err != nil {
				return usageError{err}
			}
			if err := d.checkBackend(); err != nil {
				return usageError{err}
			}
			if !slices.Contains([]string{"auto", "latchkey", "none"}, d.OwnPrefix) {
				return usageError{errors.New("OWN_PREFIX must be auto, latchkey or none")}
			}
			if err := checkParameters(d.cors()); err != nil {
				return usageError{err}
			}
			logger := slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: d.LogLevel}))
			return d.run(c.Context(), c.OutOrStdout(), c.ErrOrStderr(), logger)
		},
	}
}

// setting is a variable that sets a parameter of the template.
type setting struct{ variable, parameter, value string }

// cors returns the settings about pages of other origins that are not empty.
func (d devConfig) cors() []setting {
	return slices.DeleteFunc([]setting{
		{"CORS_ORIGIN", "CorsOrigin", d.CORSOrigin}, {"CORS_HEADERS", "CorsHeaders", d.CORSHeaders},
		{"CORS_MAX_AGE", "CorsMaxAge", d.CORSMaxAge},
	}, func(s setting) bool { return s.value == "" })
}

// checkParameters reports the first of the settings that the template's parameter does not allow.
func checkParameters(settings []setting) error {
	known, err := sam.Parameters()
	if err != nil {
		return err
	}
	for _, s := range settings {
		if err := known[s.parameter].Check(s.value); err != nil {
			return fmt.Errorf("%s %w", s.variable, err)
		}
	}
	return nil
}

// checkBackend returns an error if a request could not be passed on, or if its key would travel
// through a network without encryption, unless PLAIN_BACKEND_URL allows that.
func (d devConfig) checkBackend() error {
	if d.BackendURL != "" && d.PlainBackendURL != "" {
		return errors.New("BACKEND_URL and PLAIN_BACKEND_URL must not both be set")
	}
	for _, c := range [...]struct{ name, url string }{
		{"BACKEND_URL", d.BackendURL}, {"PLAIN_BACKEND_URL", d.PlainBackendURL},
	} {
		if c.url != "" && (!config.ServiceURL(c.url) || strings.HasSuffix(c.url, "/")) {
			return fmt.Errorf("%s must be an http or https URL without user, query, fragment and / at its end", c.name)
		}
	}
	at, err := url.Parse(d.BackendURL)
	if err != nil || at.Scheme != "http" || at.Hostname() == "localhost" {
		return err
	}
	if address, err := netip.ParseAddr(at.Hostname()); err != nil || !address.IsLoopback() {
		return errors.New("BACKEND_URL must have https, unless its address is a loopback; " +
			"use PLAIN_BACKEND_URL if keys may travel without encryption")
	}
	return nil
}

// template reads the template that TEMPLATE names, or the program's own.
func (d devConfig) template() (*sam.Template, error) {
	if d.Template == "" {
		return sam.Own(d.parameters())
	}
	return sam.Load(d.Template, d.parameters())
}

// parameters returns the template's parameters. Only requests to revoke-by-token are throttled,
// because they cost the table most.
func (d devConfig) parameters() map[string]string {
	const unthrottled = "1000000000" // a rate and a burst that no machine reaches
	secure, plain := d.BackendURL, d.PlainBackendURL
	if strings.HasPrefix(secure, "http:") {
		secure, plain = "", secure
	}
	all := map[string]string{
		"BackendUrl": secure, "PlainBackendUrl": plain, "AssertionAudience": d.Audience,
		"ProtectValidate": strconv.FormatBool(d.ProtectValidate),
		"OwnPrefix":       d.OwnPrefix, "ConsoleEnabled": strconv.FormatBool(d.Console),
		"ApiRate": unthrottled, "ApiBurst": unthrottled, "ValidateRate": unthrottled, "ValidateBurst": unthrottled,
		"PageRate": unthrottled, "PageBurst": unthrottled,
	}
	for _, s := range d.cors() {
		all[s.parameter] = s.value
	}
	return all
}

func (d devConfig) run(ctx context.Context, out, access io.Writer, logger *slog.Logger) error {
	template, err := d.template()
	if err != nil {
		return err
	}
	s := state(d.State)
	lock, err := s.open()
	if err != nil {
		return err
	}
	defer lock.Close()
	made, err := s.makeSecret()
	if err != nil {
		return err
	}
	// A port in use is the likeliest mistake, so it shows before an engine is started.
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(d.Port)))
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	defer listener.Close()

	endpoint, stop, err := d.startEngine(ctx, s, access, logger)
	if err != nil {
		return err
	}
	defer stop() // after all requests have ended
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	l := localStack{state: s, endpoint: endpoint, template: template, logger: logger}
	token, err := l.prepare(ctx, d, made)
	if err != nil {
		return err
	}
	withdraw, err := s.publish(endpoint)
	if err != nil {
		return err
	}
	defer withdraw()
	gateway, err := local.NewReloader(func() (http.Handler, error) { return l.gateway(ctx) })
	if err != nil {
		return err
	}
	defer gateway.Close() // before the engine ends
	go gateway.ReloadOnHangup(ctx, logger)
	var served http.Handler = gateway
	if d.Access {
		served = local.AccessLog(gateway, access, time.Now)
	}
	// Collecting the garbage of each check would cost more time than memory is worth on a laptop. The
	// limit is for large bodies.
	debug.SetGCPercent(800)
	debug.SetMemoryLimit(256 << 20)
	greet(out, listener.Addr().String(), consolePath(template), token.Reveal(), s)
	return local.Serve(ctx, listener, served)
}

// localStack is a stack on a folder whose engine runs.
type localStack struct {
	state    state
	endpoint string
	template *sam.Template
	logger   *slog.Logger
}

// open reads the configuration and the secret, and returns an instance with them.
func (l localStack) open(ctx context.Context) (config.Config, *instance.Instance, error) {
	c, err := l.state.config(l.endpoint, config.Process())
	if err != nil {
		return config.Config{}, nil, err
	}
	e, err := newInstance(ctx, c, account{}, l.logger)
	return c, e, err
}

// prepare makes the table and the admin key, unless they exist, and returns the admin key's token.
// made says that the stack's secret was just made.
func (l localStack) prepare(ctx context.Context, d devConfig, made bool) (apikey.Token, error) {
	c, e, err := l.open(ctx)
	if err != nil {
		return apikey.Token{}, err
	}
	if err := createTable(ctx, e.Table, l.template.Table); err != nil {
		return apikey.Token{}, err
	}
	if err := checkSecret(ctx, e); err != nil {
		return apikey.Token{}, l.state.explain(err, made, c, d.Endpoint)
	}
	token, err := d.rootKey(l.state, e.Format, c.Environments[0])
	if err != nil {
		return apikey.Token{}, err
	}
	return token, makeAdmin(ctx, e, "dev", token, c.Environments[0], apikey.OwnUser, "root")
}

// gateway returns a gateway with functions that have just read configuration and secret.
func (l localStack) gateway(ctx context.Context) (http.Handler, error) {
	c, e, err := l.open(ctx)
	if err != nil {
		return nil, err
	}
	// The functions read the secret when they first need it. A wrong secret must show before a new
	// gateway replaces one that works.
	if err := checkSecret(ctx, e); err != nil {
		return nil, err
	}
	return newGateway(ctx, l.template, c, l.logger)
}

// createTable waits up to 30 seconds for an engine that another process is about to start. It does not
// wait if an engine answers that it makes no such table.
func createTable(ctx context.Context, table *dynamo.Table, schema dynamo.Schema) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		err := table.CreateTable(ctx, schema)
		var answer *smithyhttp.ResponseError // of status 0 if the engine cannot be reached
		if err == nil || errors.As(err, &answer) && answer.HTTPStatusCode()/100 == 4 {
			return err
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
	}
}

// rootKey returns the token of the admin key. It comes from ROOT_KEY, or else from the state folder,
// or else is new.
func (d devConfig) rootKey(s state, format apikey.Format, env apikey.Environment) (apikey.Token, error) {
	if d.RootKey.Reveal() != "" {
		if problem := apikey.CheckConfigured(d.RootKey.Reveal()); problem != "" {
			return apikey.Token{}, usageError{errors.New("ROOT_KEY: " + problem)}
		}
		token, err := format.Parse(d.RootKey.Reveal())
		if err != nil {
			return apikey.Token{}, usageError{errors.New("ROOT_KEY looks like a token of latchkey, but is not one")}
		}
		return token, nil
	}
	text, err := read(s.rootKey())
	if err == nil {
		var token apikey.Token
		if token, err = format.Parse(text); err == nil {
			return token, nil
		}
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return apikey.Token{}, fmt.Errorf("read the root key in %s: %w", s.rootKey(), err)
	}
	token, err := format.New(env, rand.Reader)
	if err != nil {
		return apikey.Token{}, err
	}
	// The token is stored before the key is. A crash in between leaves no key whose token is lost.
	return token, keep(s.rootKey(), token.Reveal())
}

// consolePath returns the path of the template's console, or an empty text if it has none. The path
// without a prefix comes first.
func consolePath(t *sam.Template) string {
	path := ""
	for _, route := range t.Routes {
		if strings.HasSuffix(route.Path, "/console") && (path == "" || len(route.Path) < len(path)) {
			path = route.Path
		}
	}
	return path
}

func greet(out io.Writer, address, console, key string, s state) {
	fmt.Fprintf(out, "latchkey is ready at http://%s\n", address)
	if console != "" {
		fmt.Fprintf(out, "its console is at http://%s%s/\n", address, console)
	}
	fmt.Fprintf(out, `
admin key   %[2]s
files       %[3]s

  export ROOT='%[2]s'

  curl -s http://%[1]s/api/v1/api-keys -H "Authorization: Bearer $ROOT" -H 'content-type: application/json' \
    -d '{"name":"demo","userId":"u1","scopes":["tts"],"rateLimit":{"requests":5,"window":10}}'

  curl -i http://%[1]s/api/v1/whoami -H "X-API-Key: $ROOT"

`, address, key, filepath.Clean(string(s)))
}
