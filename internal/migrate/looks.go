package migrate

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// look is a form of files that are mistaken for key files.
type look struct {
	name   string // completes "it looks like …"
	advice string // the next step for the operator
	is     func(head) bool
}

// lookOf names the form of a file, or returns nil. The file is not known to be something other than
// a key file or JSON Lines in that case.
func lookOf(h head) *look {
	for i := range looks {
		if len(h.raw) > 0 && looks[i].is(h) {
			return &looks[i]
		}
	}
	return nil
}

// yamlLook is the one look that a key file can have: one with a space after each colon.
const yamlLook = "YAML"

const (
	asLines  = "write one line key_id:api_key for each key"
	asJSON   = "write one JSON object a line, such as jq -c '.[]' does"
	noHashes = "password hashes cannot be imported: latchkey needs each token or its SHA-256"
)

func useFormat(form Form) string { return "say --format " + string(form) }

// looks are tried in this order. They find forms, not values: a wrong value in a key file is an
// error of its line.
var looks = []look{
	{"a gzip archive", "decompress it first", beginning("\x1f\x8b")},
	{"a ZIP archive or a spreadsheet", "unpack it, or export it as CSV", beginning("PK\x03\x04")},
	{"a database file", "export its table as CSV or JSON Lines", beginning("SQLite format 3\x00")},
	{"UTF-16 text", "convert it to UTF-8", isUTF16},
	{"LiteLLM's export", useFormat(LiteLLM), func(h head) bool {
		return foreignJSON(h) && h.hasAny(`"key_name"`, `"key_alias"`, `"tpm_limit"`, `"max_budget"`)
	}},
	{"Kong's export", useFormat(Kong), func(h head) bool {
		return foreignJSON(h) && (h.hasAny(`"keyauth_credentials"`, `"_format_version"`) || h.has(`"consumer"`, `"key"`))
	}},
	{"APISIX's export", useFormat(APISIX), func(h head) bool { return foreignJSON(h) && h.has(`"key-auth"`) }},
	{"Unkey's export", useFormat(Unkey), isUnkeyExport},
	{"JSON that is not one object a line", asJSON, func(h head) bool { return jsonLike(h) && !isJSONLines(h) }},
	{"XML or HTML", asLines, firstLine(`^<(?:\?xml|[!/A-Za-z])`)},
	{"a PEM or PGP file", "private keys and certificates are not imported", firstLine(`^-----BEGIN `)},
	{"a file of SSH keys", "SSH keys are not imported",
		mostLines(`^\s*(?:\S+ )?(?:ssh-(?:rsa|ed25519|dss)|ecdsa-sha2-\S+|sk-ssh-\S+) AAAA`)},
	{"an Ansible vault", "decrypt it first", firstLine(`^\$ANSIBLE_VAULT`)},
	{"a script or source code", asLines, func(h head) bool {
		return strings.HasPrefix(h.all, "#!") || sourceCode(h.first()) || h.most(codeComment)
	}},
	{"a patch", asLines, firstLine(`^(?:diff --git |--- a/|\+\+\+ b/|Index: |@@ -)`)},
	{"an SQL dump", "export the table as CSV with a header, or as JSON Lines",
		firstLine(`^(?i:--( |$)|/\*!|insert into |create (?:table|database|schema) |copy \S+ |begin;|begin transaction|` +
			`start transaction|set \S+ ?=|select |drop |update |pragma |use \S+;|lock tables)`)},
	{"a Markdown table or text", asLines, firstLine("^(?:\\||```|\\* |>|=====|\\.\\. )")},
	{"Terraform or HCL", asLines,
		firstLine(`^(?:resource|variable|provider|module|output|locals|data|terraform|path|backend|listener)\b[^:]*\{\s*$`)},
	{"a configuration of nginx, Caddy or HAProxy", asLines,
		firstLine(`^(?:[a-z_]+(?: [^:]*)?\{\s*$|map \$|global$|defaults$|frontend |backend |userlist )`)},
	{"commands or an HTTP message", asLines,
		firstLine(`^(?:\$ |curl |wget |http |https |(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS) /|HTTP/\d|` +
			`aws |kubectl |: \d+:\d+;|docker |echo |cat )`)},
	{"an INI or TOML file", asLines, firstLine(`^\[{1,2}[^\]]+\]{1,2}(?:\s*[#;].*)?$`)},
	{"Kong's declarative YAML", useFormat(Kong), func(h head) bool {
		return h.hasAny("_format_version:", "keyauth_credentials:") || h.has("consumers:", "acls:")
	}},
	{"APISIX's YAML", useFormat(APISIX), func(h head) bool {
		return h.has("key-auth:") || h.has("consumers:", "plugins:")
	}},
	{"a Kubernetes manifest", asLines, func(h head) bool { return h.has("apiVersion:", "kind:") }},
	{"a Docker Compose file", asLines, func(h head) bool { return h.has("services:", "image:") }},
	{"an environment file", asLines,
		mostLines(`^\s*(?:export |set |setx |ENV |\$env:)?\s*[A-Za-z_][A-Za-z0-9_.-]*\s*\??\+?=`)},
	{"/etc/passwd, shadow or group", noHashes, mostLines(`^[^:]*:(?:[x*!]{0,2}:\d+:|[^:]*:\d*:\d*:\d*:\d*:)`)},
	{"an htpasswd file", noHashes, func(h head) bool { return h.most(isHtpasswdLine) }},
	{"an htdigest file", noHashes, mostLines(`^[^:]+:[^:]+:[0-9a-f]{32}$`)},
	{"a log", asLines,
		mostLines(`^(?:\[?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d|\d{1,3}(?:\.\d{1,3}){3} |` +
			`[A-Z][a-z]{2} +\d{1,2} \d\d:\d\d:\d\d )`)},
	{"CSV with a header", useFormat(CSV), hasCSVHeader},
	{"CSV without a header", "add a line that names the columns, and say --format csv", func(h head) bool {
		return separated(h, ",") || separated(h, "\t") || separated(h, ";") || separated(h, "|")
	}},
	{yamlLook, "write one line key_id:api_key for each key, or say --format keyfile if it is a key file", isYAML},
	{"token:name", "write key_id:api_key, the name before the token", func(h head) bool {
		return h.most(isSwappedLine)
	}},
	{"a list of tokens without owners", "write one line key_id:api_key for each token", mostLines(`^[^\s:]{16,}$`)},
	{"text", asLines, mostLines(`^\s*[^\s:]+ +[^\s:]+ +\S+`)},
}

func beginning(magic string) func(head) bool {
	return func(h head) bool { return bytes.HasPrefix(h.raw, []byte(magic)) }
}

func matches(expression string) func(string) bool { return newPattern(expression).MatchString }

func firstLine(expression string) func(head) bool {
	match := matches(expression)
	return func(h head) bool { return match(h.first()) }
}

func mostLines(expression string) func(head) bool {
	match := matches(expression)
	return func(h head) bool { return h.most(match) }
}

func isUTF16(h head) bool {
	if bytes.HasPrefix(h.raw, []byte("\xff\xfe")) || bytes.HasPrefix(h.raw, []byte("\xfe\xff")) {
		return true
	}
	return len(h.raw) > 3 && h.raw[0] != 0 && h.raw[1] == 0 && h.raw[3] == 0
}

func jsonLike(h head) bool {
	first := h.first()
	return strings.HasPrefix(first, "{") || strings.HasPrefix(first, "[") && !iniSection(first) || jsonField(first)
}

// foreignJSON reports whether the file begins with an object that has other fields than those of
// JSON Lines, or with other JSON.
func foreignJSON(h head) bool {
	var object fields
	if json.Unmarshal([]byte(h.first()), &object) != nil {
		return jsonLike(h)
	}
	for name := range object {
		if !isField(camel(name)) {
			return true
		}
	}
	return false
}

func isUnkeyExport(h head) bool {
	if !foreignJSON(h) {
		return false
	}
	return h.hasAny(`"keySpaceId"`, `"keyAuthId"`, `"key_auth_id"`, `"key_space_id"`) ||
		h.hasAny(`"workspaceId"`, `"sha256_base64"`) ||
		h.has(`"start"`, `"keyId"`) || h.has(`"start"`, `"hash"`)
}

var (
	jsonField  = matches(`^"[^"]*"\s*:`)
	iniSection = matches(`^\[{1,2}[A-Za-z][A-Za-z0-9 ._:/-]*\]{1,2}(?:\s*[#;].*)?$`)
)

// isJSONLines reports whether the first line is a whole object that has no list of objects in it.
func isJSONLines(h head) bool {
	var object fields
	isObject := func(line string) bool { return json.Unmarshal([]byte(line), &object) == nil }
	if !isObject(h.first()) {
		// If other lines are whole, the first one is an error of its own.
		return len(h.lines) > 1 && h.most(isObject)
	}
	for _, value := range object {
		var list []fields
		if json.Unmarshal(value, &list) == nil && len(list) > 0 {
			return false
		}
	}
	return true
}

var (
	sourceCode = matches(`^(?:package |import |from \S+ import|def |func |function |class |const |let |var |` +
		`public |private |using |namespace |use |require|module\.|<\?php|@\w+|if |for |return |print|console\.|` +
		`syntax ?= |type \w+ \{|#include|async |export (?:const|default|function))`)
	codeComment = matches(`^\s*(?://|/\*|\*/)`)
)

// isHtpasswdLine reports whether a password hash follows the first colon.
func isHtpasswdLine(line string) bool {
	_, hash, ok := strings.Cut(line, ":")
	return ok && (passwordHash.MatchString(hash) || cryptHash.MatchString(hash))
}

// cryptHash has the oldest form of crypt(3). It is too short for a token.
var cryptHash = newPattern(`^[./0-9A-Za-z]{13}$`)

// isSwappedLine reports whether a token stands before the first colon.
func isSwappedLine(line string) bool {
	id, _, ok := strings.Cut(line, ":")
	id = strings.TrimSpace(id)
	return ok && (likeKey.MatchString(id) || likeSK.MatchString(id))
}

// isYAML reports whether most lines are mappings and lists, and at least one has a value after a
// colon and a space.
func isYAML(h head) bool {
	first := h.first()
	if first == "---" || strings.HasPrefix(first, "--- ") || strings.HasPrefix(first, "%YAML") {
		return true
	}
	return slices.ContainsFunc(h.lines, yamlValue) && h.most(yamlLine)
}

var (
	yamlLine = matches(`^(?:\s*(?:- +)?(?:"[^"]*"|'[^']*'|[A-Za-z0-9_.@/$<-][^\s:]*):(?:\s+\S.*)?|` +
		`\s*- +\S.*|\s*-)$`)
	yamlValue = matches(`^\s*(?:- +)?["']?[^\s:]+:\s+\S|^\s*- +\S`)
)

// separated reports whether most lines have one number of separators. A line of a key file may have
// | in its key and tabs around its colons, so it does not count for these.
func separated(h head, separator string) bool {
	count := strings.Count(h.first(), separator)
	inKeyFiles := separator == "|" || separator == "\t"
	return count > 0 && !jsonLike(h) && h.most(func(line string) bool {
		return strings.Count(line, separator) == count && !(inKeyFiles && keyLine(line))
	})
}

var keyLine = matches(`^\s*[A-Za-z0-9][A-Za-z0-9._@+-]*\s*:\s*\S`)

func hasCSVHeader(h head) bool {
	columns := newHeader(h.first()).columns
	isKnown := func(column string) bool { return column != "" }
	return len(columns) > 1 && slices.ContainsFunc(columns, isKnown)
}
