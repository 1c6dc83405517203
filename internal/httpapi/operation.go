package httpapi

import (
	"net/http"
	"reflect"
	"slices"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// registered is an API of huma, with the operation that was registered last. A route has an API of its
// own with one operation, and the document has an API with all operations.
type registered struct {
	api       huma.API
	operation *huma.Operation // with its parameters, and with the schemas of its bodies
	handler   http.HandlerFunc
}

// newRegistered returns an API without operations.
func newRegistered() *registered {
	r := &registered{}
	document := newOpenAPI()
	document.OnAddOperation = []huma.AddOpFunc{func(_ *huma.OpenAPI, o *huma.Operation) { r.operation = o }}
	r.api = humago.New(r, huma.Config{
		OpenAPI:       document,
		Formats:       map[string]huma.Format{mediaJSON: {Marshal: writeJSON}},
		DefaultFormat: mediaJSON,
	})
	return r
}

// HandleFunc and ServeHTTP implement [humago.Mux].
func (r *registered) HandleFunc(_ string, h func(http.ResponseWriter, *http.Request)) { r.handler = h }

func (r *registered) ServeHTTP(w http.ResponseWriter, request *http.Request) { r.handler(w, request) }

// documentBody adds the body of the operation to the document, if its input has one.
func (r *registered) documentBody(input reflect.Type) {
	if body, ok := input.FieldByName("Content"); ok {
		content := reflect.New(body.Type).Interface().(documented)
		content.document(r.operation, r.api.OpenAPI().Components.Schemas)
	}
}

// documented is a jsonBody of any type.
type documented interface {
	document(*huma.Operation, huma.Registry)
}

// add adds an operation to the routes and to the document. register registers it at an API.
//
// A route registers its operation when its first request comes, and the document registers all
// when it is first asked for. huma makes the schemas of all operations by reflection, which takes
// longer than everything else at the start of a function.
func (a *server) add(o *huma.Operation, input reflect.Type, register func(huma.API)) {
	o.Errors = slices.Clip(append(o.Errors, http.StatusInternalServerError)) // huma appends to it, at any time
	to := func(r *registered) {
		register(r.api)
		r.documentBody(input)
	}
	route := sync.OnceValue(func() *registered {
		r := newRegistered()
		to(r)
		return r
	})
	pattern := o.Method + " " + o.Path
	a.operations[pattern] = func() *huma.Operation { return route().operation }
	a.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { route().ServeHTTP(w, r) })
	a.registrations = append(a.registrations, to)
}

// document returns the OpenAPI document of all operations.
func (a *server) document() *huma.OpenAPI {
	all := newRegistered()
	for _, register := range a.registrations {
		register(all)
	}
	document := all.api.OpenAPI()
	addExamples(document)
	return document
}
