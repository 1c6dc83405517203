package dynamo

import (
	"encoding/base64"
	"maps"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// recordText encodes all stored attributes of a key except the seal, which covers this text. Two
// different records never have one text. An attribute that is added to record later is therefore
// sealed as well. It must be omitted if it is zero, so that the seals of earlier records still fit.
func recordText(i item) []byte {
	if trail, ok := i["trail"].(*types.AttributeValueMemberM); ok {
		unsealed := maps.Clone(trail.Value)
		delete(unsealed, "seal")
		i = maps.Clone(i)
		i["trail"] = &types.AttributeValueMemberM{Value: unsealed}
	}
	return appendMap(nil, i)
}

func appendMap(b []byte, m item) []byte {
	b = append(b, '{')
	for _, name := range slices.Sorted(maps.Keys(m)) {
		b = strconv.AppendQuote(b, name)
		b = append(b, ':')
		b = appendValue(b, m[name])
		b = append(b, ',')
	}
	return append(b, '}')
}

func appendValue(b []byte, v types.AttributeValue) []byte {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return strconv.AppendQuote(b, v.Value)
	case *types.AttributeValueMemberN:
		return append(append(b, 'n'), v.Value...)
	case *types.AttributeValueMemberB:
		return base64.StdEncoding.AppendEncode(append(b, 'b'), v.Value)
	case *types.AttributeValueMemberBOOL:
		return strconv.AppendBool(b, v.Value)
	case *types.AttributeValueMemberM:
		return appendMap(b, v.Value)
	case *types.AttributeValueMemberL:
		b = append(b, '[')
		for _, e := range v.Value {
			b = append(appendValue(b, e), ',')
		}
		return append(b, ']')
	case *types.AttributeValueMemberNULL:
		return append(b, "null"...)
	case *types.AttributeValueMemberSS:
		return appendAll(append(b, "ss"...), v.Value)
	case *types.AttributeValueMemberNS:
		return appendAll(append(b, "ns"...), v.Value)
	case *types.AttributeValueMemberBS:
		texts := make([]string, len(v.Value))
		for n, e := range v.Value {
			texts[n] = string(e)
		}
		return appendAll(append(b, "bs"...), texts)
	}
	return append(b, '?')
}

// appendAll writes a set, which has no order of its own.
func appendAll(b []byte, texts []string) []byte {
	b = append(b, '[')
	for _, text := range slices.Sorted(slices.Values(texts)) {
		b = append(strconv.AppendQuote(b, text), ',')
	}
	return append(b, ']')
}
