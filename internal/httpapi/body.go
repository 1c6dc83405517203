package httpapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"latchkey/internal/api"
	"latchkey/internal/apikey"
)

const (
	mediaJSON  = "application/json"
	mediaPatch = "application/merge-patch+json"

	// maxBody is the size in bytes from which a body is too large. The largest honest body is a few
	// kilobytes.
	maxBody = 64 << 10
	// maxDepth is the number of objects and arrays that may be nested. No honest body needs it.
	maxDepth = 16
)

// jsonBody is the field of an input that reads the body of the request as JSON of type B. If B is a
// pointer, the body may be missing, and Value is then nil. Null is refused, except in a merge patch.
//
// The field is named Content. huma finds it by its method Resolve. huma's own field Body would
// choose a decoder by the Content-Type alone, and would turn the decoder's errors into text.
type jsonBody[B any] struct {
	Value B
}

// schemasOfBody names the metadata of an operation that holds the registry of its schemas.
const schemasOfBody = "schemas"

// Resolve implements [huma.Resolver].
func (b *jsonBody[B]) Resolve(c huma.Context) []error {
	if problem := readInto(&b.Value, c); problem != nil {
		return []error{problem}
	}
	return nil
}

// document adds the body to the operation's part of the OpenAPI document.
func (*jsonBody[B]) document(o *huma.Operation, schemas huma.Registry) {
	documentBody(reflect.TypeFor[B](), o, schemas)
}

func documentBody(t reflect.Type, o *huma.Operation, schemas huma.Registry) {
	media := &huma.MediaType{Schema: schemas.Schema(t, true, "")}
	o.RequestBody = &huma.RequestBody{
		Required: t.Kind() != reflect.Pointer,
		Content:  map[string]*huma.MediaType{mediaJSON: media},
	}
	if isPatch(t) {
		o.RequestBody.Content[mediaPatch] = media
	}
	if o.Metadata == nil {
		o.Metadata = make(map[string]any)
	}
	o.Metadata[schemasOfBody] = schemas
}

// readInto reads the body of a request into a pointer.
func readInto(to any, c huma.Context) *apiError {
	text, problem := readBody(c.BodyReader(), maxBody)
	if problem != nil {
		return problem
	}
	o := c.Operation()
	if len(text) == 0 {
		if o.RequestBody.Required {
			return bodyError("", "is required")
		}
		return nil
	}
	if !isJSON(c.Header("Content-Type")) {
		return newError(apikey.CodeUnsupportedMedia, "", "")
	}
	value, problem := parse(text, isPatch(reflect.TypeOf(to).Elem()))
	if problem != nil {
		return problem
	}
	if problem := validate(value, o); problem != nil {
		return problem
	}
	if err := jsonv2.Unmarshal(text, to); err != nil {
		return bodyError("", "does not have the right form")
	}
	return nil
}

// isPatch reports whether a body is a JSON merge patch, which may have null in it.
func isPatch(body reflect.Type) bool {
	return body == reflect.TypeFor[api.Patch]() || body == reflect.TypeFor[api.UserPatch]()
}

// readBody reads a body of less than most bytes.
func readBody(body io.Reader, most int) ([]byte, *apiError) {
	if body == nil {
		return nil, nil
	}
	text, err := io.ReadAll(io.LimitReader(body, int64(most)))
	var network net.Error
	switch {
	case len(text) == most:
		return nil, newError(apikey.CodeRequestTooLarge, "", fmt.Sprintf("The body must be at most %d KB", most>>10))
	case errors.As(err, &network) && network.Timeout():
		return nil, newError(apikey.CodeTimeout, "", "")
	case err != nil:
		return nil, newError(apikey.CodeInternalError, "", "")
	}
	return text, nil
}

// isJSON reports whether a Content-Type names JSON or is empty.
func isJSON(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	media = strings.ToLower(strings.TrimSpace(media))
	return media == "" || media == "json" || media == mediaJSON || strings.HasSuffix(media, "+json")
}

// validate returns an error for a value that does not fit the schema of the operation's body. A
// misspelt field is also a missing field, so an unknown field comes first.
func validate(value any, o *huma.Operation) *apiError {
	schemas := o.Metadata[schemasOfBody].(huma.Registry)
	schema := o.RequestBody.Content[mediaJSON].Schema
	if problem := unknownField(value, schema, schemas, ""); problem != nil {
		return problem
	}
	path := huma.NewPathBuffer(nil, 0)
	path.Push("body")
	var found huma.ValidateResult
	huma.Validate(schemas, schema, path, huma.ModeWriteToServer, value, &found)
	if len(found.Errors) == 0 {
		return nil
	}
	return explain(found.Errors[0].(*huma.ErrorDetail))
}

// bodyError returns an error about the field at a location of the body. If the location is not a
// known field, the error is about the nearest known one around it.
func bodyError(location, text string) *apiError {
	return invalid(known(location), text)
}

// parse returns the value of a JSON text, as [json.Unmarshal] into an empty interface does. It
// returns an error for each text that two parsers could read in different ways: with a name twice,
// with text after the value, or with text that is not Unicode. It also refuses null unless nulls
// are allowed. Its errors have fixed texts and names of known fields only.
func parse(text []byte, nulls bool) (any, *apiError) {
	// API Gateway and the local gateway replace bytes that are not UTF-8 by U+FFFD.
	if !utf8.Valid(text) || bytes.ContainsRune(text, utf8.RuneError) {
		return nil, bodyError("", "must be UTF-8, without U+FFFD, which replaces invalid bytes")
	}
	p := parser{jsontext.NewDecoder(bytes.NewBuffer(text)), text, nulls}
	value, problem := p.value("")
	if problem != nil {
		return nil, problem
	}
	if _, err := p.decoder.ReadToken(); err != io.EOF {
		return nil, bodyError("", afterValue)
	}
	return value, nil
}

type parser struct {
	decoder *jsontext.Decoder
	text    []byte
	nulls   bool
}

// value reads the value at a location, such as rateLimit.requests. The elements of an array have
// the location of the array.
func (p *parser) value(location string) (any, *apiError) {
	depth := p.decoder.StackDepth()
	token, err := p.decoder.ReadToken()
	if err != nil {
		return nil, p.malformed(err, location)
	}
	if depth > maxDepth {
		return nil, bodyError(location, "is nested too deeply")
	}
	switch token.Kind() {
	case '{':
		return p.object(location)
	case '[':
		return p.array(location)
	case '"':
		return token.String(), nil
	case '0':
		n, err := token.Float()
		if err != nil {
			return nil, bodyError(location, "is not valid: the number is too large")
		}
		return n, nil
	case 'n':
		if depth == 0 || !p.nulls && mayNotBeNull(location) {
			return nil, bodyError(location, "must not be null, or have null in it; leave it out instead")
		}
		return nil, nil
	}
	return token.Bool(), nil
}

// mayNotBeNull reports whether null is the fault of a location. An unknown field has another fault.
func mayNotBeNull(location string) bool {
	return known(location) == location || strings.HasPrefix(location, "metadata.")
}

func (p *parser) object(location string) (any, *apiError) {
	members := make(map[string]any)
	for p.decoder.PeekKind() != '}' {
		name, err := p.decoder.ReadToken()
		if err != nil {
			return nil, p.malformed(err, location)
		}
		field := name.String()
		value, problem := p.value(join(location, field))
		if problem != nil {
			return nil, problem
		}
		members[field] = value
	}
	return members, p.end()
}

func (p *parser) array(location string) (any, *apiError) {
	elements := []any{}
	for p.decoder.PeekKind() != ']' {
		value, problem := p.value(location)
		if problem != nil {
			return nil, problem
		}
		elements = append(elements, value)
	}
	return elements, p.end()
}

// end reads the end of an object or array.
func (p *parser) end() *apiError {
	if _, err := p.decoder.ReadToken(); err != nil {
		return p.malformed(err, "")
	}
	return nil
}

// malformed returns the error for a text that is not JSON, or in which location has a name twice.
func (p *parser) malformed(err error, location string) *apiError {
	var at *jsontext.SyntacticError
	if errors.Is(err, jsontext.ErrDuplicateName) && errors.As(err, &at) {
		return twice(location, at.JSONPointer.LastToken())
	}
	return bodyError("", p.fault())
}

// fault returns the reason why the decoder refuses a text without a name twice. If another decoder,
// which lets surrogates stand alone, reads the text, they are the reason.
func (p *parser) fault() string {
	d := jsontext.NewDecoder(bytes.NewBuffer(p.text),
		jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
	for open := true; open; open = d.StackDepth() > 0 {
		if _, err := d.ReadToken(); err != nil {
			return "is not JSON"
		}
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return afterValue
	}
	return "has half of a character in it: a surrogate that stands alone"
}

const afterValue = "has something after its JSON value"

// twice returns the error for a second field of the same name. The error shows the name only if it
// is no secret. The names inside metadata are the caller's own.
func twice(location, field string) *apiError {
	first, _, _ := strings.Cut(location, ".")
	if first == "metadata" || !tellable(field, "") && !slices.Contains(names, field) {
		return bodyError(location, "has a field twice")
	}
	return invalid(join(known(location), field), "must be given once")
}
