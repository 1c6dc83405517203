package redact_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"latchkey/internal/api"
	"latchkey/internal/apikey"
	"latchkey/internal/assertion"
	"latchkey/internal/audit"
	"latchkey/internal/client"
	"latchkey/internal/config"
	"latchkey/internal/gate"
	"latchkey/internal/instance"
	"latchkey/internal/migrate"
	"latchkey/internal/pepper"
	"latchkey/internal/redact"
	"latchkey/internal/registry"
	"latchkey/internal/secret"
	"latchkey/internal/serve"
	"latchkey/internal/smoke"
)

// holders are the exported types through which a secret may be reached. Another test looks for one
// that is missing.
var holders = []reflect.Type{
	reflect.TypeFor[redact.Secret[string]](), reflect.TypeFor[redact.Secret[[]byte]](), reflect.TypeFor[redact.Secret[map[string]string]](),
	reflect.TypeFor[apikey.Token](), reflect.TypeFor[apikey.Credential](), reflect.TypeFor[gate.Request](), reflect.TypeFor[registry.Issued](),
	reflect.TypeFor[registry.Import](), reflect.TypeFor[pepper.Hasher](), reflect.TypeFor[gate.Keyring](), reflect.TypeFor[audit.Notary](), reflect.TypeFor[assertion.Keys](), reflect.TypeFor[client.Client](),
	reflect.TypeFor[config.Sensitive](), reflect.TypeFor[config.Config](), reflect.TypeFor[config.SecretContent](), reflect.TypeFor[instance.Instance](), reflect.TypeFor[secret.Secret](), reflect.TypeFor[migrate.Line](), reflect.TypeFor[smoke.Options](),
	reflect.TypeFor[api.Token](), reflect.TypeFor[api.TokenRequest](), reflect.TypeFor[api.ValidateRequest](),
	reflect.TypeFor[api.CreateResponse](), reflect.TypeFor[api.RotateResponse](), reflect.TypeFor[api.LeakMatch](),
	reflect.TypeFor[registry.Leak](), reflect.TypeFor[serve.App](),
}

// isBody reports whether a type is a body of the API. Its JSON must contain the token.
func isBody(t reflect.Type) bool { return t.PkgPath() == reflect.TypeFor[api.Token]().PkgPath() }

const canary = "canary-7Hq2mZ4xV9"

// TestNoSecretIsPrinted puts a canary into each type that may hold a secret, that type into other
// values in which Go does not call its methods, and prints those in every way.
func TestNoSecretIsPrinted(t *testing.T) {
	for _, holder := range holders {
		value := reflect.New(holder).Elem()
		if filled := fill(value, false, 0); filled == 0 {
			t.Errorf("%s: no secret was put in", holder)
		}
		for shape, v := range wrapped(value) {
			for how, text := range printed(v) {
				if isBody(holder) && strings.HasPrefix(how, "JSON") {
					continue
				}
				if found := leaked(text); found != "" {
					t.Errorf("%s %s, printed as %s, shows %s: %.300s", shape, holder, how, found, text)
				}
			}
		}
	}
}

// The test above fails for a printer that shows everything.
func TestACanaryThatIsPrintedIsSeen(t *testing.T) {
	type open struct{ text string }
	for _, v := range []any{canary, []byte(canary), open{canary}, &open{canary}, map[string]open{"a": {canary}}, []any{open{canary}}} {
		seen := map[string]bool{}
		for how, text := range printed(v) {
			seen[how] = leaked(text) != ""
		}
		for _, how := range []string{"%v", "%+v", "%#v", "%x", "text log"} {
			if !seen[how] && !(how == "%x" && reflect.TypeOf(v).Kind() == reflect.Map) {
				t.Errorf("%T, printed as %s, shows no canary", v, how)
			}
		}
	}
}

// fill sets every secret in v to the canary, in unexported fields too. If all is true, v is inside
// a secret, and fill sets every text in it. It returns how many it has set.
func fill(v reflect.Value, all bool, depth int) int {
	if depth > 8 {
		return 0
	}
	t := v.Type()
	if strings.HasPrefix(t.PkgPath()+t.Name(), "latchkey/internal/redactSecret[") {
		held := open(v.Field(0))
		inner := reflect.New(held.Type().Out(0)).Elem()
		filled := fill(inner, true, depth+1)
		held.Set(reflect.MakeFunc(held.Type(), func([]reflect.Value) []reflect.Value { return []reflect.Value{inner} }))
		return filled
	}
	switch t.Kind() {
	case reflect.String:
		if all {
			v.SetString(canary)
			return 1
		}
	case reflect.Pointer:
		if t.Elem().Kind() == reflect.Struct && !ours(t.Elem()) {
			return 0
		}
		v.Set(reflect.New(t.Elem()))
		return fill(v.Elem(), all, depth+1)
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			if all {
				v.SetBytes([]byte(canary))
				return 1
			}
			return 0
		}
		v.Set(reflect.MakeSlice(t, 1, 1))
		return fill(v.Index(0), all, depth+1)
	case reflect.Map:
		key, value := reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
		filled := fill(value, all, depth+1)
		v.Set(reflect.MakeMap(t))
		v.SetMapIndex(key, value)
		return filled
	case reflect.Struct:
		filled := 0
		for i := range t.NumField() {
			if kind := t.Field(i).Type.Kind(); kind != reflect.Struct || ours(t.Field(i).Type) {
				filled += fill(open(v.Field(i)), all, depth+1)
			}
		}
		return filled
	}
	return 0
}

// ours reports whether t is a type of this module or an unnamed type.
func ours(t reflect.Type) bool {
	return t.PkgPath() == "" || strings.HasPrefix(t.PkgPath(), "latchkey/")
}

// open returns the field v in a form that can be set, even if it is unexported.
func open(v reflect.Value) reflect.Value {
	return reflect.NewAt(v.Type(), unsafe.Pointer(v.UnsafeAddr())).Elem()
}

// wrapped returns values that hold v in each way that a printer handles differently.
func wrapped(v reflect.Value) map[string]any {
	t := v.Type()
	pointer := reflect.New(t)
	pointer.Elem().Set(v)
	slice := reflect.MakeSlice(reflect.SliceOf(t), 2, 2)
	slice.Index(0).Set(v)
	byName := reflect.MakeMap(reflect.MapOf(reflect.TypeFor[string](), t))
	byName.SetMapIndex(reflect.ValueOf("a"), v)
	in := func(name, pkg string, content reflect.Value) reflect.Value {
		s := reflect.New(reflect.StructOf([]reflect.StructField{{Name: name, PkgPath: pkg, Type: content.Type()}})).Elem()
		open(s.Field(0)).Set(content)
		return s
	}
	hidden := in("inner", "latchkey/internal/redact_test", v)
	all := map[string]any{
		"a": v.Interface(), "a pointer to": pointer.Interface(), "a slice of": slice.Interface(),
		"a map of":    byName.Interface(),
		"a list with": []any{v.Interface()}, "an exported field of": in("Inner", "", v).Interface(),
		"an unexported field of":   hidden.Interface(),
		"an unexported pointer to": in("inner", "latchkey/internal/redact_test", pointer).Interface(),
		"an unexported slice of":   in("inner", "latchkey/internal/redact_test", slice).Interface(),
		"an unexported map of":     in("inner", "latchkey/internal/redact_test", byName).Interface(),
		"a struct in a struct of":  in("Outer", "", hidden).Interface(),
		"an error about":           fmt.Errorf("cannot use %v: %w", v.Interface(), fmt.Errorf("%+v", hidden.Interface())),
	}
	return all
}

// printed returns the output of each printer for v.
func printed(v any) map[string]string {
	all := make(map[string]string)
	for _, verb := range []string{
		"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%o", "%b", "%c", "%U", "%e", "%g", "%t", "%p",
		"%T", "%08v", "%-40v", "%.5s", "%+q", "%#x",
	} {
		all[verb] = fmt.Sprintf(verb, v)
	}
	all["Println"] = fmt.Sprintln(v)
	for name, handler := range map[string]func(*bytes.Buffer) slog.Handler{
		"text log": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		"JSON log": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		var out bytes.Buffer
		l := slog.New(handler(&out))
		l.Info("m", "v", v)
		l.With("v", v).WithGroup("g").Info("m", slog.Group("h", "v", v), slog.Any("w", []any{v}))
		all[name] = out.String()
	}
	// The error of a value that cannot be encoded must reveal nothing either.
	if text, err := json.Marshal(v); err == nil {
		all["JSON"] = string(text)
	} else {
		all["JSON error"] = err.Error()
	}
	if text, err := xml.Marshal(v); err == nil {
		all["XML"] = string(text)
	}
	return all
}

// leaked returns the form in which text contains the canary, or "".
func leaked(text string) string {
	text = strings.ToLower(text)
	for form, shown := range map[string]string{
		"the text": canary, "its beginning": canary[:5], "hexadecimal": hex.EncodeToString([]byte(canary)),
		"spaced hexadecimal": fmt.Sprintf("% x", canary),
		"bytes":              strings.Trim(fmt.Sprint([]byte(canary)), "[]"), "Go bytes": "0x63, 0x61, 0x6e",
		"base64": base64.RawStdEncoding.EncodeToString([]byte(canary)),
	} {
		if strings.Contains(text, strings.ToLower(shown)) {
			return form
		}
	}
	return ""
}
