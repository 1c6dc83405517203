package config

import (
	"encoding/json"
	"errors"

	"latchkey/internal/apikey"
	"latchkey/internal/redact"
)

// SecretContent is the content of the deployment's secret.
type SecretContent struct {
	Master  Sensitive
	Peppers redact.Secret[[]string] // newest first
	// AssertionKeys are texts. Package assertion makes a key of each.
	AssertionKeys redact.Secret[[]string] // newest first
	// Static are the static keys of the variables and of the secret.
	Static apikey.Static
}

// secretText has the fields of the secret's JSON. The static keys have the forms of API_KEYS and
// INTERNAL_API_KEY.
type secretText struct {
	Master      Sensitive   `json:"master"`
	Peppers     []Sensitive `json:"peppers"`
	StaticKeys  Sensitive   `json:"staticKeys"`
	InternalKey Sensitive   `json:"internalKey"`
	// AssertionKeys sign assertions. The first one signs, and the others are only published.
	AssertionKeys []Sensitive `json:"assertionKeys"`
}

// ParseSecret reads the JSON of the deployment's secret. No error repeats any of it.
func (c Config) ParseSecret(text Sensitive) (SecretContent, error) {
	var t secretText
	if json.Unmarshal([]byte(text.Reveal()), &t) != nil {
		return SecretContent{}, errors.New(`the secret is not JSON of the form {"master":"…","peppers":[…]}`)
	}
	static, err := c.Static()
	if err != nil {
		return SecretContent{}, err
	}
	more, err := c.static("the secret's staticKeys", t.StaticKeys, "the secret's internalKey", t.InternalKey)
	if err != nil {
		return SecretContent{}, err
	}
	return SecretContent{
		Master: t.Master, Peppers: revealed(t.Peppers), AssertionKeys: revealed(t.AssertionKeys), Static: static.Merge(more),
	}, nil
}

func revealed(list []Sensitive) redact.Secret[[]string] {
	var texts []string
	for _, s := range list {
		texts = append(texts, s.Reveal())
	}
	return redact.New(texts)
}
