package main

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"latchkey/internal/api"
	"latchkey/internal/apikey"
	"latchkey/internal/migrate"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

// The parse functions read values of the command line. Each error says what the value must be, with
// an example that works. It does not repeat the value, which may be a token in the wrong place.

var errLimit = errors.New("must be requests per time, such as 100/1m, 5/10s or 1000/h")

// parseLimit reads "100/1m": a number of requests, and a window as in parseWindow.
func parseLimit(text string) (ratelimit.Limit, error) {
	count, span, found := strings.Cut(text, "/")
	requests, err := strconv.ParseInt(count, 10, 64)
	if err != nil || !found {
		return ratelimit.Limit{}, errLimit
	}
	if span == string(ratelimit.Month) || span == string(ratelimit.Lifetime) {
		return ratelimit.Limit{}, fmt.Errorf("must be requests per time of at most a day, such as 100/1m: "+
			"requests per %s are a quota", span)
	}
	window, ok := parseWindow(span)
	if !ok {
		return ratelimit.Limit{}, errLimit
	}
	if requests < 1 || requests > apikey.MaxRequests || window > apikey.MaxWindow {
		return ratelimit.Limit{}, fmt.Errorf("must be 1 to %d requests in 1 to %d seconds, such as 100/1m",
			apikey.MaxRequests, apikey.MaxWindow/time.Second)
	}
	return ratelimit.Limit{Requests: requests, Window: window}, nil
}

const day = 24 * time.Hour

// parseWindow reads a span as parseSpan does, and also "60" (seconds) and "minute".
func parseWindow(text string) (time.Duration, bool) {
	switch text {
	case "s", "second":
		return time.Second, true
	case "m", "minute":
		return time.Minute, true
	case "h", "hour":
		return time.Hour, true
	case "d", "day":
		return day, true
	}
	if strings.Trim(text, "0123456789") == "" {
		text += "s"
	}
	return parseSpan(text)
}

// parseSpan reads "90d" and "1h30m": whole seconds, at least one, and at most 100 years. It refuses
// a number without a unit, which could mean seconds, days or an epoch second.
func parseSpan(text string) (time.Duration, bool) {
	const most = 100 * 365
	if number, ok := strings.CutSuffix(text, "d"); ok {
		days, err := strconv.ParseUint(number, 10, 32)
		return time.Duration(days) * day, err == nil && days >= 1 && days <= most
	}
	d, err := time.ParseDuration(text)
	return d, err == nil && d >= time.Second && d%time.Second == 0 && d <= most*day && strings.ContainsAny(text, "hms")
}

// parseGrace reads a span up to the longest grace period, or 0.
func parseGrace(text string) (time.Duration, error) {
	if text == "0" {
		return 0, nil
	}
	d, ok := parseSpan(text)
	if !ok || d > registry.MaxGrace {
		return 0, errors.New("must be a time of at most 30d such as 1h, 24h or 30d, or 0 to end the present token at once")
	}
	return d, nil
}

// parseQuota reads "10000/month", "5/day" and "500/lifetime". It returns nil for "none".
func parseQuota(text string) (*api.QuotaInput, error) {
	if text == none {
		return nil, nil
	}
	count, period, _ := strings.Cut(text, "/")
	requests, err := strconv.ParseInt(count, 10, 64)
	if err != nil || checkOneOf("day", "month", "lifetime")(period) != nil {
		return nil, errors.New("must be requests per day, month or lifetime, such as 10000/month or 500/lifetime, or none")
	}
	if requests < 1 || requests > apikey.MaxQuota {
		return nil, fmt.Errorf("must be 1 to %d requests per day, month or lifetime, such as 10000/month", apikey.MaxQuota)
	}
	return &api.QuotaInput{Requests: api.Integer(requests), Period: api.Period(period)}, nil
}

// parseCredits reads "+500", "500" and "-500".
func parseCredits(text string) (int64, error) {
	credits, err := strconv.ParseInt(text, 10, 64)
	if err != nil || credits == 0 || max(credits, -credits) > apikey.MaxQuota {
		return 0, fmt.Errorf("the credits must be a whole number of at most %d, such as +500", int64(apikey.MaxQuota))
	}
	return credits, nil
}

// parseMoment reads a time, a time from now such as "90d", or "never". It returns the form that the
// API takes, in which "never" is an empty text.
func parseMoment(text string, now time.Time) (string, error) {
	if text == "never" {
		return "", nil
	}
	at, ok := migrate.ParseTime(text)
	if !ok {
		span, ok := parseSpan(text)
		if !ok {
			return "", errors.New("must be a time from now such as 90d or 12h, a date such as 2027-01-31, " +
				"a time such as 2027-01-31T12:00:00Z, or never")
		}
		at = now.Add(span).UTC()
	}
	return at.Format(time.RFC3339), nil
}

// The check functions check values that are sent as they are.

func checkMoment(text string) error {
	_, err := parseMoment(text, time.Time{})
	return err
}

func checkLimit(text string) error {
	_, err := parseLimit(text)
	return err
}

func checkQuota(text string) error {
	_, err := parseQuota(text)
	return err
}

// checkPlan accepts the name of a plan, and none.
func checkPlan(text string) error {
	if err := problemOf(apikey.CheckPlanName("plan", text)); err != nil {
		return fmt.Errorf("%w, such as pro", err)
	}
	return nil
}

// checkNewPlan accepts the name of a plan.
func checkNewPlan(text string) error {
	if text == none {
		return errors.New("must not be none, which means no plan: choose another name")
	}
	return checkPlan(text)
}

// checkOnce accepts an Idempotency-Key.
func checkOnce(text string) error {
	if len(text) < 16 || len(text) > 255 || strings.ContainsFunc(text, func(r rune) bool { return r < '!' || r > '~' }) {
		return errors.New("must be 16 to 255 visible ASCII characters, such as order-4711-of-2027-01-31")
	}
	return nil
}

// checkTag accepts a revision, an ETag, and *.
func checkTag(text string) error {
	revision := strings.TrimSuffix(strings.TrimPrefix(text, `"`), `"`)
	if _, err := strconv.ParseUint(revision, 10, 63); err != nil && text != "*" {
		return errors.New("must be a revision such as 3, as keys get shows it, its ETag, or * for any")
	}
	return nil
}

func checkGrace(text string) error {
	_, err := parseGrace(text)
	return err
}

func checkTime(text string) error {
	if _, ok := migrate.ParseTime(text); !ok {
		return errors.New("must be a time such as 2027-01-31T12:00:00Z, or a date such as 2027-01-31")
	}
	return nil
}

func checkDay(text string) error {
	if at, err := time.Parse(time.DateOnly, text); err != nil || at.Year() < 1970 {
		return errors.New("must be a date such as 2027-01-31")
	}
	return nil
}

func checkScope(text string) error {
	if !apikey.ValidScope(text) {
		return fmt.Errorf("must be 1 to %d characters of a-z 0-9 : . _ * -, such as tts or stt:*", apikey.MaxScope)
	}
	return nil
}

func checkNetwork(text string) error {
	if _, err := apikey.ParseNetwork(text); err != nil {
		return errors.New("must be a network such as 192.0.2.0/24, or an address")
	}
	return nil
}

func checkAddress(text string) error {
	if _, err := netip.ParseAddr(text); err != nil {
		return errors.New("must be an IP address such as 192.0.2.7")
	}
	return nil
}

// checkRegion accepts the name of an AWS region. It cannot tell whether the account may use it.
func checkRegion(text string) error {
	if strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || strings.Count(text, "-") < 2 {
		return errors.New("must be an AWS region, such as eu-west-1")
	}
	return nil
}

// checkStackName accepts the name of a CloudFormation stack.
func checkStackName(text string) error {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	if text == "" || len(text) > 128 || strings.Trim(text[:1], letters) != "" ||
		strings.Trim(text, letters+"0123456789-") != "" {
		return errors.New("must be the name of a stack: at most 128 letters, digits and -, and a letter first")
	}
	return nil
}

// checkUser accepts a user who may get a new key. checkOwner accepts every user who may have a key.
func checkUser(text string) error  { return problemOf(apikey.CheckUserID(text)) }
func checkOwner(text string) error { return problemOf(apikey.CheckOwner(text)) }

// problemOf turns an error about a field into one about a flag: the flag's name comes before it.
func problemOf(err error) error {
	var field *apikey.FieldError
	if errors.As(err, &field) {
		return errors.New(field.Problem)
	}
	return err
}

func checkID(text string) error {
	if !apikey.ValidID(text) {
		return errors.New("must be the id of a key, 16 letters and digits such as fbvIj5lD1wYRMsd9")
	}
	return nil
}

func checkPath(text string) error {
	if !strings.HasPrefix(text, "/") {
		return errors.New("must begin with /, such as /tts/speak")
	}
	return nil
}

func checkMethod(text string) error { return checkOneOf(methods()...)(strings.ToUpper(text)) }

func methods() []string { return []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} }

func checkOneOf(words ...string) func(string) error {
	return func(text string) error {
		if !slices.Contains(words, text) {
			last := len(words) - 1
			return errors.New("must be " + strings.Join(words[:last], ", ") + " or " + words[last])
		}
		return nil
	}
}
