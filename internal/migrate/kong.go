package migrate

import (
	"cmp"
	"errors"
	"time"

	"go.yaml.in/yaml/v3"

	"latchkey/internal/ratelimit"
)

type kongConsumer struct {
	ID        string       `yaml:"id"`
	Username  string       `yaml:"username"`
	CustomID  string       `yaml:"custom_id"`
	Keys      []yaml.Node  `yaml:"keyauth_credentials"`
	Encrypted []yaml.Node  `yaml:"keyauth_enc_credentials"`
	Plugins   []kongPlugin `yaml:"plugins"`
	Groups    []yaml.Node  `yaml:"groups"`
}

// name returns the consumer's name as an owner of keys, or "".
func (c kongConsumer) name() string { return cmp.Or(c.Username, c.CustomID, c.ID) }

type kongKey struct {
	Key       yaml.Node `yaml:"key"`
	TTL       *int64    `yaml:"ttl"` // seconds after CreatedAt
	CreatedAt *float64  `yaml:"created_at"`
	Consumer  kongOwner `yaml:"consumer"`
}

type kongPlugin struct {
	Name     string    `yaml:"name"`
	Enabled  *bool     `yaml:"enabled"`
	Consumer kongOwner `yaml:"consumer"`
	Config   yaml.Node `yaml:"config"`
}

// kongOwner refers to a consumer. The file has a text, which is its id or one of its names, or an
// object.
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

// kongConsumers finds consumers by each of their ids and names. Of two with one name, it finds the
// last.
type kongConsumers map[string]*kongConsumer

func newKongConsumers(all []kongConsumer) kongConsumers {
	byName := make(kongConsumers)
	for i := range all {
		c := &all[i]
		for _, name := range []string{c.ID, c.Username, c.CustomID} {
			if name != "" {
				byName[name] = c
			}
		}
	}
	return byName
}

// of returns the consumer to which o refers, or nil.
func (byName kongConsumers) of(o kongOwner) *kongConsumer {
	return cmp.Or(byName[o.ID], byName[o.Username])
}

// kongFile reads a declarative file, or an answer of the Admin API.
func (r *Reader) kongFile(text []byte) ([]record, error) { return yamlRecords(text, r.kong) }

// kong reads the keys of a document: first those that stand in consumers, then those that stand
// beside them.
func (r *Reader) kong(document *yaml.Node) ([]record, error) {
	var file struct {
		Consumers []yaml.Node  `yaml:"consumers"`
		Keys      []yaml.Node  `yaml:"keyauth_credentials"`
		Encrypted []yaml.Node  `yaml:"keyauth_enc_credentials"`
		Plugins   []kongPlugin `yaml:"plugins"`
		Data      []yaml.Node  `yaml:"data"` // keys or consumers
		Groups    []yaml.Node  `yaml:"consumer_groups"`
	}
	if err := decodeNode(document, &file); err != nil {
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
	consumers, err := decodeNodes[kongConsumer](file.Consumers)
	if err != nil {
		return nil, err
	}
	byName := newKongConsumers(consumers)
	for _, p := range file.Plugins {
		if c := byName.of(p.Consumer); c != nil {
			c.Plugins = append(c.Plugins, p)
		}
	}

	all := r.kongConsumerKeys(consumers, byName)
	keys, err := decodeNodes[kongKey](file.Keys)
	if err != nil {
		return nil, err
	}
	for i, key := range keys {
		c := byName.of(key.Consumer)
		if c == nil {
			c = &kongConsumer{ID: key.Consumer.ID, Username: key.Consumer.Username}
		}
		all = append(all, r.kongRecord(&file.Keys[i], c))
	}
	all = append(all, kongEncrypted(file.Encrypted)...)
	if len(file.Groups) > 0 && !r.ignores("consumer_groups") {
		for i := range all {
			all[i].err = cmp.Or(all[i].err, lost("field", "consumer_groups"))
		}
	}
	return all, nil
}

// kongConsumerKeys returns the keys that stand in consumers. Of two consumers with one name, it
// reads the last.
func (r *Reader) kongConsumerKeys(consumers []kongConsumer, byName kongConsumers) (all []record) {
	read := make(map[*kongConsumer]bool)
	for i := range consumers {
		c := cmp.Or(byName[consumers[i].name()], &consumers[i])
		if read[c] {
			continue
		}
		read[c] = true
		for n := range c.Keys {
			all = append(all, r.kongRecord(&c.Keys[n], c))
		}
		all = append(all, kongEncrypted(c.Encrypted)...)
	}
	return all
}

// kongEncrypted returns an error for each encrypted key.
func kongEncrypted(nodes []yaml.Node) (all []record) {
	for _, node := range nodes {
		all = append(all, record{line: node.Line, err: errors.New("keys of key-auth-enc are encrypted: " +
			"export them with deck, or the Admin API, which decrypt them, as keyauth_credentials")})
	}
	return all
}

// kongRecord translates a key of a consumer.
func (r *Reader) kongRecord(node *yaml.Node, c *kongConsumer) record {
	f := fields{}
	err := kongFields(node, c, f)
	if err == nil {
		err = r.kongRestrictions(c, f)
	}
	return record{line: node.Line, fields: f, err: err}
}

// kongFields translates the key itself.
func kongFields(node *yaml.Node, c *kongConsumer, f fields) error {
	var key kongKey
	if decodeNode(node, &key) != nil {
		return errors.New("the key is no object with a field key, as Kong exports it")
	}
	if err := putToken(f, &key.Key); err != nil {
		return err
	}
	if name := c.name(); name != "" {
		f.put("userId", name)
		f.put("name", name)
		if key.TTL == nil {
			f.put("id", "kong:"+name) // the keys of a consumer share its limit
		}
	}
	if key.TTL != nil {
		if key.CreatedAt == nil {
			return wrong("ttl", "counts from created_at, which is missing; add created_at, or remove ttl")
		}
		f.put("expiresAt", time.Unix(int64(*key.CreatedAt)+*key.TTL, 0).UTC())
	}
	return nil
}

// kongRestrictions translates the restrictions of a consumer.
func (r *Reader) kongRestrictions(c *kongConsumer, f fields) error {
	if len(c.Groups) > 0 && !r.ignores("groups") {
		return lost("field", "groups")
	}
	for _, p := range c.Plugins {
		if p.Enabled != nil && !*p.Enabled || r.ignores(p.Name) {
			continue
		}
		if p.Name != "rate-limiting" {
			return lost("plugin", p.Name)
		}
		if err := kongLimit(p.Config, f); err != nil {
			return err
		}
	}
	return nil
}

// kongLimit translates the plugin rate-limiting: at most one limit, and at most one quota.
func kongLimit(node yaml.Node, f fields) error {
	var c struct{ Second, Minute, Hour, Day, Month, Year *int64 }
	if decodeNode(&node, &c) != nil {
		return errors.New("the plugin rate-limiting has another form than Kong's; " +
			"--ignore rate-limiting imports the key with the default limit")
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
		return errors.New("the plugin rate-limiting has bounds that a key cannot have together: " +
			"one of second, minute and hour, and one of day and month; " +
			"--ignore rate-limiting imports the key with the default limit")
	}
	return nil
}
