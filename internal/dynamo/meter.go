package dynamo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"latchkey/internal/ratelimit"
)

var _ ratelimit.Store = (*Table)(nil)

// The attributes of a meter are:
//
//   - w: the window in milliseconds
//   - r: the revision of the terms that set the window
//   - u: the odometer
//   - v: the tokens used
//   - h: the newest slice
//   - at: the last use in milliseconds
//   - m<slice in base 36>: the mark of a slice
//   - q<20261124> and q<202611>: the marks of a day and of a month
//   - p<milliseconds in base 36>: a moment before the window was changed
//   - b: how often tokens were given back
//   - g: the fence of the key, see fence.go
const (
	spendFresh = "SET #w = :w, #r = :r, #h = :k, #u = :n, #v = :net, " +
		"#m = :base, #day = :base, #month = :base, #at = :at"
	spendSame = "SET #h = :k, #m = if_not_exists(#m, #u)" + spendRest
	spendNew  = "SET #w = :w, #r = :r, #h = :k, #m = :base" + spendRest
	spendRest = ", #day = if_not_exists(#day, #v), #month = if_not_exists(#month, #v), " +
		"#at = :at"
	spendAdd = " ADD #u :n, #v :net"

	// ifFenced comes with the update of g to :g.
	ifFenced = "(" + ifLower + ")"
	ifFresh  = "attribute_not_exists(#u)"
	ifNewer  = " AND (attribute_not_exists(#r) OR #r <= :r)"
	ifSeen   = "#w = :seen AND #h <= :newest AND #u BETWEEN :min AND :max AND #v <= :used AND " +
		"attribute_not_exists(#tomorrow)"
)

// Spend sends one conditional UpdateItem. The reply has the meter whether the condition holds or
// not.
func (t *Table) Spend(ctx context.Context, id string, s ratelimit.Spend) (ratelimit.Meter, error) {
	in := t.spend(id, s)
	out, err := t.client.UpdateItem(ctx, in)
	return meterOf(out, err, id)
}

// meterOf returns the meter after a conditional write. If the condition does not hold, the error is
// ErrStale, and the meter is as it was.
func meterOf(out *dynamodb.UpdateItemOutput, err error, id string) (ratelimit.Meter, error) {
	var stale *types.ConditionalCheckFailedException
	if errors.As(err, &stale) {
		m, err := decodeMeter(stale.Item)
		if err != nil {
			return ratelimit.Meter{}, fmt.Errorf("meter %s: %w", id, err)
		}
		return m, ratelimit.ErrStale
	}
	busy := retry.ThrottleErrorCode{Codes: retry.DefaultThrottleErrorCodes}
	if err != nil && busy.IsErrorThrottle(err) == aws.TrueTernary {
		return ratelimit.Meter{}, fmt.Errorf("update meter %s: %w: %w", id, ratelimit.ErrThrottled, err)
	}
	if err != nil {
		return ratelimit.Meter{}, fmt.Errorf("update meter %s: %w", id, err)
	}
	m, err := decodeMeter(out.Attributes)
	if err != nil {
		return ratelimit.Meter{}, fmt.Errorf("meter %s: %w", id, err)
	}
	return m, nil
}

// spend returns the UpdateItem of a spend.
func (t *Table) spend(id string, s ratelimit.Spend) *dynamodb.UpdateItemInput {
	names := map[string]string{
		"#u": "u", "#v": "v", "#h": "h", "#w": "w", "#at": "at", "#m": mark(s.Slice),
		"#day": period(int64(s.Day)), "#month": period(s.Day.Month()),
	}
	values := item{
		":k": number(s.Slice), ":n": number(s.Tokens), ":net": number(s.Net), ":at": number(s.At.UnixMilli()),
	}
	if s.Fresh || s.Restart {
		names["#r"] = "r"
		values[":w"], values[":r"], values[":base"] = number(s.Window.Milliseconds()), number(s.Rev), number(s.Base)
	}
	condition := ifFresh
	if !s.Fresh {
		condition = ifSeen
		names["#tomorrow"] = period(int64(s.Day.Next()))
		values[":seen"], values[":newest"] = number(s.SeenWindow.Milliseconds()), number(s.MaxNewest)
		values[":min"], values[":max"], values[":used"] = number(s.MinUsed), number(s.MaxUsed), number(s.MaxNet)
	}
	if s.Fence != 0 {
		condition = ifFenced + " AND " + condition
		names["#g"], values[":g"] = "g", number(s.Fence)
	}
	update := spendSame
	switch {
	case s.Fresh:
		update = spendFresh
	case s.Restart:
		update = spendNew
		condition += ifNewer
	}
	if s.Fence != 0 {
		update += ", #g = :g"
	}
	var forget []string
	if s.Expires.IsZero() {
		forget = append(forget, "ttl")
	} else {
		names["#ttl"], values[":ttl"] = "ttl", number(s.Expires.Unix())
		update += ", #ttl = :ttl"
	}
	if !s.Fresh {
		update += spendAdd
	}
	for i, p := range s.Earlier {
		n := "p" + strconv.Itoa(i)
		names["#"+n], values[":"+n] = point(p.At), number(p.Used)
		update = "SET #" + n + " = :" + n + ", " + strings.TrimPrefix(update, "SET ")
	}
	for _, at := range s.ForgetEarlier {
		forget = append(forget, point(at))
	}
	for _, slice := range s.Forget {
		forget = append(forget, mark(slice))
	}
	for _, day := range s.ForgetDays {
		forget = append(forget, period(int64(day)))
	}
	if s.ForgetMonth != 0 {
		forget = append(forget, period(s.ForgetMonth))
	}
	for i, attribute := range forget {
		forget[i] = "#f" + strconv.Itoa(i)
		names[forget[i]] = attribute
	}
	if len(forget) > 0 {
		update += " REMOVE " + strings.Join(forget, ", ")
	}
	return &dynamodb.UpdateItemInput{
		TableName: &t.name, Key: meterKey(id),
		UpdateExpression: &update, ConditionExpression: &condition,
		ExpressionAttributeNames: names, ExpressionAttributeValues: values,
		ReturnValues:                        types.ReturnValueAllNew,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
}

const (
	giveBack   = "SET #u = #u - :n, #v = #v - :net ADD #b :one"
	ifReturned = "#w = :w AND #h = :h AND #u = :u AND #v = :v AND attribute_exists(#day) AND "
)

// Return sends one conditional UpdateItem, as [Table.Spend] does.
func (t *Table) Return(ctx context.Context, id string, r ratelimit.Return) (ratelimit.Meter, error) {
	m := &r.Seen
	values := item{
		":n": number(r.Tokens), ":net": number(r.Net), ":one": number(1),
		":w": number(m.Window.Milliseconds()), ":h": number(m.Newest), ":u": number(m.Used), ":v": number(m.Net),
	}
	condition := ifReturned + "attribute_not_exists(#b)"
	if m.Returns > 0 {
		condition = ifReturned + "#b = :b"
		values[":b"] = number(m.Returns)
	}
	out, err := t.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &t.name, Key: meterKey(id),
		UpdateExpression: aws.String(giveBack), ConditionExpression: &condition,
		ExpressionAttributeNames: map[string]string{
			"#u": "u", "#v": "v", "#w": "w", "#h": "h", "#b": "b", "#day": period(int64(m.Day)),
		},
		ExpressionAttributeValues:           values,
		ReturnValues:                        types.ReturnValueAllNew,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	return meterOf(out, err, id)
}

// Touch stores the time of a use. It stores the meter for as long as a change of the key does, so it
// shortens the retention of no usage.
func (t *Table) Touch(ctx context.Context, id string, at time.Time) error {
	_, err := t.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &t.name, Key: meterKey(id),
		UpdateExpression:          aws.String("SET #at = :at, #ttl = :ttl"),
		ExpressionAttributeNames:  map[string]string{"#at": "at", "#ttl": "ttl"},
		ExpressionAttributeValues: item{":at": number(at.UnixMilli()), ":ttl": number(at.Add(fenceRetention).Unix())},
	})
	if err != nil {
		return fmt.Errorf("touch meter %s: %w", id, err)
	}
	return nil
}

// decodeMeter decodes a meter. Without an item, it returns the zero Meter.
func decodeMeter(i item) (ratelimit.Meter, error) {
	var m ratelimit.Meter
	for name, value := range i {
		if name == "pk" || name == "sk" || name == "ttl" || name == "" {
			continue
		}
		n, err := integer(value)
		if err != nil {
			return ratelimit.Meter{}, fmt.Errorf("decode meter: %s: %w", name, err)
		}
		switch {
		case name == "w":
			m.Window = time.Duration(n) * time.Millisecond
		case name == "r":
			m.Rev = n
		case name == "u":
			m.Used = n
		case name == "v":
			m.Net = n
		case name == "h":
			m.Newest = n
		case name == "b":
			m.Returns = n
		case name == "g":
			m.Fence = n
		case name == "at":
			m.LastUsed = moment(n)
		case name[0] == 'm':
			slice, err := strconv.ParseInt(name[1:], 36, 64)
			if err != nil {
				return ratelimit.Meter{}, fmt.Errorf("decode meter: %s: %w", name, err)
			}
			m.Marks = append(m.Marks, ratelimit.Mark{Slice: slice, Used: n})
		case name[0] == 'p':
			ms, err := strconv.ParseInt(name[1:], 36, 64)
			if err != nil {
				return ratelimit.Meter{}, fmt.Errorf("decode meter: %s: %w", name, err)
			}
			m.Earlier = append(m.Earlier, ratelimit.Point{At: moment(ms), Used: n})
		case name[0] == 'q':
			date, err := strconv.ParseInt(name[1:], 10, 64)
			if err != nil {
				return ratelimit.Meter{}, fmt.Errorf("decode meter: %s: %w", name, err)
			}
			if len(name) == len("q20261124") {
				m.Past = append(m.Past, ratelimit.DayMark{Day: ratelimit.Date(date), Net: n})
			} else if date > m.Month { // the first write of a month removes the mark of the month before
				m.Month, m.MonthNet = date, n
			}
		}
	}
	slices.SortFunc(m.Past, func(a, b ratelimit.DayMark) int { return cmp.Compare(a.Day, b.Day) })
	if last := len(m.Past) - 1; last >= 0 {
		m.Day, m.DayNet, m.Past = m.Past[last].Day, m.Past[last].Net, m.Past[:last]
	}
	slices.SortFunc(m.Earlier, func(a, b ratelimit.Point) int { return a.At.Compare(b.At) })
	slices.SortFunc(m.Marks, func(a, b ratelimit.Mark) int { return cmp.Compare(a.Slice, b.Slice) })
	return m, nil
}

func mark(slice int64) string { return "m" + strconv.FormatInt(slice, 36) }

func point(at time.Time) string { return "p" + strconv.FormatInt(at.UnixMilli(), 36) }

func period(date int64) string { return "q" + strconv.FormatInt(date, 10) }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func integer(value types.AttributeValue) (int64, error) {
	n, ok := value.(*types.AttributeValueMemberN)
	if !ok {
		return 0, errors.New("is no number")
	}
	return strconv.ParseInt(n.Value, 10, 64)
}
