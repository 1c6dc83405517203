//go:build browser

package browsertest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"latchkey/internal/oidc/oidctest"
)

// people makes the issuer sign users in without a page: it asks no question, and sends the browser
// back at once.
type people struct {
	mu     sync.Mutex
	next   map[string]any // the claims of the next user
	change func(authorize url.Values, token map[string]any)
	asked  map[string]url.Values // the authorization request of each code
}

// SetUser says who signs in at the issuer next, by the claims of the token. The claim sub is required.
// change may be nil. Otherwise it may change the issuer's redirect to the console, and its answer to the
// request for a token.
func SetUser(t testing.TB, claims map[string]any, change func(back url.Values, token map[string]any)) {
	t.Helper()
	p := &running.people
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next, p.change = claims, change
}

func (p *people) serve(issuer *oidctest.Issuer) {
	p.asked = make(map[string]url.Values)
	mux := http.NewServeMux()
	mux.HandleFunc("/", issuer.Own)
	mux.HandleFunc("GET /authorize", func(w http.ResponseWriter, r *http.Request) { p.authorize(w, r) })
	mux.HandleFunc("/oauth/token", func(w http.ResponseWriter, r *http.Request) { p.token(issuer, w, r) })
	issuer.Answer(mux.ServeHTTP)
}

func (p *people) authorize(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q, code := r.URL.Query(), rand.Text()
	back, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || q.Get("client_id") != ClientID || q.Get("response_type") != "code" ||
		q.Get("code_challenge_method") != "S256" || q.Get("audience") != oidctest.Audience {
		http.Error(w, "a wrong request", http.StatusBadRequest)
		return
	}
	p.asked[code] = q
	answer := url.Values{"code": {code}, "state": {q.Get("state")}}
	if p.change != nil {
		p.change(answer, nil)
	}
	back.RawQuery = answer.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

func (p *people) token(issuer *oidctest.Issuer, w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("Content-Type", "application/json")
	asked := p.asked[r.FormValue("code")]
	delete(p.asked, r.FormValue("code"))
	sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	if asked == nil || asked.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) ||
		asked.Get("redirect_uri") != r.FormValue("redirect_uri") {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]any{"error": "invalid_grant"})
		return
	}
	claims := issuer.Claims("nobody")
	maps.Copy(claims, p.next)
	id := maps.Clone(claims)
	id["aud"], id["nonce"] = ClientID, asked.Get("nonce")
	answer := map[string]any{"access_token": claims, "id_token": id, "token_type": "Bearer", "expires_in": 300}
	if p.change != nil {
		p.change(nil, answer)
	}
	for _, name := range []string{"access_token", "id_token"} {
		if c, ok := answer[name].(map[string]any); ok {
			answer[name] = issuer.Sign(c)
		}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// Expired returns the end of a token that works for another second.
func Expired() int64 { return time.Now().Add(time.Second).Unix() }
