//go:build sam

package samtest_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// matches reports whether a line of the access log fits a pattern of CloudWatch Logs in brackets. It
// knows the forms that the template uses: name, name = value and name = "value".
func matches(pattern, line string) bool {
	words := strings.Fields(line)
	terms := strings.Split(strings.Trim(pattern, "[]"), ", ")
	if len(words) != len(terms) {
		return false
	}
	for i, term := range terms {
		_, want, asks := strings.Cut(term, " = ")
		if asks && strings.Trim(want, `"`) != words[i] {
			return false
		}
	}
	return true
}

// A key at its limit and a throttled stage both answer 429. Only the second one raises an alarm.
func TestTheFiltersCountTheLinesOfTheirAlarms(t *testing.T) {
	const begins, ends = "25/Nov/2026:10:00:00 +0000 | ", " | 7c1a9f0e | UK1abcDEFghiJKL="
	counted := regexp.MustCompile(`\[time[^\]]*\]`).FindAllString(templateText(t), -1)
	for line, want := range map[string]string{
		"- | GET /{proxy+} | 429":                             throttlesMetric,
		"- | POST /api/v1/api-keys/validate | 429":            throttlesMetric,
		"0123456789abcdef | GET /{proxy+} | 429":              "",
		"user | GET /api/v1/api-keys | 429":                   "",
		"0123456789abcdef | GET /{proxy+} | 504":              backendMetric,
		"- | GET /{proxy+} | 504":                             backendMetric,
		"- | GET /{proxy+} | 401":                             "",
		"0123456789abcdef | GET /api/v1/api-keys/{id} | 200":  "",
		"0123456789abcdef | GET /api/v1/plans/{name} | 503":   "",
		"0123456789abcdef | PUT /api/v1/users/{userId} | 403": "",
	} {
		for metric, f := range filters {
			if got := matches(f.line, begins+line+ends); got != (metric == want) {
				t.Errorf("%s counts %q: %v", metric, line, got)
			}
			if !slices.Contains(counted, f.line) {
				t.Errorf("the template has no pattern %s", f.line)
			}
		}
	}
}
