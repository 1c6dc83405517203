package migrate

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

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
