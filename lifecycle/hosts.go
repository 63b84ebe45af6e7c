package lifecycle

import (
	"context"

	"github.com/keelson-mdm/keelson/mdm"
)

// Ensure makes a pending host, or updates the one that the application knows by
// the same ExternalID: its serial, name, model and platform when given. It
// never touches what a device manages by itself.
func (s *Service) Ensure(ctx context.Context, tx mdm.Tx, x mdm.ExternalID, f mdm.HostFacts, team mdm.TeamKey) (mdm.Host, error) {
	h, err := s.byExternal(ctx, tx, x)
	if err != nil && mdm.CodeOf(err) != mdm.CodeNotFound {
		return mdm.Host{}, err
	}
	if err != nil {
		now := s.c.Clock.Now()
		id, err := mdm.NewUUID(now, s.c.Rand)
		if err != nil {
			return mdm.Host{}, err
		}
		h = mdm.Host{ID: mdm.HostID(id), ExternalID: x, State: mdm.HostPending, CreatedAt: now, Team: team}
	}
	if f.Platform != "" && !f.Platform.Valid() {
		return mdm.Host{}, mdm.Errorf(mdm.CodeInvalid, "platform", "unknown platform %q", f.Platform)
	}
	learn(&h, f)
	return h, s.c.Store.PutHost(ctx, tx, &h)
}

func (s *Service) byExternal(ctx context.Context, tx mdm.Tx, x mdm.ExternalID) (mdm.Host, error) {
	if x == "" {
		return mdm.Host{}, mdm.CodeNotFound
	}
	return s.c.Store.HostByExternalTx(ctx, tx, x)
}

// Unenroll ends every channel of a host on the application's word. The device
// is not told: it is turned away when it next asks.
func (s *Service) Unenroll(ctx context.Context, tx mdm.Tx, k mdm.HostKey) ([]Transition, error) {
	return s.endAll(ctx, tx, k, TurnedOff)
}

// Delete makes a host a tombstone and ends its channels.
func (s *Service) Delete(ctx context.Context, tx mdm.Tx, k mdm.HostKey) ([]Transition, error) {
	ts, err := s.endAll(ctx, tx, k, HostGone)
	if err != nil {
		return nil, err
	}
	h, err := s.c.Store.HostTx(ctx, tx, k)
	if err != nil {
		return nil, err
	}
	if h.State == mdm.HostDeleted {
		return nil, nil
	}
	gone := h // the event still names the application's own key
	h.State, h.ExternalID = mdm.HostDeleted, ""
	if err := s.c.Store.PutHost(ctx, tx, &h); err != nil {
		return nil, err
	}
	return ts, s.report(ctx, tx, mdm.EventHostDeleted, gone, mdm.Enrollment{})
}

func (s *Service) endAll(ctx context.Context, tx mdm.Tx, k mdm.HostKey, kind TransitionKind) ([]Transition, error) {
	es, err := s.c.Store.EnrollmentsOf(ctx, tx, k)
	if err != nil {
		return nil, err
	}
	var ts []Transition
	for _, e := range es {
		if e.State == mdm.EnrollmentEnded {
			continue
		}
		t, err := s.turnOff(ctx, tx, e, kind)
		if err != nil {
			return nil, err
		}
		ts = append(ts, t)
	}
	return ts, nil
}

// Host, HostByKey, Hosts, Enrollments and Counts read; see [Store].
func (s *Service) Host(ctx context.Context, t mdm.TenantID, id mdm.HostID) (mdm.Host, error) {
	return s.c.Store.Host(ctx, t, id)
}

// HostByKey returns a host by its row key.
func (s *Service) HostByKey(ctx context.Context, t mdm.TenantID, k mdm.HostKey) (mdm.Host, error) {
	return s.c.Store.HostByKey(ctx, t, k)
}

// HostByExternal returns a host by the application's own key.
func (s *Service) HostByExternal(ctx context.Context, t mdm.TenantID, x mdm.ExternalID) (mdm.Host, error) {
	return s.c.Store.HostByExternal(ctx, t, x)
}

// Hosts lists hosts in key order.
func (s *Service) Hosts(ctx context.Context, t mdm.TenantID, f HostFilter, after mdm.HostKey, limit int) ([]mdm.Host, error) {
	return s.c.Store.Hosts(ctx, t, f, after, limit)
}

// Enrollments lists the channels of a host, ended ones included.
func (s *Service) Enrollments(ctx context.Context, t mdm.TenantID, k mdm.HostKey) ([]mdm.Enrollment, error) {
	return s.c.Store.Enrollments(ctx, t, k)
}

// Counts returns how many hosts there are by platform and state, without
// deleted ones.
func (s *Service) Counts(ctx context.Context, t mdm.TenantID) (map[mdm.Platform]map[mdm.HostState]int, error) {
	return s.c.Store.CountHosts(ctx, t)
}
