package instance

import "latchkey/internal/admission"

// Door returns a door that decides about requests by the configuration and the gate of the instance.
// users judges users who come without a key. If nil, every request needs a key.
func (i *Instance) Door(users admission.Users) *admission.Door {
	return admission.New(admission.Options{
		Gate: i.Gate, Users: users, Format: i.Format, Signer: i.Signer, PassMetadata: i.Config.MetadataHeader,
		Routes: i.Routes, Costs: i.Costs, Public: i.Public, Anonymous: !i.Config.RequireAuth,
		TrustedProxyHops: i.Config.TrustedProxyHops, QueryAPIKey: i.Config.QueryAPIKey, Logger: i.Logger,
	})
}
