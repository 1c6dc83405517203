package migrate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"latchkey/internal/ratelimit"
)

// The forms of other services are read as a whole, and each key in them is written as
// the fields of a JSON line. What restricts a key there and cannot be kept here is an
// error of that key, unless Options.Ignore names it. The id of a consumer begins with
// the service's name: its keys are never added to a key of a key file, which may do more.

// Bounds of files that are read as a whole. YAML takes many times its length.
const (
	longestJSON = 256 << 20
	longestYAML = 16 << 20
)

// fields are one key, by the names of JSON Lines.
type fields map[string]json.RawMessage

func (f fields) put(name string, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		panic("migrate: a field that is no JSON") // texts, numbers and times are
	}
	f[name] = text
}

// found is a key in a foreign file, or the problem with it.
type found struct {
	line   int
	fields fields
	err    error
}

// document reads all keys of a file of another service.
func (r *Reader) document(form Form) source {
	var all []found
	read := false
	return func() (entry, error) {
		if !read {
			var err error
			if all, err = r.readDocument(form); err != nil {
				return entry{}, err
			}
			read = true
			if len(all) == 0 {
				return entry{}, &NotKeysError{Problem: "it holds no keys of the form " + string(form)}
			}
		}
		if len(all) == 0 {
			return entry{}, io.EOF
		}
		next := all[0]
		all[0], all = found{}, all[1:]
		e := entry{number: next.line, err: next.err}
		if e.err == nil {
			e.in, e.said, e.err = r.entry(next.fields)
		}
		return e, nil
	}
}

func (r *Reader) readDocument(form Form) ([]found, error) {
	most := int64(longestJSON)
	if form == Kong || form == APISIX {
		most = longestYAML
	}
	text, err := io.ReadAll(io.LimitReader(r.lines.in, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > most {
		return nil, &NotKeysError{Problem: fmt.Sprintf("files of this form may have %d MB at most: split it", most>>20)}
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	switch form {
	case Kong:
		return r.yamlDocument(text, r.kong)
	case APISIX:
		return r.yamlDocument(text, r.apisix)
	case Unkey:
		return jsonRecords(text, r.unkey, "keys", "data")
	}
	return jsonRecords(text, r.liteLLM, "keys", "data")
}

// jsonRecords reads the objects of a JSON document: one after another, in a list, or
// in a list that one of names holds.
func jsonRecords(text []byte, translate func(map[string]json.RawMessage) (fields, error), names ...string) (all []found, err error) {
	lines, counted := 1, 0
	lineAt := func(offset int) int { // offsets only grow
		lines += bytes.Count(text[counted:offset], []byte("\n"))
		counted = offset
		return lines
	}
	add := func(value json.RawMessage, end int) {
		f := found{line: lineAt(end - len(value))}
		var raw map[string]json.RawMessage
		if raw, f.err = object(value); f.err == nil {
			for name, v := range raw {
				if empty(v) {
					delete(raw, name)
				}
			}
			f.fields, f.err = translate(raw)
		}
		all = append(all, f)
	}
	var each func(value json.RawMessage, end int) error
	list := func(value json.RawMessage, end int) error {
		d, start := json.NewDecoder(bytes.NewReader(value)), end-len(value)
		_, _ = d.Token()
		for d.More() {
			var one json.RawMessage
			if err := d.Decode(&one); err != nil {
				return err
			}
			add(one, start+int(d.InputOffset()))
		}
		return nil
	}
	each = func(value json.RawMessage, end int) error {
		if value[0] == '[' {
			return list(value, end)
		}
		d, start := json.NewDecoder(bytes.NewReader(value)), end-len(value)
		if open, err := d.Token(); err != nil || open != json.Delim('{') {
			add(value, end)
			return nil
		}
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return err
			}
			var inner json.RawMessage
			if err := d.Decode(&inner); err != nil {
				return err
			}
			if text, ok := name.(string); ok && slices.Contains(names, text) && len(inner) > 0 && inner[0] == '[' {
				return list(inner, start+int(d.InputOffset()))
			}
		}
		add(value, end)
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	for {
		var value json.RawMessage
		err := d.Decode(&value)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err == nil {
			err = each(value, int(d.InputOffset()))
		}
		if err != nil {
			return nil, &NotKeysError{Problem: fmt.Sprintf("it is not JSON from line %d on", lineAt(max(counted, int(d.InputOffset()))))}
		}
	}
}

// empty reports whether a field says nothing.
func empty(value json.RawMessage) bool {
	switch string(bytes.Join(bytes.Fields(value), nil)) {
	case "null", `""`, "{}", "[]":
		return true
	}
	return false
}

// lost reports a restriction of a key that would be lost, or a field that could be one.
func lost(what, name string) error {
	switch {
	case restricting[name]:
		return fmt.Errorf("the %s %s restricts the key in a way that cannot be kept; --ignore %s imports the key without it", what, name, name)
	case nameable(name) || len(name) <= 40 && identifier.MatchString(name) && !likeSK.MatchString(name) && !likeKey.MatchString(name):
		return fmt.Errorf("the %s %s is not known and may restrict the key; --ignore %s imports the key without it", what, name, name)
	}
	return fmt.Errorf("the key has a %s that is not known and may restrict it; --ignore with its name imports the key without it", what)
}

// identifier is made of words, as names of fields and plugins are. A longer run of letters may
// be a token.
var identifier = regexp.MustCompile(`^[A-Za-z]{1,15}(?:[_-][A-Za-z]{1,15})*$|^[a-z]{1,15}(?:[A-Z][a-z]{1,15})+$`)

// restricting are fields and plugins of other services that take something from a key.
var restricting = set(`max_budget tpm_limit models max_parallel_requests model_max_budget model_rpm_limit model_tpm_limit allowed_routes allowed_cache_controls
	allowed_passthrough_routes object_permission_id max_budget_in_team budget_id permissions guardrails key_type
	remaining remaining_requests credits refill groups consumer_groups group_id
	acl ip-restriction rate-limiting-advanced ai-rate-limiting-advanced request-size-limiting request-termination response-ratelimiting bot-detection
	limit-req limit-conn consumer-restriction`)

func set(words string) map[string]bool {
	all := make(map[string]bool)
	for _, word := range strings.Fields(words) {
		all[word] = true
	}
	return all
}

// theirs are the names that key files and other services have for fields, by ours.
var theirs = map[Form]map[string]string{
	KeyFile: {"id": "key_id", "userId": "key_id", "name": "key_id"},
	LiteLLM: {"sha256": "token", "userId": "user_id", "expiresAt": "expires", "rateLimit.requests": "rpm_limit", "name": "key_alias"},
	Unkey:   {"sha256": "hash", "userId": "externalId", "expiresAt": "expires", "rateLimit.requests": "ratelimit", "rateLimit.window": "ratelimit", "metadata": "meta"},
	Kong:    {"userId": "consumer", "id": "consumer"},
	APISIX:  {"userId": "username", "id": "username"},
}

// kept are fields of other services that restrict nothing, by service.
var (
	keptLiteLLM = set(`key_name spend created_at created_by updated_at updated_by last_active last_refreshed_at team_id team_alias organization_id org_id project_id
		agent_id aliases config soft_budget soft_budget_cooldown budget_duration budget_reset_at model_spend rotation_count last_rotation_at auto_rotate rotation_interval
		key_rotation_at user_email user token_id key_id litellm_budget_table created_by_user access_group_ids router_settings policies duration`)
	keptUnkey = set(`id keyId apiId workspaceId keyAuthId keySpaceId forWorkspaceId start prefix createdAt createdAtM updatedAt updatedAtM lastUsedAt lastUsed roles
		permissions identityId identity migrationId byteLength recoverable encrypted ratelimitAsync ratelimitType environmentId pendingMigrationId`)
)

// liteLLM translates a row of LiteLLM's table of keys. Its token is the SHA-256 of the
// key, or the key itself where it was kept.
func (r *Reader) liteLLM(raw map[string]json.RawMessage) (fields, error) {
	out := fields{}
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		value := raw[name]
		switch {
		case r.ignores(name) || keptLiteLLM[name]:
		case name == "token" && raw["key"] == nil:
			if isToken(value) {
				out["key"] = value
			} else {
				out["sha256"] = value
			}
		case name == "token":
		case name == "key":
			out["key"] = value
		case name == "user_id":
			out["userId"] = value
		case name == "key_alias":
			out["name"] = value
		case name == "expires":
			out["expiresAt"] = value
		case name == "metadata":
			out["metadata"] = value
		case name == "blocked":
			if string(value) != "true" && string(value) != "false" {
				return nil, wrong("blocked", "must be true or false")
			}
			out.put("enabled", string(value) == "false")
		case name == "rpm_limit":
			n, err := strconv.ParseInt(string(value), 10, 64)
			if err != nil {
				return nil, wrong("rpm_limit", "must be a whole number")
			}
			out.put("rateLimit", map[string]int64{"requests": n, "window": 60})
		default:
			return nil, lost("field", name)
		}
	}
	return out, nil
}

// isToken reports whether a JSON text begins as LiteLLM's keys do.
func isToken(value json.RawMessage) bool { return bytes.HasPrefix(value, []byte(`"sk-`)) }

// unkey translates a key of Unkey's API, its table or a migration to it.
func (r *Reader) unkey(raw map[string]json.RawMessage) (fields, error) {
	out := fields{}
	columns := make(map[string]json.RawMessage) // of a limit
	for _, written := range slices.Sorted(maps.Keys(raw)) {
		value, name := raw[written], camel(written)
		switch {
		case r.ignores(written):
		case name == "hash":
			hash, err := unkeyHash(value)
			if err != nil {
				return nil, err
			}
			out["sha256"] = hash
		case name == "plaintext" || name == "key":
			out["key"] = value
		case name == "externalId" || name == "ownerId":
			out["userId"] = value
		case name == "identity":
			var identity struct{ ExternalID string }
			if json.Unmarshal(value, &identity) == nil && identity.ExternalID != "" && out["userId"] == nil {
				out.put("userId", identity.ExternalID)
			}
		case name == "name" || name == "enabled" || name == "environment":
			out[name] = value
		case name == "meta":
			var text string
			if json.Unmarshal(value, &text) == nil { // as its table has it
				value = json.RawMessage(text)
			}
			if !empty(value) {
				out["metadata"] = value
			}
		case name == "expires":
			at, err := unixMillis(value)
			if err != nil {
				return nil, wrong("expires", "must be a time, or milliseconds since 1970")
			}
			out["expiresAt"] = at
		case name == "ratelimit" || name == "ratelimits":
			limit, err := unkeyLimit(value)
			if err != nil {
				return nil, wrong(name, "must be one limit with a duration of whole seconds; --ignore "+name+" imports the key without it")
			}
			out.put("rateLimit", limit)
		case name == "ratelimitLimit" || name == "ratelimitDuration":
			columns[strings.ToLower(strings.TrimPrefix(name, "ratelimit"))] = value
		case name == "deletedAt" || name == "deletedAtM":
			return nil, errors.New("the key has been deleted")
		case keptUnkey[name]:
		default:
			return nil, lost("field", written)
		}
	}
	if len(columns) > 0 {
		value, _ := json.Marshal(columns) // JSON has been read
		limit, err := unkeyLimit(value)
		if err != nil || len(columns) < 2 || out["rateLimit"] != nil {
			return nil, wrong("ratelimitLimit", "must be one limit, with a ratelimitDuration of whole seconds; --ignore ratelimitLimit,ratelimitDuration imports the key without it")
		}
		out.put("rateLimit", limit)
	}
	if out["sha256"] == nil && out["key"] == nil {
		return nil, errors.New("the key has neither hash nor plaintext: Unkey's API shows neither; export the column hash of its table of keys")
	}
	return out, nil
}

func unkeyHash(value json.RawMessage) (json.RawMessage, error) {
	var variant struct{ Value, Variant string }
	if json.Unmarshal(value, &variant) != nil {
		return value, nil // a text, or an error later
	}
	if variant.Variant != "sha256_base64" && variant.Variant != "sha256_hex" {
		return nil, wrong("hash", "must be of the variant sha256_base64")
	}
	return json.Marshal(variant.Value)
}

func unixMillis(value json.RawMessage) (json.RawMessage, error) {
	if value[0] == '"' {
		return value, nil
	}
	ms, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil {
		return nil, err
	}
	return json.Marshal(time.UnixMilli(ms).UTC().Format(time.RFC3339Nano))
}

func unkeyLimit(value json.RawMessage) (map[string]int64, error) {
	type limit struct {
		Limit, Duration              int64
		RefillRate, RefillInterval   int64
		ID, Name, Type, Async        json.RawMessage
		AutoApply, RatelimitCategory json.RawMessage
	}
	var all []limit
	if value[0] != '[' {
		value = slices.Concat([]byte("["), value, []byte("]"))
	}
	if err := json.Unmarshal(value, &all); err != nil || len(all) != 1 {
		return nil, errors.New("not one limit")
	}
	one := all[0]
	if one.RefillRate > 0 && one.Duration == 0 {
		one.Limit, one.Duration = one.RefillRate, one.RefillInterval
	}
	if one.Duration%1000 != 0 {
		return nil, errors.New("not whole seconds")
	}
	return map[string]int64{"requests": one.Limit, "window": one.Duration / 1000}, nil
}

// yamlDocument reads YAML, which includes JSON except for its tabs.
func (r *Reader) yamlDocument(text []byte, read func(*yaml.Node) ([]found, error)) (all []found, err error) {
	if json.Valid(text) {
		text = bytes.ReplaceAll(text, []byte("\t"), []byte(" "))
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var document yaml.Node
		err := d.Decode(&document)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, &NotKeysError{Problem: "it is not YAML" + lineOf(err)}
		}
		keys, err := read(&document)
		if err != nil {
			return nil, err
		}
		all = append(all, keys...)
	}
}

// lineOf returns the line number in an error of the YAML package, whose text repeats the file.
func lineOf(err error) string {
	if m := yamlErrorLine.FindStringSubmatch(err.Error()); m != nil {
		return " from line " + m[1] + " on"
	}
	return ""
}

var yamlErrorLine = regexp.MustCompile(`^yaml: line (\d{1,9}):`)

// decode reads a node into to, without repeating it where it is something else.
func decode(node *yaml.Node, to any) error {
	if err := node.Decode(to); err != nil {
		return &NotKeysError{Problem: fmt.Sprintf("line %d has another form than such files have", max(node.Line, 1))}
	}
	return nil
}

// secretOf reads the text of a key. A tag of one's own is a reference.
func secretOf(node *yaml.Node) (string, error) {
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	switch {
	case node.Kind == 0 || node.Tag == "!!null":
		return "", wrong("key", "is missing")
	case strings.HasPrefix(node.Tag, "!") && !strings.HasPrefix(node.Tag, "!!"):
		return "", wrong("key", "is a reference to a secret in another place; write the secret itself")
	case node.Tag != "!!str":
		return "", wrong("key", "must be a text; a number stands in quotes")
	}
	return node.Value, nil
}

type kongPlugin struct {
	Name     string    `yaml:"name"`
	Enabled  *bool     `yaml:"enabled"`
	Consumer kongOwner `yaml:"consumer"`
	Config   yaml.Node `yaml:"config"`
}

// kongOwner names a consumer: by a text, or by an object.
type kongOwner struct{ ID, Username string }

func (o *kongOwner) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		o.ID = node.Value
		return nil
	}
	var named struct {
		ID       string `yaml:"id"`
		Username string `yaml:"username"`
	}
	err := node.Decode(&named)
	o.ID, o.Username = named.ID, named.Username
	return err
}

type kongKey struct {
	Key       yaml.Node `yaml:"key"`
	TTL       *int64    `yaml:"ttl"`
	CreatedAt *float64  `yaml:"created_at"`
	Consumer  kongOwner `yaml:"consumer"`
}

type kongConsumer struct {
	ID          string       `yaml:"id"`
	Username    string       `yaml:"username"`
	CustomID    string       `yaml:"custom_id"`
	Keys        []yaml.Node  `yaml:"keyauth_credentials"`
	Encrypted   []yaml.Node  `yaml:"keyauth_enc_credentials"`
	Plugins     []kongPlugin `yaml:"plugins"`
	Groups      []yaml.Node  `yaml:"groups"`
	Credentials yaml.Node    `yaml:"credentials"`
}

func (c kongConsumer) name() string {
	for _, name := range []string{c.Username, c.CustomID, c.ID} {
		if name != "" {
			return name
		}
	}
	return ""
}

// kong reads consumers and their keys from a declarative file or an answer of the
// Admin API.
func (r *Reader) kong(document *yaml.Node) (all []found, err error) {
	var file struct {
		Consumers []yaml.Node  `yaml:"consumers"`
		Keys      []yaml.Node  `yaml:"keyauth_credentials"`
		Encrypted []yaml.Node  `yaml:"keyauth_enc_credentials"`
		Plugins   []kongPlugin `yaml:"plugins"`
		Data      []yaml.Node  `yaml:"data"`
		Groups    []yaml.Node  `yaml:"consumer_groups"`
	}
	if err := decode(document, &file); err != nil {
		return nil, err
	}
	for _, node := range file.Data {
		var key kongKey
		if node.Decode(&key) == nil && key.Key.Kind != 0 {
			file.Keys = append(file.Keys, node)
		} else {
			file.Consumers = append(file.Consumers, node)
		}
	}
	read, consumers, err := kongConsumers(file.Consumers, file.Plugins)
	if err != nil {
		return nil, err
	}
	done := make(map[*kongConsumer]bool)
	for i := range read {
		c := &read[i]
		if named := consumers[c.name()]; named != nil {
			c = named // where two have one name, the last
		}
		if done[c] {
			continue
		}
		done[c] = true
		for n := range c.Keys {
			all = append(all, r.kongKey(&c.Keys[n], c))
		}
		for n := range c.Encrypted {
			all = append(all, found{line: c.Encrypted[n].Line, err: errKongEncrypted})
		}
	}
	for i := range file.Keys {
		var key kongKey
		if err := decode(&file.Keys[i], &key); err != nil {
			return nil, err
		}
		c := consumers[key.Consumer.ID]
		if c == nil {
			c = consumers[key.Consumer.Username]
		}
		if c == nil {
			c = &kongConsumer{ID: key.Consumer.ID, Username: key.Consumer.Username}
		}
		all = append(all, r.kongKey(&file.Keys[i], c))
	}
	for _, node := range file.Encrypted {
		all = append(all, found{line: node.Line, err: errKongEncrypted})
	}
	if len(file.Groups) > 0 && !r.ignores("consumer_groups") {
		for i := range all {
			if all[i].err == nil {
				all[i].err = lost("field", "consumer_groups")
			}
		}
	}
	return all, nil
}

// kongConsumers reads consumers and gives them their plugins. byName has each consumer by its id, its
// username and its custom id.
func kongConsumers(nodes []yaml.Node, plugins []kongPlugin) (all []kongConsumer, byName map[string]*kongConsumer, err error) {
	all, byName = make([]kongConsumer, len(nodes)), make(map[string]*kongConsumer)
	for i := range all {
		c := &all[i]
		if err := decode(&nodes[i], c); err != nil {
			return nil, nil, err
		}
		for _, name := range []string{c.ID, c.Username, c.CustomID} {
			if name != "" {
				byName[name] = c
			}
		}
	}
	for _, p := range plugins {
		for _, name := range []string{p.Consumer.ID, p.Consumer.Username} {
			if c := byName[name]; name != "" && c != nil {
				c.Plugins = append(c.Plugins, p)
				break
			}
		}
	}
	return all, byName, nil
}

var errKongEncrypted = errors.New("keys of key-auth-enc are encrypted: export them with deck, or the Admin API, which decrypt them, as keyauth_credentials")

func (r *Reader) kongKey(node *yaml.Node, c *kongConsumer) found {
	f := found{line: node.Line, fields: fields{}}
	var key kongKey
	if f.err = decode(node, &key); f.err != nil {
		f.err = errors.New("the key has another form than Kong's")
		return f
	}
	var token string
	if token, f.err = secretOf(&key.Key); f.err != nil {
		return f
	}
	f.fields.put("key", token)
	if name := c.name(); name != "" {
		f.fields.put("userId", name)
		f.fields.put("name", name)
		if key.TTL == nil {
			f.fields.put("id", "kong:"+name) // its keys share the consumer's limit
		}
	}
	if key.TTL != nil {
		if key.CreatedAt == nil {
			f.err = wrong("ttl", "counts from created_at, which is missing")
			return f
		}
		f.fields.put("expiresAt", time.Unix(int64(*key.CreatedAt)+*key.TTL, 0).UTC())
	}
	if len(c.Groups) > 0 && !r.ignores("groups") {
		f.err = lost("field", "groups")
		return f
	}
	for _, p := range c.Plugins {
		if p.Enabled != nil && !*p.Enabled || r.ignores(p.Name) {
			continue
		}
		if p.Name != "rate-limiting" {
			f.err = lost("plugin", p.Name)
			return f
		}
		if f.err = kongLimit(p.Config, f.fields); f.err != nil {
			return f
		}
	}
	return f
}

// kongLimit translates the plugin rate-limiting: one limit, and one quota.
func kongLimit(node yaml.Node, f fields) error {
	var c struct{ Second, Minute, Hour, Day, Month, Year *int64 }
	if decode(&node, &c) != nil {
		return errors.New("the plugin rate-limiting has another form than Kong's")
	}
	limits, quotas := 0, 0
	for _, bound := range []struct {
		n      *int64
		window int64
	}{{c.Second, 1}, {c.Minute, 60}, {c.Hour, 3600}} {
		if bound.n != nil {
			limits++
			f.put("rateLimit", map[string]int64{"requests": *bound.n, "window": bound.window})
		}
	}
	for _, bound := range []struct {
		n      *int64
		period ratelimit.Period
	}{{c.Day, ratelimit.Day}, {c.Month, ratelimit.Month}} {
		if bound.n != nil {
			quotas++
			f.put("quota", map[string]any{"requests": *bound.n, "period": bound.period})
		}
	}
	if limits > 1 || quotas > 1 || c.Year != nil || limits+quotas == 0 {
		return errors.New("the plugin rate-limiting has bounds that a key cannot have together: one of second, minute and hour, and one of day and month; " +
			"--ignore rate-limiting imports the key with the default limit")
	}
	return nil
}

type apisixConsumer struct {
	ID          string               `yaml:"id"`
	Username    string               `yaml:"username"`
	GroupID     string               `yaml:"group_id"`
	Plugins     map[string]yaml.Node `yaml:"plugins"`
	Credentials []yaml.Node          `yaml:"credentials"`
}

type apisixCredential struct {
	Type    string               `yaml:"type"`
	Config  yaml.Node            `yaml:"config"`
	Plugins map[string]yaml.Node `yaml:"plugins"`
}

type apisixItem struct {
	Path  string    `yaml:"key"` // in etcd, such as /apisix/consumers/jack
	Value yaml.Node `yaml:"value"`
}

// apisix reads consumers and their keys from apisix.yaml, ADC's file or an answer of
// the Admin API.
func (r *Reader) apisix(document *yaml.Node) (all []found, err error) {
	var file struct {
		Consumers []yaml.Node  `yaml:"consumers"`
		List      []apisixItem `yaml:"list"`
		Node      struct {
			Nodes []apisixItem `yaml:"nodes"`
		} `yaml:"node"`
		apisixItem `yaml:",inline"`
	}
	if err := decode(document, &file); err != nil {
		return nil, err
	}
	items := append(file.List, file.Node.Nodes...)
	if file.Value.Kind != 0 {
		items = append(items, file.apisixItem)
	}
	for _, node := range file.Consumers {
		items = append(items, apisixItem{Value: node})
	}
	consumers := make(map[string]apisixConsumer)
	read := make([]apisixConsumer, len(items))
	for i := range items {
		c := &read[i]
		if err := decode(&items[i].Value, c); err != nil {
			return nil, err
		}
		for _, path := range []string{items[i].Path, c.ID} {
			if name, ok := credentialOwner(path); ok && c.Username == "" {
				c.Username = name
			}
		}
		if _, isCredential := credentialOwner(items[i].Path + c.ID); !isCredential {
			consumers[c.Username] = *c
		}
	}
	for i := range items {
		c := read[i]
		owner := consumers[c.Username]
		owner.Username = c.Username
		if node, ok := c.Plugins["key-auth"]; ok {
			all = append(all, r.apisixKey(&node, items[i].Value.Line, owner))
		}
		for n := range c.Credentials {
			var credential apisixCredential
			if err := decode(&c.Credentials[n], &credential); err != nil {
				return nil, err
			}
			node, ok := credential.Plugins["key-auth"]
			if credential.Type == "key-auth" {
				node, ok = credential.Config, true
			}
			if ok {
				all = append(all, r.apisixKey(&node, c.Credentials[n].Line, owner))
			}
		}
	}
	return all, nil
}

// credentialOwner reads "…jack/credentials/…".
func credentialOwner(path string) (string, bool) {
	before, _, ok := strings.Cut(path, "/credentials/")
	return before[strings.LastIndexByte(before, '/')+1:], ok
}

// authPlugins say how a consumer of APISIX is known, and restrict nothing.
var authPlugins = set("key-auth basic-auth jwt-auth hmac-auth jwe-decrypt ldap-auth wolf-rbac multi-auth openid-connect")

func (r *Reader) apisixKey(node *yaml.Node, line int, c apisixConsumer) found {
	f := found{line: line, fields: fields{}}
	var key struct {
		Key  yaml.Node `yaml:"key"`
		Meta struct {
			Disable bool `yaml:"disable"`
		} `yaml:"_meta"`
	}
	if decode(node, &key) != nil {
		f.err = errors.New("the plugin key-auth has another form than APISIX's")
		return f
	}
	var token string
	if token, f.err = secretOf(&key.Key); f.err != nil {
		return f
	}
	f.fields.put("key", token)
	if key.Meta.Disable {
		f.fields.put("enabled", false)
	}
	if c.Username != "" {
		f.fields.put("id", "apisix:"+c.Username) // its keys share the consumer's limit
		f.fields.put("userId", c.Username)
		f.fields.put("name", c.Username)
	}
	if c.GroupID != "" && !r.ignores("group_id") {
		f.err = lost("field", "group_id")
		return f
	}
	for _, name := range slices.Sorted(maps.Keys(c.Plugins)) {
		node := c.Plugins[name]
		switch {
		case authPlugins[name] || r.ignores(name):
		case name == "limit-count":
			var limit struct {
				Count      int64 `yaml:"count"`
				TimeWindow int64 `yaml:"time_window"`
			}
			if decode(&node, &limit) != nil || limit.Count < 1 || limit.TimeWindow < 1 {
				f.err = errors.New("the plugin limit-count needs a count and a time_window; --ignore limit-count imports the key with the default limit")
				return f
			}
			f.fields.put("rateLimit", map[string]int64{"requests": limit.Count, "window": limit.TimeWindow})
		default:
			f.err = lost("plugin", name)
			return f
		}
	}
	return f
}
