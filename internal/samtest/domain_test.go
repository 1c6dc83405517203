//go:build sam

package samtest_test

import (
	"fmt"
	"strings"
	"testing"
)

const certificate = "arn:aws:acm:eu-central-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"

// withDomain returns the parameters of a custom domain, and others.
func withDomain(others ...string) parameters {
	p := parameters{"DomainName": "api.example.com", "DomainCertificateArn": certificate}
	for _, other := range others {
		name, value, _ := strings.Cut(other, "=")
		p[name] = value
	}
	return p
}

func domainLeadsToTheStage(s *stack, p *problems) {
	name, zone := s.Parameters["DomainName"], s.Parameters["DomainZoneId"]
	hidden := s.Parameters["ExecuteApiEndpoint"] == "disabled" || s.Parameters["ExecuteApiEndpoint"] == "auto" && name != ""
	p.equal("the API's own URL is off", text(s.body(), "servers", 0, "x-amazon-apigateway-endpoint-configuration", "disableExecuteApiEndpoint"), fmt.Sprint(hidden))
	want := map[string]int{"AWS::ApiGateway::DomainName": 0, "AWS::ApiGateway::BasePathMapping": 0, "AWS::Route53::RecordSetGroup": 0}
	if name != "" {
		want["AWS::ApiGateway::DomainName"], want["AWS::ApiGateway::BasePathMapping"] = 1, 1
	}
	if zone != "" {
		want["AWS::Route53::RecordSetGroup"] = 1
	}
	for kind, n := range want {
		p.equal(kind, len(s.of(kind)), n)
	}
	if name == "" {
		return
	}
	// The whole values are compared, because API Gateway's own defaults are an edge endpoint and TLS 1.0.
	p.equal("domain", any(s.Resources["ApiDomain"].Properties), any(object{
		"DomainName": name, "RegionalCertificateArn": s.Parameters["DomainCertificateArn"],
		"EndpointConfiguration": object{"Types": []any{"REGIONAL"}}, "SecurityPolicy": "TLS_1_2",
	}))
	mapping := object{"DomainName": "${ApiDomain}", "RestApiId": "${Api}", "Stage": "${ApiStage}"}
	if base := s.Parameters["DomainBasePath"]; base != "" {
		mapping["BasePath"] = base
	}
	p.equal("mapping", any(s.Resources["ApiDomainMapping"].Properties), any(mapping))
	if zone != "" {
		p.equal("records", any(s.Resources["ApiDomainRecords"].Properties), any(object{
			"HostedZoneId": zone, "RecordSets": []any{object{"Name": name, "Type": "A", "AliasTarget": object{
				"DNSName": "${ApiDomain.RegionalDomainName}", "HostedZoneId": "${ApiDomain.RegionalHostedZoneId}"}}},
		}))
	}
}

// CloudFormation checks the rules of the template before it creates anything.
func TestHalfASetOfParametersIsRefused(t *testing.T) {
	cases := []struct {
		with parameters
		says string
	}{
		{nil, ""},
		{withDomain(), ""},
		{withDomain("DomainZoneId=Z123", "DomainBasePath=auth", "ExecuteApiEndpoint=enabled"), ""},
		{withDomain("ExecuteApiEndpoint=disabled"), ""},
		{parameters{"ExecuteApiEndpoint": "enabled"}, ""},
		{parameters{"OidcIssuer": "https://id.example.com", "OidcAudience": "a", "OidcAdminClaim": "a=b", "ConsoleClientId": "c"}, ""},
		{parameters{"DomainName": "api.example.com"}, "DomainName needs DomainCertificateArn"},
		{parameters{"DomainCertificateArn": certificate}, "DomainCertificateArn has no effect without DomainName"},
		{parameters{"DomainZoneId": "Z123"}, "DomainZoneId has no effect without DomainName"},
		{parameters{"DomainBasePath": "auth"}, "DomainBasePath has no effect without DomainName"},
		{parameters{"ExecuteApiEndpoint": "disabled"}, "the API would have no URL"},
		{parameters{"OidcIssuer": "https://id.example.com"}, "OidcIssuer needs OidcAudience"},
		{parameters{"OidcAudience": "a"}, "OidcAudience has no effect without OidcIssuer"},
		{parameters{"OidcAdminClaim": "a=b"}, "OidcAdminClaim has no effect without OidcIssuer"},
		{parameters{"ConsoleClientId": "c"}, "ConsoleClientId has no effect without OidcIssuer"},
	}
	translated := translate(t, []job{{Template: templateText(t)}})[0]
	for _, c := range cases {
		_, err := deploy(job{Parameters: c.with}, translated)
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%v: %v, want %q", c.with, err, c.says)
		}
	}
}
