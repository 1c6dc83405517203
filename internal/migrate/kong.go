package migrate

import (
	"errors"
	"time"

	"go.yaml.in/yaml/v3"

	"latchkey/internal/ratelimit"
)

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
