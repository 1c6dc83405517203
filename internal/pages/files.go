package pages

import (
	"io/fs"
	"net/url"
	"path"
	"slices"
	"strings"
)

const htmlType = "text/html; charset=utf-8"

// typeOf returns the content type of a file by its name, or an empty text for a file that must not be
// served. It does not ask the machine, whose table of types could differ.
func typeOf(name string) string {
	switch path.Ext(name) {
	case ".html":
		return htmlType
	case ".css":
		return "text/css; charset=utf-8"
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8"
	case ".json":
		return "application/json"
	case ".svg":
		return "image/svg+xml"
	case ".txt":
		return "text/plain; charset=utf-8"
	}
	return ""
}

// Files returns the source of the files in a file system. It has only files with the extension html,
// css, js, mjs, json, svg or txt.
func Files(files fs.FS) Source {
	return func(name string) (Page, bool) {
		kind := typeOf(name)
		if kind == "" {
			return Page{}, false
		}
		body, err := fs.ReadFile(files, name)
		return Page{Type: kind, Body: body}, err == nil
	}
}

// hostLetters are the characters of a host and its port.
const hostLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._:[]"

// Origins returns the origins of URLs, such as https://id.example.com of
// https://id.example.com/realms/a, without repetitions. It leaves out a URL without a scheme, and one
// whose host would mean something else in a policy.
func Origins(urls []string) []string {
	var all []string
	for _, text := range urls {
		u, err := url.Parse(text)
		if err != nil || u.Scheme == "" || u.Host == "" || strings.Trim(u.Host, hostLetters) != "" {
			continue
		}
		if origin := u.Scheme + "://" + u.Host; !slices.Contains(all, origin) {
			all = append(all, origin)
		}
	}
	return all
}
