package mdm

import "context"

// Actor is who caused a write and why. The zero Actor is the system itself.
type Actor struct {
	Kind   string `json:"kind,omitempty"` // "user", "token", "system"
	Name   string `json:"name,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// Action is an administrative operation that an [Authorizer] judges. Actions
// are "<resource>.<verb>", such as "profiles.write"; they are part of the API.
type Action string

// Authorizer is the application's own authorization. It sees every
// administrative read and write before anything happens. A non-nil error
// refuses; its message is shown to the caller when it is an [*Error].
type Authorizer interface {
	Authorize(ctx context.Context, who Actor, t TenantID, a Action, object string) error
}

type actorKey struct{}

// WithActor returns a context whose administrative reads and writes are done by
// who, for who.Reason. Without one, the application itself acts.
func WithActor(ctx context.Context, who Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, who)
}

// ActorFrom returns who acts in ctx; the zero Actor is the application itself.
func ActorFrom(ctx context.Context) Actor {
	who, _ := ctx.Value(actorKey{}).(Actor)
	return who
}
