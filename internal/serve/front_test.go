package serve

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"latchkey/internal/config"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/fronttest"
	"latchkey/internal/instance"
	"latchkey/internal/local/sam"
)

func TestMain(m *testing.M) { dynamotest.Main(m) }

// newInstance returns an instance on a table of its own, with variables of a deployment.
func newInstance(t testing.TB, variables map[string]string) *instance.Instance {
	t.Helper()
	options, _ := dynamotest.Faulty(t)
	all := map[string]string{
		"TABLE_NAME": options.Name, "AWS_ENDPOINT_URL_DYNAMODB": options.Endpoint,
		"LATCHKEY_SECRET": `{"master":"` + strings.Repeat("m", 32) + `","peppers":[]}`,
	}
	maps.Copy(all, variables)
	c, err := config.Load(all)
	if err != nil {
		t.Fatal(err)
	}
	c.Local = true
	// An attempt that a busy machine does not answer in time would be repeated, and might spend tokens twice.
	options.AWS.HTTPClient = awshttp.NewBuildableClient().WithTimeout(options.AttemptTimeout)
	i, err := instance.New(t.Context(), c, options.AWS, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// newApp returns an App on an instance. Its throttles let every request pass.
func newApp(t testing.TB, i *instance.Instance) *App {
	t.Helper()
	template, err := sam.Own(map[string]string{
		"ApiRate": "1000000000", "ApiBurst": "1000000000", "ValidateRate": "1000000000", "ValidateBurst": "1000000000",
	})
	if err != nil {
		t.Fatal(err)
	}
	app, err := New(i, template, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return app
}

// The server is a front door as any other. It has no API behind it, so the tests ask for whoami.
func TestTheServerIsAFrontDoor(t *testing.T) {
	i := newInstance(t, fronttest.Variables())
	server := httptest.NewServer(newApp(t, i))
	defer server.Close()
	fronttest.Run(t, fronttest.Front{
		Tokens: fronttest.Fill(t, i), Lacks: []fronttest.Ability{fronttest.HasRoutes}, Path: "/api/v1/whoami",
		Send: func(t testing.TB, r fronttest.Request) fronttest.Answer {
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			text := strings.Replace(r.Line, "?a=b&", "?", 1) + " HTTP/1.1\r\n" // whoami takes no parameter a
			if !strings.Contains(strings.ToLower("\n"+strings.Join(r.Headers, "\n")), "\nhost:") {
				text += "Host: api.example.com\r\n"
			}
			for _, line := range r.Headers {
				text += line + "\r\n"
			}
			if r.Body != "" {
				text += fmt.Sprintf("Content-Length: %d\r\n", len(r.Body))
			}
			_, _ = io.WriteString(conn, text+"\r\n"+r.Body) // a server may close before it has all
			_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
			a, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				return fronttest.Answer{Outcome: fronttest.Rejected}
			}
			defer a.Body.Close()
			var body struct{ UserID string }
			_ = json.NewDecoder(a.Body).Decode(&body) // an error has no user
			switch a.StatusCode {
			case http.StatusOK:
				return fronttest.Answer{Outcome: fronttest.Allowed, User: body.UserID}
			case http.StatusUnauthorized:
				return fronttest.Answer{Outcome: fronttest.Refused}
			case http.StatusTooManyRequests:
				return fronttest.Answer{Outcome: fronttest.Limited}
			}
			return fronttest.Answer{Outcome: fronttest.Rejected}
		},
	})
}
