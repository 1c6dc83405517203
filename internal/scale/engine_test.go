package scale_test

import (
	"bytes"
	"context"
	crand "crypto/rand"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"latchkey/internal/amazon"
	"latchkey/internal/apikey"
	"latchkey/internal/apikey/apikeytest"
	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/gate"
	"latchkey/internal/ratelimit"
)

func TestMain(m *testing.M) { dynamotest.Main(m) }

// The model counts what the code of a real table counts: the same requests come to gates before an engine, at
// partitions that throttle alike. The SDK makes the model's pauses, because its own are random.
func TestTheModelCountsWhatARealTableCounts(t *testing.T) {
	for _, s := range []scenario{
		{
			name: "with leases", keys: 1, limit: ratelimit.Limit{Requests: 6000, Window: time.Minute}, instances: 4,
			perSecond: 90, warm: time.Second, lasts: 10 * time.Second,
		},
		{
			name: "denied", keys: 1, limit: ratelimit.Limit{Requests: 200, Window: 10 * time.Second}, instances: 4,
			perSecond: 60, warm: time.Second, lasts: 10 * time.Second,
		},
		{
			name: "several meters", keys: 1, limit: ratelimit.Limit{Requests: 1000, Window: time.Second}, instances: 16,
			perSecond: 300, capacity: 0.08, warm: time.Second, lasts: 3 * time.Second,
		},
		{
			name: "throttled", keys: 1, limit: ratelimit.Limit{Requests: 500, Window: 5 * time.Second}, instances: 8,
			perSecond: 60, capacity: 0.03, warm: time.Second, lasts: 10 * time.Second,
		},
		{
			name: "throttled, with leases", keys: 2, limit: ratelimit.Limit{Requests: 6000, Window: time.Minute}, instances: 40,
			perSecond: 150, capacity: 0.02, warm: time.Second, lasts: 10 * time.Second,
		},
	} {
		t.Run(s.name, func(t *testing.T) {
			s.seed = 1
			model, real := s.simulate(t), s.onEngine(t)
			if model != real {
				t.Errorf("the model counts\n%+v, and the engine\n%+v", model, real)
			}
			t.Logf("%+v", real)
		})
	}
}

// onEngine is simulate on an engine.
func (s scenario) onEngine(t *testing.T) (r result) {
	options, _ := dynamotest.Faulty(t)
	d := apikeytest.New(t, dynamo.Open(options))
	var requests []*gate.Request
	for n, limit := range s.limits() {
		token, err := d.Format.New(apikey.Live, crand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		d.Issue(t, token, func(k *apikey.Key) {
			k.Limit, k.UserID = limit, fmt.Sprint("u", n)
			if err := k.Spread(); err != nil {
				t.Fatal(err)
			}
		})
		requests = append(requests, &gate.Request{Credential: d.Format.Credential(token.Reveal()), Cost: 1})
	}
	far := newFar(t)
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(apikeytest.Noon))
		w := newWorld(s.share())
		f := newFleet(&s, d.Hasher, func(seed uint64) table {
			o := options
			l := newLink(w, seed)
			o.AWS, o.Now, o.AttemptTimeout = amazon.Local(), nil, 0
			o.AWS.Retryer = func() aws.Retryer { return pausing{amazon.Local().Retryer().(aws.RetryerV2), l} }
			o.Transport = &near{l, far}
			return dynamo.Open(o)
		})
		l := newLedger(s.keys)
		s.offer(t.Context(), f, l, requests, w)
		f.stop()
		r = l.result(s.limits())
		r.table, r.instances = w.counts, f.busiest
		r.busiest, r.peak = w.busiest(s.lasts)
	})
	return r
}

// pausing is the retryer of a deployment, with the pauses of the model.
type pausing struct {
	aws.RetryerV2
	link *link
}

func (p pausing) RetryDelay(int, error) (time.Duration, error) { return p.link.pause(), nil }

// The model's pauses are those of the SDK.
func TestPausesAreShort(t *testing.T) {
	real, sum := amazon.Local().Retryer(), time.Duration(0)
	const times = 1000
	for range times {
		pause, err := real.RetryDelay(1, &types.ProvisionedThroughputExceededException{})
		if err != nil || pause > longestPause {
			t.Fatalf("a pause of %v, %v; want at most %v", pause, err, longestPause)
		}
		sum += pause
	}
	if mean := sum / times; mean < longestPause*4/10 || mean > longestPause*6/10 {
		t.Errorf("pauses take %v on average, want about half of %v", mean, longestPause)
	}
}

// near is the part of a network in virtual time: it delays and throttles requests. A request that far carries
// to the engine takes no virtual time.
type near struct {
	link *link
	far  far
}

// far are carriers of requests to the engine, made outside of virtual time. Virtual time stands still while
// something waits for their channels.
type far chan carrier

type carrier struct {
	request  chan *http.Request
	response chan *http.Response
	err      chan error
}

func newFar(t *testing.T) far {
	const carriers = 8
	f := make(far, carriers)
	transport := &http.Transport{MaxIdleConnsPerHost: carriers}
	t.Cleanup(transport.CloseIdleConnections)
	for range carriers {
		c := carrier{make(chan *http.Request), make(chan *http.Response), make(chan error)}
		t.Cleanup(func() { close(c.request) })
		go func() {
			for r := range c.request {
				response, err := transport.RoundTrip(r)
				if err == nil {
					err = buffer(response)
				}
				if err != nil {
					c.err <- err
				} else {
					c.response <- response
				}
			}
		}()
		f <- c
	}
	return f
}

// buffer reads the body of a response.
func buffer(r *http.Response) error {
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	return err
}

var partitionKey = regexp.MustCompile(`\{"S":"((?:key|user)#[^"]*)"\}`)

// RoundTrip carries a request to the engine and back, unless its partition throttles it.
func (n *near) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	found := partitionKey.FindSubmatch(body)
	if found == nil {
		return nil, fmt.Errorf("a request without a partition: %s", body)
	}
	name, u := string(found[1]), read
	if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".UpdateItem") {
		u = write
	}
	random := n.link.random
	if strings.HasPrefix(name, "user#") {
		random = n.link.users
	}
	there, back := n.link.travel(random, name)
	time.Sleep(there)
	var response *http.Response
	if n.link.serve(name, u, func() {}) {
		response, err = n.carry(r, body)
	} else {
		response = throttled(r)
	}
	time.Sleep(back)
	return response, err
}

// carry makes a request outside of virtual time.
func (n *near) carry(r *http.Request, body []byte) (*http.Response, error) {
	outside, err := http.NewRequestWithContext(context.Background(), r.Method, r.URL.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	outside.Header = r.Header.Clone()
	c := <-n.far
	defer func() { n.far <- c }()
	c.request <- outside
	select {
	case response := <-c.response:
		return response, nil
	case err := <-c.err:
		return nil, err
	}
}

func throttled(r *http.Request) *http.Response {
	const body = `{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"injected"}`
	return &http.Response{
		StatusCode: 400, Status: "400 Bad Request", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header:        http.Header{"Content-Type": {"application/x-amz-json-1.0"}},
		ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body)),
	}
}
