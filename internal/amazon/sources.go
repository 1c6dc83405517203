package amazon

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// sources tells the SDK's clients which endpoints to use. The clients look for these methods by
// name.
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

// GetUseFIPSEndpoint returns whether to use FIPS endpoints, and whether that was set.
func (s sources) GetUseFIPSEndpoint(context.Context) (aws.FIPSEndpointState, bool, error) {
	return s.fips, s.fips != aws.FIPSEndpointStateUnset, nil
}

// GetUseDualStackEndpoint returns whether to use dual-stack endpoints, and whether that was set.
func (s sources) GetUseDualStackEndpoint(context.Context) (aws.DualStackEndpointState, bool, error) {
	return s.dualStack, s.dualStack != aws.DualStackEndpointStateUnset, nil
}

// GetServiceBaseEndpoint returns the endpoint of a service, and whether one was set.
func (s sources) GetServiceBaseEndpoint(_ context.Context, service string) (string, bool, error) {
	url := s.variables["AWS_ENDPOINT_URL_"+strings.ToUpper(strings.ReplaceAll(service, " ", "_"))]
	return url, url != "", nil
}
