package migrate

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// apisixItem is a consumer or a credential in a list of the Admin API, or a consumer of a file.
type apisixItem struct {
	Path  string    `yaml:"key"` // in etcd, such as /apisix/consumers/jack
	Value yaml.Node `yaml:"value"`
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

// keyAuth returns the configuration of the credential's key.
func (c apisixCredential) keyAuth() (yaml.Node, bool) {
	if c.Type == "key-auth" {
		return c.Config, true
	}
	node, ok := c.Plugins["key-auth"]
	return node, ok
}

// apisixFile reads apisix.yaml, a file of ADC, or an answer of the Admin API.
func (r *Reader) apisixFile(text []byte) ([]record, error) { return yamlRecords(text, r.apisix) }

// apisix reads the keys of a document.
func (r *Reader) apisix(document *yaml.Node) (all []record, err error) {
	items, err := apisixItems(document)
	if err != nil {
		return nil, err
	}
	consumers := make([]apisixConsumer, len(items))
	byName := make(map[string]apisixConsumer)
	for i := range items {
		c := &consumers[i]
		if err := decodeNode(&items[i].Value, c); err != nil {
			return nil, err
		}
		isCredential := false
		for _, path := range []string{items[i].Path, c.ID} {
			if owner, ok := credentialOwner(path); ok {
				isCredential = true
				if c.Username == "" {
					c.Username = owner
				}
			}
		}
		if !isCredential {
			byName[c.Username] = *c
		}
	}
	for i, c := range consumers {
		owner := byName[c.Username]
		owner.Username = c.Username
		keys, err := r.apisixKeys(c, items[i].Value.Line, owner)
		if err != nil {
			return nil, err
		}
		all = append(all, keys...)
	}
	return all, nil
}

// apisixItems returns all items of a document, in one form.
func apisixItems(document *yaml.Node) ([]apisixItem, error) {
	var file struct {
		Consumers []yaml.Node  `yaml:"consumers"`
		List      []apisixItem `yaml:"list"`
		Node      struct {
			Nodes []apisixItem `yaml:"nodes"`
		} `yaml:"node"`
		apisixItem `yaml:",inline"`
	}
	if err := decodeNode(document, &file); err != nil {
		return nil, err
	}
	items := append(file.List, file.Node.Nodes...)
	if file.Value.Kind != 0 {
		items = append(items, file.apisixItem)
	}
	for _, node := range file.Consumers {
		items = append(items, apisixItem{Value: node})
	}
	return items, nil
}

// credentialOwner returns the owner in a path such as /apisix/consumers/jack/credentials/1. It
// reports false if path is not that of a credential.
func credentialOwner(path string) (string, bool) {
	before, _, ok := strings.Cut(path, "/credentials/")
	return before[strings.LastIndexByte(before, '/')+1:], ok
}

// apisixKeys returns the keys of an item at a line, which belong to owner.
func (r *Reader) apisixKeys(c apisixConsumer, line int, owner apisixConsumer) (all []record, err error) {
	if node, ok := c.Plugins["key-auth"]; ok {
		all = append(all, r.apisixRecord(&node, line, owner))
	}
	credentials, err := decodeNodes[apisixCredential](c.Credentials)
	if err != nil {
		return nil, err
	}
	for i, credential := range credentials {
		if node, ok := credential.keyAuth(); ok {
			all = append(all, r.apisixRecord(&node, c.Credentials[i].Line, owner))
		}
	}
	return all, nil
}

// apisixRecord translates a key of a consumer.
func (r *Reader) apisixRecord(node *yaml.Node, line int, owner apisixConsumer) record {
	f := fields{}
	err := apisixFields(node, owner.Username, f)
	if err == nil {
		err = r.apisixRestrictions(owner, f)
	}
	return record{line: line, fields: f, err: err}
}

// apisixFields translates the key itself.
func apisixFields(node *yaml.Node, username string, f fields) error {
	var key struct {
		Key  yaml.Node `yaml:"key"`
		Meta struct {
			Disable bool `yaml:"disable"`
		} `yaml:"_meta"`
	}
	if decodeNode(node, &key) != nil {
		return errors.New("the plugin key-auth is no object with a field key, as APISIX exports it")
	}
	if err := putToken(f, &key.Key); err != nil {
		return err
	}
	if key.Meta.Disable {
		f.put("enabled", false)
	}
	if username != "" {
		f.put("id", "apisix:"+username) // the keys of a consumer share its limit
		f.put("userId", username)
		f.put("name", username)
	}
	return nil
}

// authPlugins identify a consumer of APISIX, and do not restrict it.
var authPlugins = set(`key-auth basic-auth jwt-auth hmac-auth jwe-decrypt ldap-auth wolf-rbac multi-auth
	openid-connect`)

// apisixRestrictions translates the restrictions of a consumer.
func (r *Reader) apisixRestrictions(c apisixConsumer, f fields) error {
	if c.GroupID != "" && !r.ignores("group_id") {
		return lost("field", "group_id")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Plugins)) {
		if authPlugins[name] || r.ignores(name) {
			continue
		}
		if name != "limit-count" {
			return lost("plugin", name)
		}
		if err := apisixLimit(c.Plugins[name], f); err != nil {
			return err
		}
	}
	return nil
}

// apisixLimit translates the plugin limit-count. Its window is in seconds.
func apisixLimit(node yaml.Node, f fields) error {
	var limit struct {
		Count      int64 `yaml:"count"`
		TimeWindow int64 `yaml:"time_window"`
	}
	if decodeNode(&node, &limit) != nil || limit.Count < 1 || limit.TimeWindow < 1 {
		return errors.New("the plugin limit-count needs a count and a time_window; " +
			"--ignore limit-count imports the key with the default limit")
	}
	f.put("rateLimit", map[string]int64{"requests": limit.Count, "window": limit.TimeWindow})
	return nil
}
