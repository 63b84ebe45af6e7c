package keelson

import (
	"context"
	"errors"

	"github.com/keelson-mdm/keelson/mdm"
)

// Tenant is the administrative API of one tenant. It reaches no other tenant's
// rows. It is safe for concurrent use and costs nothing to make.
//
// Every method is judged by [Config.Authorizer] first; who acts, and why, is
// taken from the context ([mdm.WithActor]). Things are named by their public
// ids. An id that does not exist in this tenant is a [mdm.CodeNotFound] error.
type Tenant struct {
	m  *MDM
	id mdm.TenantID
}

// Tenant returns the API of a tenant. The tenant must exist: see
// [MDM.CreateTenant].
func (m *MDM) Tenant(id mdm.TenantID) *Tenant { return &Tenant{m: m, id: id} }

// Default returns the API of the default tenant, which always exists.
func (m *MDM) Default() *Tenant { return m.Tenant(mdm.DefaultTenant) }

// CreateTenant makes a tenant; making it again changes nothing.
func (m *MDM) CreateTenant(ctx context.Context, id mdm.TenantID) error {
	if err := m.authorize(ctx, id, "tenants.write", string(id)); err != nil {
		return err
	}
	return m.c.Store.Lifecycle().PutTenant(ctx, id)
}

// ID returns the tenant's name.
func (t *Tenant) ID() mdm.TenantID { return t.id }

// Profiles is the API of configuration profiles.
func (t *Tenant) Profiles() *Profiles { return &Profiles{t} }

// Hosts is the API of hosts.
func (t *Tenant) Hosts() *Hosts { return &Hosts{t} }

// Commands is the API of the command queue.
func (t *Tenant) Commands() *Commands { return &Commands{t} }

// Enrollments is the API of enrollment links.
func (t *Tenant) Enrollments() *Enrollments { return &Enrollments{t} }

// Teams is the API of teams.
func (t *Tenant) Teams() *Teams { return &Teams{t} }

// Labels is the API of labels.
func (t *Tenant) Labels() *Labels { return &Labels{t} }

// Profiles is the default tenant's.
func (m *MDM) Profiles() *Profiles { return m.Default().Profiles() }

// Hosts is the default tenant's.
func (m *MDM) Hosts() *Hosts { return m.Default().Hosts() }

// Commands is the default tenant's.
func (m *MDM) Commands() *Commands { return m.Default().Commands() }

// Enrollments is the default tenant's.
func (m *MDM) Enrollments() *Enrollments { return m.Default().Enrollments() }

// Teams is the default tenant's.
func (m *MDM) Teams() *Teams { return m.Default().Teams() }

// Labels is the default tenant's.
func (m *MDM) Labels() *Labels { return m.Default().Labels() }

func (m *MDM) authorize(ctx context.Context, t mdm.TenantID, a mdm.Action, object string) error {
	if m.c.Authorizer == nil {
		return nil
	}
	err := m.c.Authorizer.Authorize(ctx, mdm.ActorFrom(ctx), t, a, object)
	var typed *mdm.Error
	if err == nil || errors.As(err, &typed) {
		return err
	}
	return mdm.WrapError(mdm.CodeForbidden, "", "you may not do this", err)
}

func (t *Tenant) may(ctx context.Context, a mdm.Action, object string) error {
	return t.m.authorize(ctx, t.id, a, object)
}
