// Package edge makes the authorizer of an instance, and the door that knows users.
package edge

import (
	"context"

	"github.com/aws/aws-lambda-go/lambda"

	"latchkey/internal/admission"
	"latchkey/internal/authorizer"
	"latchkey/internal/instance"
	"latchkey/internal/oidc"
)

// Authorizer returns the handler of the API Gateway authorizer.
func Authorizer(i *instance.Instance) lambda.Handler {
	return authorizer.New(authorizer.Options{Door: Door(i), Simple: i.Config.HTTPAPIAnswer == "simple"})
}

// Door returns the door of an instance. On routes of latchkey's own API, it lets in users of the
// issuers that the configuration names.
func Door(i *instance.Instance) *admission.Door {
	c := i.Config
	roleClaim, roles := c.Roles()
	return i.Door(users{oidc.New(oidc.Options{
		Issuers: c.Issuers, Audiences: c.Audiences, AdminClaim: c.AdminClaim, UserClaim: c.UserClaim,
		RoleClaim: roleClaim, WriteRoles: roles, GroupsClaim: c.GroupsClaim, Now: i.Now,
	})})
}

// users gives a verifier the types of package admission.
type users struct{ *oidc.Verifier }

func (u users) Verify(ctx context.Context, token string) (admission.UserVerdict, error) {
	v, err := u.Verifier.Verify(ctx, token)
	return admission.UserVerdict{User: admission.User(v.User), Refused: v.Refused}, err
}
