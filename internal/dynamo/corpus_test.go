package dynamo_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"latchkey/internal/apikey"
	"latchkey/internal/audit"
	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/gate"
	"latchkey/internal/pepper"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

// corpus is the state that one version left: see testdata/schemas/README.md.
type corpus struct {
	Written time.Time
	Secret  struct {
		Master  string
		Peppers []string
	}
	Keys map[string]struct {
		ID, Token, Previous, Reason string
		Spent                       int64
	}
	Items []map[string]stored
}

// stored is an attribute in DynamoDB's JSON.
type stored struct {
	S    *string
	N    *string
	B    *string
	BOOL *bool
	NULL *bool
	L    *[]stored
	M    *map[string]stored
}

func (s stored) value(t *testing.T) types.AttributeValue {
	t.Helper()
	switch {
	case s.S != nil:
		return letters(*s.S)
	case s.N != nil:
		return &types.AttributeValueMemberN{Value: *s.N}
	case s.B != nil:
		data, err := base64.StdEncoding.DecodeString(*s.B)
		if err != nil {
			t.Fatal(err)
		}
		return &types.AttributeValueMemberB{Value: data}
	case s.BOOL != nil:
		return &types.AttributeValueMemberBOOL{Value: *s.BOOL}
	case s.NULL != nil:
		return &types.AttributeValueMemberNULL{Value: true}
	case s.L != nil:
		list := &types.AttributeValueMemberL{}
		for _, e := range *s.L {
			list.Value = append(list.Value, e.value(t))
		}
		return list
	case s.M != nil:
		m := &types.AttributeValueMemberM{Value: attributes{}}
		for name, e := range *s.M {
			m.Value[name] = e.value(t)
		}
		return m
	}
	t.Fatalf("a value of no type: %+v", s)
	return nil
}

// deployment runs the present code on a table that an earlier version wrote.
type deployment struct {
	corpus
	o      dynamo.Options
	r      *registry.Registry
	gate   *gate.Gate
	format apikey.Format
	now    time.Time
}

func deploy(t *testing.T, file string) *deployment {
	t.Helper()
	d := &deployment{o: dynamotest.Options(t)}
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &d.corpus)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range d.Items {
		whole := attributes{}
		for name, value := range i {
			whole[name] = value.value(t)
		}
		put(t, d.o, whole)
	}
	d.now = d.Written.Add(time.Second)
	now := func() time.Time { return d.now }
	if d.format, err = apikey.NewFormat("sk"); err != nil {
		t.Fatal(err)
	}
	hasher, err := pepper.NewHasher(d.Secret.Master, d.Secret.Peppers)
	if err != nil {
		t.Fatal(err)
	}
	hashing := func(context.Context) (pepper.Hasher, error) { return hasher, nil }
	table := dynamo.Open(d.o)
	d.r = registry.New(registry.Options{
		Store: table, Hasher: hashing, Reread: hashing, Format: d.format, Random: rand.Reader, Now: now, MaxKeys: 50, AuditRetention: 365 * 24 * time.Hour,
		Pause: func(_ context.Context, wait time.Duration) error { d.now = d.now.Add(wait); return nil },
	})
	d.gate = gate.New(table, ratelimit.New(table, now, 100), gate.Options{
		Keyring: func(context.Context) (gate.Keyring, error) { return gate.Keyring{Hasher: hasher}, nil }, Reread: hashing,
		Logger: slog.New(slog.DiscardHandler), Patience: 30 * time.Second, Environments: []apikey.Environment{apikey.Live},
		Clock: gate.ClockOf(now), Remember: 100,
	})
	return d
}

func (d *deployment) root() registry.Caller {
	return registry.Caller{UserID: "operator", Scopes: apikey.Scopes{apikey.ScopeAdmin}}
}

// check spends one token.
func (d *deployment) check(t *testing.T, token string) apikey.Verdict {
	t.Helper()
	v, err := d.gate.Check(t.Context(), gate.Request{
		Credential: d.format.Credential(token), Cost: 1, Source: netip.MustParseAddr("127.0.0.1"), Time: d.now,
	})
	if err != nil {
		t.Errorf("a check fails: %v", err)
	}
	return v
}

// standings returns the standing of each key. No key may be broken.
func (d *deployment) standings(t *testing.T) map[string]audit.Standing {
	t.Helper()
	ids, err := dynamo.Open(d.o).Trails(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]audit.Standing)
	for _, id := range ids {
		c, err := d.r.CheckTrail(t.Context(), id)
		if err != nil {
			t.Errorf("verify: %v", err)
		}
		all[id] = c.Standing
	}
	return all
}

// written is how far a key's record was authenticated by the version that wrote it.
func (d *deployment) written(id string) audit.Standing {
	standing := audit.Untrailed
	for _, i := range d.Items {
		switch pk := *i["pk"].S; {
		case pk == "head#"+id, pk == "heads#"+id:
			return audit.Authentic
		case pk == "key#"+id && strings.HasPrefix(*i["sk"].S, "audit#"):
			standing = audit.Unsealed
		}
	}
	return standing
}

// The items of every version can be read, spent, changed, rotated, verified and deleted.
func TestStateOfEachSchema(t *testing.T) {
	files, err := filepath.Glob("testdata/schemas/*.json")
	if err != nil || len(files) < 13 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			if file != files[len(files)-1] {
				if testing.Short() {
					t.Skip("the newest schema is enough to show races")
				}
				dynamotest.AnyEngine(t)
			}
			testState(t, deploy(t, file))
		})
	}
}

func testState(t *testing.T, d *deployment) {
	want := map[string]apikey.Code{
		"disabled": apikey.CodeDisabled, "revoked": apikey.CodeRevoked, "deleted": apikey.CodeUnknown,
		"suspended": apikey.CodeUserSuspended,
	}
	live := func(label string) bool { return want[label] == "" }
	for id, standing := range d.standings(t) {
		if id != d.Keys["deleted"].ID && standing != d.written(id) {
			t.Errorf("%s: standing %d, want %d", id, standing, d.written(id))
		}
	}

	// Each token is judged, and earlier spending counts.
	for label, k := range d.Keys {
		v := d.check(t, k.Token)
		if code := want[label]; v.Code != code && !(live(label) && v.Valid()) {
			t.Errorf("%s: %s", label, v.Code)
		}
		if v.Key != nil && v.Key.Revocation.Reason != k.Reason {
			t.Errorf("%s: the reason is %q, want %q", label, v.Key.Revocation.Reason, k.Reason)
		}
		if k.Previous != "" {
			if v := d.check(t, k.Previous); !v.Valid() {
				t.Errorf("%s: the token in its grace: %s", label, v.Code)
			}
		}
	}
	if hashed, ok := d.Keys["hashed"]; ok { // that it was used has replaced its plain hash
		if record, err := dynamo.Open(d.o).Find(t.Context(), hashed.ID); err != nil || record.Key.Secrets[0].Algorithm != "hmac-sha256" {
			t.Errorf("hashed: it is not hashed anew: %v", err)
		}
	}
	hour := d.Keys["hour"]
	admitted := int64(1)
	for d.check(t, hour.Token).Code == apikey.CodeValid {
		admitted++
	}
	if limit := int64(10); admitted+hour.Spent > limit || admitted+hour.Spent < limit-3 {
		t.Errorf("%d were spent, and %d are admitted of %d an hour", hour.Spent, admitted, limit)
	}

	if _, ok := d.Keys["planned"]; ok {
		testPolicies(t, d)
	}

	// Another window is taken, as of then.
	for label, k := range d.Keys {
		if !live(label) || label == "unlimited" {
			continue
		}
		_, err := d.r.Update(t.Context(), d.root(), k.ID, func(*apikey.Key) (apikey.Change, error) {
			return apikey.Change{Limit: &ratelimit.Limit{Requests: 500, Window: 30 * time.Minute}}, nil
		})
		if err != nil {
			t.Errorf("%s: update: %v", label, err)
		}
		d.now = d.now.Add(time.Second)
		if v := d.check(t, k.Token); !v.Valid() {
			t.Errorf("%s: with another window: %s", label, v.Code)
		}
	}

	// Lists and usage.
	others := 5
	if _, ok := d.Keys["planned"]; ok {
		others += 4
	}
	for user, least := range map[string]int{"u1": len(d.Keys) - others} {
		page, err := d.r.List(t.Context(), d.root(), registry.Query{UserID: user, Limit: 100})
		if err != nil || len(page.Keys) < least {
			t.Errorf("%s has %d keys, %v", user, len(page.Keys), err)
		}
	}
	plain := d.Keys["plain"].ID
	used, err := d.r.Usage(t.Context(), d.root(), plain, registry.Days{From: d.now.AddDate(0, -1, 0), To: d.now.AddDate(0, 0, 2)})
	if err != nil {
		t.Errorf("usage: %v", err)
	}
	if slices.ContainsFunc(d.Items, func(i map[string]stored) bool {
		return *i["pk"].S == "key#"+plain && *i["sk"].S == "usage#202612"
	}) &&
		!slices.Contains(used.Days, ratelimit.DayUsage{Day: 20261201, Used: 7}) {
		t.Errorf("used: %v", used)
	}

	for label, k := range d.Keys {
		if !live(label) {
			continue
		}
		issued, err := d.r.Rotate(t.Context(), d.root(), k.ID, 0)
		if err != nil {
			t.Errorf("%s: rotate: %v", label, err)
			continue
		}
		d.now = d.now.Add(time.Second)
		if v := d.check(t, issued.Token.Reveal()); !v.Valid() {
			t.Errorf("%s: rotated: %s", label, v.Code)
		}
		if v := d.check(t, k.Token); v.Code != apikey.CodeRevoked {
			t.Errorf("%s: the token before: %s", label, v.Code)
		}
	}
	if _, err := d.r.Update(t.Context(), d.root(), d.Keys["disabled"].ID, func(*apikey.Key) (apikey.Change, error) {
		return apikey.Change{Enabled: ptr(true)}, nil
	}); err != nil || d.check(t, d.Keys["disabled"].Token).Code != apikey.CodeValid {
		t.Errorf("enable: %v", err)
	}

	// A change seals the record. Its unknown earlier state stays unknown.
	standings := d.standings(t)
	for label, k := range d.Keys {
		want := audit.Authentic
		switch {
		case label == "deleted":
			continue
		case label == "revoked", label == "suspended":
			want = d.written(k.ID)
		case d.written(k.ID) == audit.Untrailed:
			want = audit.Partial
		}
		if standings[k.ID] != want {
			t.Errorf("%s: standing %d after a change, want %d", label, standings[k.ID], want)
		}
	}
	if _, _, err := d.r.Create(t.Context(), d.root(), "u1", apikey.Live, apikey.Change{}); err != nil {
		t.Errorf("create: %v", err)
	}
	for label, k := range d.Keys {
		if err := d.r.Delete(t.Context(), d.root(), k.ID); err != nil && !(label == "deleted" && errors.Is(err, apikey.ErrNotFound)) {
			t.Errorf("%s: delete: %v", label, err)
		}
	}
	d.standings(t)
	for label, k := range d.Keys {
		d.now = d.now.Add(time.Second)
		if v := d.check(t, k.Token); v.Code != apikey.CodeUnknown {
			t.Errorf("%s: deleted: %s", label, v.Code)
		}
	}
}

// testPolicies tests what is set for users, and plans. It leaves the keys of the corpus as they are.
func testPolicies(t *testing.T, d *deployment) {
	table := dynamo.Open(d.o)
	record, err := table.User(t.Context(), "u4")
	if err != nil || record.User == nil || record.User.Plan != "pro" || record.User.Quota.Period != ratelimit.Lifetime {
		t.Fatalf("u4: %+v, %v", record.User, err)
	}
	spent := make(map[string]int64)
	for _, m := range record.Meters {
		spent[m.ID] = m.Meter.Net
	}
	id := apikey.UserMeter("u4", "lifetime")
	if before := d.Keys["planned"].Spent; spent[id] != before+1 {
		t.Errorf("%d credits are spent of %v, %d were before", spent[id], spent, before)
	}
	plan, err := table.Plan(t.Context(), "pro")
	if err != nil {
		t.Fatal(err)
	}
	changed := *plan
	changed.Life.MaxDays++
	// A plan of an earlier version has a limit that the table cannot count. It holds until the plan is
	// put again.
	if _, err := d.r.PutPlan(t.Context(), d.root(), changed); (err != nil) != (changed.User.Limits[0].Requests > 1000) {
		t.Errorf("a plan is put with %d a second: %v", changed.User.Limits[0].Requests, err)
	}
	changed.User.Limits = []ratelimit.Limit{{Requests: 1000, Window: time.Second}}
	if p, err := d.r.PutPlan(t.Context(), d.root(), changed); err != nil || p.Rev <= plan.Rev || len(p.Key.Limits) != 1 {
		t.Errorf("put: %+v, %v", p, err)
	}
	u, err := d.r.SetUser(t.Context(), d.root(), "u4", apikey.UserChange{Plan: ptr("basic")}, false)
	if err != nil || u.Rev <= record.User.Rev || u.Quota != record.User.Quota {
		t.Errorf("set: %+v, %v", u, err)
	}
	if u, err := d.r.AddUserCredits(t.Context(), d.root(), "u4", 5); err != nil || u.Quota.Requests != record.User.Quota.Requests+5 {
		t.Errorf("credits: %+v, %v", u, err)
	}
	if u, err := d.r.SetUser(t.Context(), d.root(), "u5", apikey.UserChange{Suspended: ptr(false)}, false); err != nil || u.Suspended {
		t.Errorf("resume: %+v, %v", u, err)
	}
	d.now = d.now.Add(time.Second)
	if v := d.check(t, d.Keys["suspended"].Token); !v.Valid() {
		t.Errorf("resumed: %s", v.Code)
	}
	for subject, standing := range d.standings(t) {
		if _, isUser := apikey.SubjectUser(subject); isUser && standing != audit.Authentic {
			t.Errorf("%s: standing %d", subject, standing)
		}
	}
}
