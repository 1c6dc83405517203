package picture_test

import (
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"latchkey/internal/apikey"
	"latchkey/internal/apikey/apikeytest"
	"latchkey/internal/docs/picture"
	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

// fill makes an item of every kind, as a deployment does in its first days.
func fill(t *testing.T, o dynamo.Options) {
	t.Helper()
	d := apikeytest.New(t, dynamo.Open(o))
	admin, gate := root(t, d), d.Gate(0)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	plan, name, metadata, scopes := "pro", "ci", map[string]string{"team": "builds"}, apikey.Scopes{"tts"}
	limit, limits := ratelimit.Limit{Requests: 100, Window: time.Minute}, []ratelimit.Limit{{Requests: 1000, Window: time.Hour}}
	credits := ratelimit.Quota{Requests: 5000, Period: ratelimit.Lifetime}
	_, err := d.Registry.PutPlan(t.Context(), admin, apikey.Plan{Name: plan, User: apikey.Bounds{Limits: []ratelimit.Limit{{Requests: 500, Window: time.Minute}}}})
	must(err)
	_, err = d.Registry.SetUser(t.Context(), admin, "u1", apikey.UserChange{Plan: &plan, Metadata: &metadata}, false)
	must(err)
	creating := admin
	creating.Idempotency = registry.Idempotency{Key: "6f1c7a52-9c0e-4f7a-9d0b-2f4f6f1f0a11"}
	_, token, err := d.Registry.Create(t.Context(), creating, "u1", apikey.Live, apikey.Change{
		Name: &name, Scopes: &scopes, Limit: &limit, Limits: &limits, Quota: &credits, Metadata: &metadata,
	})
	must(err)
	foreign := d.Foreign()
	_, err = d.Registry.Import(t.Context(), registry.Import{Token: foreign, UserID: "u2", Environment: apikey.Live, Change: apikey.Change{Limit: &limit}})
	must(err)
	for range 3 { // a day that is over has usage
		for _, used := range []string{token.Reveal(), foreign.Reveal()} {
			if v := d.Check(t, gate, used); v.Code != apikey.CodeValid {
				t.Fatalf("the verdict is %s", v.Code)
			}
		}
		d.Clock.Pass(24 * time.Hour)
	}
}

// patterns replace what differs from key to key.
func patterns() []func(string) string {
	replace := func(pattern, by string) func(string) string {
		r := regexp.MustCompile(pattern)
		return func(s string) string { return r.ReplaceAllString(s, by) }
	}
	return []func(string) string{
		replace(`^(key|head)#[0-9A-Za-z]{16}$`, "$1#<id>"),
		replace(`^(heads#)?user#.*`, "${1}user#<user>"), replace(`^(heads#)?plan#.*`, "${1}plan#<name>"),
		replace(`^(alias|idem)#.*`, "$1#<hmac>"), replace(`^audit#.*`, "audit#<life>#<seq>"),
		replace(`^usage#\d+$`, "usage#<month>"), replace(`^meter#\d+$`, "meter#<seconds>"), replace(`^d\d\d$`, "d<day>"),
		replace(`^q\d{6}$`, "q<month>"), replace(`^q\d{8}$`, "q<day>"),
		replace(`^key#[^<].*`, "key#<id>"),
	}
}

func pattern(text string) string {
	for _, replace := range patterns() {
		text = replace(text)
	}
	return text
}

func partitions(t *testing.T, o dynamo.Options) []picture.Partition {
	t.Helper()
	client := dynamodb.New(dynamodb.Options{
		BaseEndpoint: aws.String(o.Endpoint), Region: "us-east-1", HTTPClient: http.DefaultClient,
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	})
	all := map[string]map[string]map[string]bool{} // pk, sk, attribute
	pages := dynamodb.NewScanPaginator(client, &dynamodb.ScanInput{TableName: &o.Name, ConsistentRead: aws.Bool(true)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Items {
			pk, sk := pattern(item["pk"].(*types.AttributeValueMemberS).Value), pattern(item["sk"].(*types.AttributeValueMemberS).Value)
			if all[pk] == nil {
				all[pk] = map[string]map[string]bool{}
			}
			if all[pk][sk] == nil {
				all[pk][sk] = map[string]bool{}
			}
			for name := range item {
				if strings.HasPrefix(sk, "meter") && name[0] == 'm' {
					name = "m<slice>"
				}
				if name != "pk" && name != "sk" {
					all[pk][sk][pattern(name)] = true
				}
			}
		}
	}
	order := []string{"key#<id>", "user#<user>", "plan#<name>", "alias#<hmac>", "idem#<hmac>"}
	rank := func(key string) int { // the others come last
		if i := slices.Index(order, key); i >= 0 {
			return i
		}
		return len(order)
	}
	var drawn []picture.Partition
	for _, pk := range slices.SortedFunc(maps.Keys(all), func(a, b string) int {
		if rank(a) != rank(b) {
			return rank(a) - rank(b)
		}
		return strings.Compare(a, b)
	}) {
		p := picture.Partition{Pattern: pk}
		for _, sk := range slices.Sorted(maps.Keys(all[pk])) {
			p.Items = append(p.Items, picture.Item{Pattern: sk, Attributes: slices.Sorted(maps.Keys(all[pk][sk]))})
		}
		drawn = append(drawn, p)
	}
	return drawn
}

// The items are those that a real table holds after a run.
func TestThePictureOfTheTableIsTheOneThatIsDrawn(t *testing.T) {
	o, _ := dynamotest.Faulty(t)
	fill(t, o)
	drawn := partitions(t, o)
	check(t, "table.svg", picture.Table(drawn))

	text, err := os.ReadFile(filepath.Join("..", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## The table\n")
	section, _, _ = strings.Cut(section, "\n## ")
	items := 0
	for _, p := range drawn {
		for _, item := range p.Items {
			items++
			if known := strings.Contains(section, "`"+item.Pattern+"`") || strings.Contains(section, "`"+strings.Replace(item.Pattern, "<seconds>", "…", 1)+"`"); !known {
				t.Errorf("architecture.md does not list the item %s of %s", item.Pattern, p.Pattern)
			}
		}
		if begin, _, _ := strings.Cut(p.Pattern, "<"); !strings.Contains(section, "`"+begin) {
			t.Errorf("architecture.md does not list the partition %s", p.Pattern)
		}
	}
	if items < 15 {
		t.Errorf("only %d items were found", items)
	}
}
