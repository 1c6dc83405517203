// Package edge makes the authorizer of an instance.
package edge

import (
	"github.com/aws/aws-lambda-go/lambda"

	"latchkey/internal/authorizer"
	"latchkey/internal/instance"
	"latchkey/internal/oidc"
)

// Authorizer returns the handler of the API Gateway authorizer.
func Authorizer(i *instance.Instance) lambda.Handler {
	c := i.Config
	roleClaim, roles := c.Roles()
	return authorizer.New(authorizer.Options{
		Gate: i.Gate, Signer: i.Signer, Format: i.Format, Routes: i.Routes, Costs: i.Costs, Public: i.Public,
		Anonymous: !c.RequireAuth,
		Users: oidc.New(oidc.Options{
			Issuers: c.Issuers, Audiences: c.Audiences, AdminClaim: c.AdminClaim, UserClaim: c.UserClaim,
			RoleClaim: roleClaim, WriteRoles: roles, GroupsClaim: c.GroupsClaim, Now: i.Now,
		}),
		TrustedProxyHops: c.TrustedProxyHops, QueryAPIKey: c.QueryAPIKey, Logger: i.Logger,
	})
}
