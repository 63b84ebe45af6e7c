package lifecycle

import (
	"context"

	"github.com/keelson-mdm/keelson/mdm"
)

// maxText bounds what the application says of a host, in bytes a value.
const maxText = 255

// Ensure makes a pending host, or updates the one that the application knows by
// the same ExternalID: hardware id, serial, name, model and platform when given.
// It never touches what a device manages by itself: a host that has enrolled is
// returned as it is. Team is that of a host that is made. An empty ExternalID
// makes another host each time. Wrong facts are a [mdm.CodeInvalid] error.
func (s *Service) Ensure(ctx context.Context, tx mdm.Tx, x mdm.ExternalID, f mdm.HostFacts, team mdm.TeamKey) (mdm.Host, error) {
	if err := checkFacts(x, &f); err != nil {
		return mdm.Host{}, err
	}
	h, err := s.byExternal(ctx, tx, x)
	switch {
	case mdm.CodeOf(err) == mdm.CodeNotFound:
		now := s.c.Clock.Now()
		id, err := mdm.NewUUID(now, s.c.Rand)
		if err != nil {
			return mdm.Host{}, err
		}
		h = mdm.Host{ID: mdm.HostID(id), ExternalID: x, State: mdm.HostPending, CreatedAt: now, Team: team}
	case err != nil:
		return mdm.Host{}, err
	case h.State != mdm.HostPending:
		return h, nil
	}
	learn(&h, f)
	if err := s.c.Store.PutHost(ctx, tx, &h); err != nil {
		return mdm.Host{}, err
	}
	return h, nil
}

func checkFacts(x mdm.ExternalID, f *mdm.HostFacts) error {
	if f.Platform != "" && !f.Platform.Valid() {
		return mdm.Errorf(mdm.CodeInvalid, "platform", "unknown platform %.40q", f.Platform)
	}
	for _, v := range []struct{ field, value string }{
		{"external_id", string(x)}, {"serial", f.Serial}, {"hardware_id", f.HardwareID},
		{"name", f.Name}, {"model", f.Model}, {"os_version", f.OSVersion},
	} {
		if len(v.value) > maxText {
			return mdm.Errorf(mdm.CodeInvalid, v.field, "has at most %d bytes", maxText)
		}
	}
	return nil
}

func (s *Service) byExternal(ctx context.Context, tx mdm.Tx, x mdm.ExternalID) (mdm.Host, error) {
	if x == "" {
		return mdm.Host{}, mdm.CodeNotFound
	}
	return s.c.Store.HostByExternalTx(ctx, tx, x)
}

// facts takes over what a managed host says about itself. Its hardware id is
// fixed when it authenticates: it finds hosts, and a device that could change it
// later could wait in another's place.
func (s *Service) facts(ctx context.Context, tx mdm.Tx, k mdm.HostKey, f mdm.HostFacts) error {
	h, err := s.c.Store.HostTx(ctx, tx, k)
	if err != nil {
		return err
	}
	was := h
	f.HardwareID = ""
	learn(&h, f)
	if h == was || h.State == mdm.HostDeleted {
		return nil
	}
	return s.c.Store.PutHost(ctx, tx, &h)
}

// learn takes over what is said about a host. What is not said stays.
func learn(h *mdm.Host, f mdm.HostFacts) {
	for _, x := range []struct {
		to   *string
		from string
	}{
		{&h.Serial, f.Serial}, {&h.HardwareID, f.HardwareID}, {&h.Name, f.Name},
		{&h.Model, f.Model}, {&h.OSVersion, f.OSVersion},
	} {
		if x.from != "" {
			*x.to = x.from
		}
	}
	if f.Platform != "" {
		h.Platform = f.Platform
	}
}

// Host returns a host by its public id, deleted ones included.
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

// Hosts lists hosts in key order; see [Store.Hosts].
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
