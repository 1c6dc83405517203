package migrate

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// headSize and headLines bound the beginning of a file by which its form is judged.
const (
	headSize  = 64 << 10
	headLines = 50
)

// head is the beginning of a file.
type head struct {
	raw   []byte
	all   string   // raw, as text
	lines []string // that are neither empty nor comments, without space at their ends
}

func newHead(raw []byte, whole bool) head {
	h := head{raw: raw, all: strings.TrimPrefix(string(raw), "\ufeff")}
	lines := strings.Split(h.all, "\n")
	if !whole && len(lines) > 1 {
		lines = lines[:len(lines)-1] // the last one may be cut off
	}
	for _, line := range lines {
		line = strings.TrimRight(strings.TrimPrefix(line, "\ufeff"), " \t\r")
		if text := strings.TrimSpace(line); text != "" && text[0] != '#' && len(h.lines) < headLines {
			h.lines = append(h.lines, line)
		}
	}
	return h
}

// first is the first line that says something.
func (h head) first() string {
	if len(h.lines) == 0 {
		return ""
	}
	return strings.TrimSpace(h.lines[0])
}

// most reports whether more than half of the lines match.
func (h head) most(match func(string) bool) bool {
	count := 0
	for _, line := range h.lines {
		if match(line) {
			count++
		}
	}
	return 2*count > len(h.lines)
}

// has reports whether all parts stand in the lines. Comments are not searched.
func (h head) has(parts ...string) bool {
	all := strings.Join(h.lines, "\n")
	return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(all, part) })
}

// look is a form that files have which are mistaken for key files.
type look struct {
	name   string // completes "it looks like …"
	advice string // what to do instead
	is     func(head) bool
}

// yamlLook is the one look that key files can have: with a space after each colon.
const yamlLook = "YAML"

func matches(expression string) func(string) bool { return newPattern(expression).MatchString }

func firstLine(pattern string) func(head) bool {
	match := matches(pattern)
	return func(h head) bool { return match(h.first()) }
}

func mostLines(pattern string) func(head) bool {
	match := matches(pattern)
	return func(h head) bool { return h.most(match) }
}

const (
	asLines  = "write one line key_id:api_key for each key"
	asJSON   = "write one JSON object a line, such as jq -c '.[]' does"
	noHashes = "password hashes cannot be imported: latchkey needs each token or its SHA-256"
)

func useFormat(form Form) string { return "say --format " + string(form) }

// looks are tried in this order. They find forms, not values: a wrong value in a key
// file is an error of its line.
var looks = []look{
	{"a gzip archive", "decompress it first", func(h head) bool { return bytes.HasPrefix(h.raw, []byte("\x1f\x8b")) }},
	{"a ZIP archive or a spreadsheet", "unpack it, or export it as CSV", func(h head) bool { return bytes.HasPrefix(h.raw, []byte("PK\x03\x04")) }},
	{"a database file", "export its table as CSV or JSON Lines", func(h head) bool { return bytes.HasPrefix(h.raw, []byte("SQLite format 3\x00")) }},
	{"UTF-16 text", "convert it to UTF-8", isUTF16},
	{"LiteLLM's export", useFormat(LiteLLM), func(h head) bool {
		return foreignJSON(h) && (h.has(`"key_name"`) || h.has(`"key_alias"`) || h.has(`"tpm_limit"`) || h.has(`"max_budget"`))
	}},
	{"Kong's export", useFormat(Kong), func(h head) bool {
		return foreignJSON(h) && (h.has(`"keyauth_credentials"`) || h.has(`"consumer"`, `"key"`) || h.has(`"_format_version"`))
	}},
	{"APISIX's export", useFormat(APISIX), func(h head) bool { return foreignJSON(h) && h.has(`"key-auth"`) }},
	{"Unkey's export", useFormat(Unkey), func(h head) bool {
		return foreignJSON(h) && (h.has(`"keySpaceId"`) || h.has(`"keyAuthId"`) || h.has(`"key_auth_id"`) || h.has(`"key_space_id"`) || h.has(`"workspaceId"`) ||
			h.has(`"sha256_base64"`) || h.has(`"start"`, `"keyId"`) || h.has(`"start"`, `"hash"`))
	}},
	{"JSON that is not one object a line", asJSON, func(h head) bool { return jsonLike(h) && !isJSONLines(h) }},
	{"XML or HTML", asLines, firstLine(`^<(?:\?xml|[!/A-Za-z])`)},
	{"a PEM or PGP file", "private keys and certificates are not imported", firstLine(`^-----BEGIN `)},
	{"a file of SSH keys", "SSH keys are not imported", mostLines(`^\s*(?:\S+ )?(?:ssh-(?:rsa|ed25519|dss)|ecdsa-sha2-\S+|sk-ssh-\S+) AAAA`)},
	{"an Ansible vault", "decrypt it first", firstLine(`^\$ANSIBLE_VAULT`)},
	{"a script or source code", asLines, func(h head) bool {
		return strings.HasPrefix(h.all, "#!") || sourceCode(h.first()) || h.most(codeComment)
	}},
	{"a patch", asLines, firstLine(`^(?:diff --git |--- a/|\+\+\+ b/|Index: |@@ -)`)},
	{"an SQL dump", "export the table as CSV with a header, or as JSON Lines", firstLine(`^(?i:--( |$)|/\*!|insert into |create (?:table|database|schema) |copy \S+ |begin;|begin transaction|start transaction|set \S+ ?=|select |drop |update |pragma |use \S+;|lock tables)`)},
	{"a Markdown table or text", asLines, firstLine("^(?:\\||```|\\* |>|=====|\\.\\. )")},
	{"Terraform or HCL", asLines, firstLine(`^(?:resource|variable|provider|module|output|locals|data|terraform|path|backend|listener)\b[^:]*\{\s*$`)},
	{"a configuration of nginx, Caddy or HAProxy", asLines, firstLine(`^(?:[a-z_]+(?: [^:]*)?\{\s*$|map \$|global$|defaults$|frontend |backend |userlist )`)},
	{"commands or an HTTP message", asLines, firstLine(`^(?:\$ |curl |wget |http |https |(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS) /|HTTP/\d|aws |kubectl |: \d+:\d+;|docker |echo |cat )`)},
	{"an INI or TOML file", asLines, firstLine(`^\[{1,2}[^\]]+\]{1,2}(?:\s*[#;].*)?$`)},
	{"Kong's declarative YAML", useFormat(Kong), func(h head) bool {
		return h.has("_format_version:") || h.has("keyauth_credentials:") || h.has("consumers:", "acls:")
	}},
	{"APISIX's YAML", useFormat(APISIX), func(h head) bool { return h.has("key-auth:") || h.has("consumers:", "plugins:") }},
	{"a Kubernetes manifest", asLines, func(h head) bool { return h.has("apiVersion:", "kind:") }},
	{"a Docker Compose file", asLines, func(h head) bool { return h.has("services:", "image:") }},
	{"an environment file", asLines, mostLines(`^\s*(?:export |set |setx |ENV |\$env:)?\s*[A-Za-z_][A-Za-z0-9_.-]*\s*\??\+?=`)},
	{"/etc/passwd, shadow or group", noHashes, mostLines(`^[^:]*:(?:[x*!]{0,2}:\d+:|[^:]*:\d*:\d*:\d*:\d*:)`)},
	{"an htpasswd file", noHashes, func(h head) bool {
		return h.most(func(line string) bool {
			_, hash, ok := strings.Cut(line, ":")
			return ok && (passwordHash.MatchString(hash) || descrypt.MatchString(hash))
		})
	}},
	{"an htdigest file", noHashes, mostLines(`^[^:]+:[^:]+:[0-9a-f]{32}$`)},
	{"a log", asLines, mostLines(`^(?:\[?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d|\d{1,3}(?:\.\d{1,3}){3} |[A-Z][a-z]{2} +\d{1,2} \d\d:\d\d:\d\d )`)},
	{"CSV with a header", useFormat(CSV), hasCSVHeader},
	{"CSV without a header", "add a line that names the columns, and say --format csv", func(h head) bool {
		return separated(h, ",") || separated(h, "\t") || separated(h, ";") || separated(h, "|")
	}},
	{yamlLook, "write one line key_id:api_key for each key, or say --format keyfile if it is a key file", isYAML},
	{"token:name", "write key_id:api_key, the name before the token", func(h head) bool {
		return h.most(func(line string) bool {
			id, _, ok := strings.Cut(line, ":")
			id = strings.TrimSpace(id)
			return ok && (likeKey.MatchString(id) || likeSK.MatchString(id))
		})
	}},
	{"a list of tokens without owners", "write one line key_id:api_key for each token", mostLines(`^[^\s:]{16,}$`)},
	{"text", asLines, mostLines(`^\s*[^\s:]+ +[^\s:]+ +\S+`)},
}

var descrypt = newPattern(`^[./0-9A-Za-z]{13}$`)

// lookOf names the form of a file, or nil if it has no form that is known not to be a
// key file or JSON Lines.
func lookOf(h head) *look {
	for i := range looks {
		if len(h.raw) > 0 && looks[i].is(h) {
			return &looks[i]
		}
	}
	return nil
}

func isUTF16(h head) bool {
	return bytes.HasPrefix(h.raw, []byte("\xff\xfe")) || bytes.HasPrefix(h.raw, []byte("\xfe\xff")) || len(h.raw) > 3 && h.raw[0] != 0 && h.raw[1] == 0 && h.raw[3] == 0
}

func jsonLike(h head) bool {
	first := h.first()
	return strings.HasPrefix(first, "{") || strings.HasPrefix(first, "[") && !iniSection(first) || jsonField(first)
}

// foreignJSON reports whether the file begins with an object that has other fields than those of
// JSON Lines, or with other JSON.
func foreignJSON(h head) bool {
	var fields map[string]json.RawMessage
	if json.Unmarshal([]byte(h.first()), &fields) != nil {
		return jsonLike(h)
	}
	for name := range fields {
		if !isField(camel(name)) {
			return true
		}
	}
	return false
}

var jsonField = matches(`^"[^"]*"\s*:`)

var iniSection = matches(`^\[{1,2}[A-Za-z][A-Za-z0-9 ._:/-]*\]{1,2}(?:\s*[#;].*)?$`)

// isJSONLines reports whether the first line is a whole object, which has no list of
// objects in it.
func isJSONLines(h head) bool {
	var fields map[string]json.RawMessage
	if json.Unmarshal([]byte(h.first()), &fields) != nil {
		// A line that is broken off, or not JSON at all, is an error of its own if
		// others are whole.
		return len(h.lines) > 1 && h.most(func(line string) bool { return json.Unmarshal([]byte(line), &fields) == nil })
	}
	for _, value := range fields {
		var list []map[string]json.RawMessage
		if json.Unmarshal(value, &list) == nil && len(list) > 0 {
			return false
		}
	}
	return true
}

var sourceCode = matches(`^(?:package |import |from \S+ import|def |func |function |class |const |let |var |public |private |using |namespace |use |require|module\.|<\?php|@\w+|if |for |return |print|console\.|syntax ?= |type \w+ \{|#include|async |export (?:const|default|function))`)

var codeComment = matches(`^\s*(?://|/\*|\*/)`)

var yamlLine = matches(`^(?:\s*(?:- +)?(?:"[^"]*"|'[^']*'|[A-Za-z0-9_.@/$<-][^\s:]*):(?:\s+\S.*)?|\s*- +\S.*|\s*-)$`)

// isYAML reports whether the lines are mappings and lists, and at least one has a value after a
// colon and a space.
func isYAML(h head) bool {
	first := h.first()
	if first == "---" || strings.HasPrefix(first, "--- ") || strings.HasPrefix(first, "%YAML") {
		return true
	}
	return slices.ContainsFunc(h.lines, yamlValue) && h.most(yamlLine)
}

var yamlValue = matches(`^\s*(?:- +)?["']?[^\s:]+:\s+\S|^\s*- +\S`)

// separated reports whether the lines have one number of separators. Of these, a line
// of a key file may have | in its key and tabs around its colons.
func separated(h head, separator string) bool {
	count := strings.Count(h.first(), separator)
	return count > 0 && !jsonLike(h) && h.most(func(line string) bool {
		return strings.Count(line, separator) == count && ((separator != "|" && separator != "\t") || !keyLine(line))
	})
}

var keyLine = matches(`^\s*[A-Za-z0-9][A-Za-z0-9._@+-]*\s*:\s*\S`)

func hasCSVHeader(h head) bool {
	columns := newHeader(h.first()).columns
	isKnown := func(column string) bool { return column != "" }
	return len(columns) > 1 && slices.ContainsFunc(columns, isKnown)
}
