package amazon

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// sources tells the SDK's clients which endpoints were asked for; they look for
// these methods by name.
type sources struct {
	variables map[string]string
	fips      aws.FIPSEndpointState
	dualStack aws.DualStackEndpointState
}

func newSources(variables map[string]string) (sources, error) {
	s := sources{variables: variables}
	for name, set := range map[string]func(){
		"AWS_USE_FIPS_ENDPOINT":      func() { s.fips = aws.FIPSEndpointStateEnabled },
		"AWS_USE_DUALSTACK_ENDPOINT": func() { s.dualStack = aws.DualStackEndpointStateEnabled },
	} {
		switch strings.ToLower(variables[name]) {
		case "true":
			set()
		case "", "false":
		default:
			return sources{}, errors.New(name + " must be true or false")
		}
	}
	return s, nil
}

// GetUseFIPSEndpoint and the others return a value and whether there is one.
func (s sources) GetUseFIPSEndpoint(context.Context) (aws.FIPSEndpointState, bool, error) {
	return s.fips, s.fips != aws.FIPSEndpointStateUnset, nil
}

func (s sources) GetUseDualStackEndpoint(context.Context) (aws.DualStackEndpointState, bool, error) {
	return s.dualStack, s.dualStack != aws.DualStackEndpointStateUnset, nil
}

func (s sources) GetServiceBaseEndpoint(_ context.Context, service string) (string, bool, error) {
	url := s.variables["AWS_ENDPOINT_URL_"+strings.ToUpper(strings.ReplaceAll(service, " ", "_"))]
	return url, url != "", nil
}
