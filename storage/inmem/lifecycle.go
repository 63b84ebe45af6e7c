package inmem

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/keelson-mdm/keelson/lifecycle"
	"github.com/keelson-mdm/keelson/mdm"
)

type lifecycleRoom struct{ s *Store }

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// enrollment returns a channel with what it joins from its host.
func (t *tx) enrollment(k mdm.EnrollmentKey) (mdm.Enrollment, error) {
	e, ok := t.enrollments.get(k)
	if !ok {
		return e, notFound("enrollment")
	}
	h, _ := t.hosts.get(e.Host)
	e.HostID, e.Platform = h.ID, h.Platform
	return e, nil
}

func (t *tx) byNatural(n mdm.Natural) (mdm.Enrollment, error) {
	k, ok := t.naturals.get(n)
	if !ok {
		return mdm.Enrollment{}, notFound("enrollment")
	}
	return t.enrollment(k)
}

func (r lifecycleRoom) PutHost(ctx context.Context, x mdm.Tx, h *mdm.Host) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	if h.ExternalID != "" {
		for k, o := range t.hosts.m {
			if k != h.Key && o.ExternalID == h.ExternalID {
				return mdm.Errorf(mdm.CodeConflict, "external_id", "another host has this external id")
			}
		}
	}
	v := *h
	v.CreatedAt = stored(v.CreatedAt)
	if v.Key == 0 {
		v.Key, v.LastSeenAt = mdm.HostKey(next(&t.s.lastKey)), time.Time{}
	} else {
		old, ok := t.hosts.get(v.Key)
		if !ok {
			return notFound("host")
		}
		v.ID, v.CreatedAt, v.LastSeenAt, v.Team = old.ID, old.CreatedAt, old.LastSeenAt, old.Team
	}
	if err := t.hosts.put(t, "host", v.Key, v); err != nil {
		return err
	}
	h.Key = v.Key
	return nil
}

func (r lifecycleRoom) HostTx(ctx context.Context, x mdm.Tx, k mdm.HostKey) (mdm.Host, error) {
	t, err := r.s.join(x)
	if err != nil {
		return mdm.Host{}, err
	}
	h, ok := t.hosts.get(k)
	if !ok {
		return h, notFound("host")
	}
	return h, nil
}

func (t *tx) byExternal(id mdm.ExternalID) (mdm.Host, error) {
	for _, h := range t.hosts.m {
		if id != "" && h.ExternalID == id {
			return h, nil
		}
	}
	return mdm.Host{}, notFound("host")
}

func (r lifecycleRoom) HostByExternalTx(ctx context.Context, x mdm.Tx, id mdm.ExternalID) (mdm.Host, error) {
	t, err := r.s.join(x)
	if err != nil {
		return mdm.Host{}, err
	}
	return t.byExternal(id)
}

func (r lifecycleRoom) FindHosts(ctx context.Context, x mdm.Tx, hardwareID, serial string) (out []mdm.Host, err error) {
	t, err := r.s.join(x)
	if err != nil {
		return nil, err
	}
	for _, k := range t.hosts.keys() {
		h, _ := t.hosts.get(k)
		if h.State != mdm.HostDeleted && (hardwareID != "" && h.HardwareID == hardwareID || serial != "" && h.Serial == serial) {
			out = append(out, h)
		}
	}
	return out, nil
}

func (r lifecycleRoom) PutEnrollment(ctx context.Context, x mdm.Tx, e *mdm.Enrollment) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	v := *e
	v.EnrolledAt, v.EndedAt = stored(v.EnrolledAt), stored(v.EndedAt)
	if v.Key == 0 {
		if _, ok := t.naturals.get(v.Natural); ok {
			return mdm.Errorf(mdm.CodeConflict, "natural", "this channel has an enrollment")
		}
		v.Key = mdm.EnrollmentKey(next(&t.s.lastKey))
		if err := t.naturals.put(t, "enrollment", v.Natural, v.Key); err != nil {
			return err
		}
	} else {
		old, ok := t.enrollments.get(v.Key)
		if !ok {
			return notFound("enrollment")
		}
		v.Natural, v.Protocol, v.Channel, v.Parent = old.Natural, old.Protocol, old.Channel, old.Parent
	}
	if err := t.enrollments.put(t, "enrollment", v.Key, v); err != nil {
		return err
	}
	e.Key = v.Key
	return nil
}

func (r lifecycleRoom) EnrollmentTx(ctx context.Context, x mdm.Tx, n mdm.Natural) (mdm.Enrollment, error) {
	t, err := r.s.join(x)
	if err != nil {
		return mdm.Enrollment{}, err
	}
	return t.byNatural(n)
}

func (r lifecycleRoom) EnrollmentByKey(ctx context.Context, x mdm.Tx, k mdm.EnrollmentKey) (mdm.Enrollment, error) {
	t, err := r.s.join(x)
	if err != nil {
		return mdm.Enrollment{}, err
	}
	return t.enrollment(k)
}

func (t *tx) enrollmentsOf(k mdm.HostKey) (out []mdm.Enrollment) {
	for _, ek := range t.enrollments.keys() {
		if e, _ := t.enrollment(ek); e.Host == k {
			out = append(out, e)
		}
	}
	return out
}

func (r lifecycleRoom) EnrollmentsOf(ctx context.Context, x mdm.Tx, k mdm.HostKey) ([]mdm.Enrollment, error) {
	t, err := r.s.join(x)
	if err != nil {
		return nil, err
	}
	return t.enrollmentsOf(k), nil
}

func (r lifecycleRoom) SetPerson(ctx context.Context, x mdm.Tx, k mdm.HostKey, person string) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	if _, ok := t.hosts.get(k); !ok {
		return nil
	}
	return t.persons.put(t, "host", k, person)
}

func (r lifecycleRoom) PersonOf(ctx context.Context, x mdm.Tx, k mdm.HostKey) (string, error) {
	t, err := r.s.join(x)
	if err != nil {
		return "", err
	}
	p, _ := t.persons.get(k)
	return p, nil
}

func (r lifecycleRoom) Seen(ctx context.Context, tenant mdm.TenantID, at map[mdm.HostKey]time.Time) error {
	return r.s.unit(ctx, tenant, func(t *tx) error {
		for k, when := range at {
			h, ok := t.hosts.get(k)
			when = stored(when)
			if !ok || !when.After(h.LastSeenAt) {
				continue
			}
			h.LastSeenAt = when
			if err := t.hosts.put(t, "seen", k, h); err != nil {
				return err
			}
		}
		return nil
	})
}

func (r lifecycleRoom) Host(ctx context.Context, tenant mdm.TenantID, id mdm.HostID) (h mdm.Host, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error {
		for _, o := range t.hosts.m {
			if o.ID == id {
				h = o
				return nil
			}
		}
		return notFound("host")
	})
	return h, err
}

func (r lifecycleRoom) HostByKey(ctx context.Context, tenant mdm.TenantID, k mdm.HostKey) (h mdm.Host, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error {
		var ok bool
		if h, ok = t.hosts.get(k); !ok {
			return notFound("host")
		}
		return nil
	})
	return h, err
}

func (r lifecycleRoom) HostByExternal(ctx context.Context, tenant mdm.TenantID, id mdm.ExternalID) (h mdm.Host, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error { h, err = t.byExternal(id); return err })
	return h, err
}

func (r lifecycleRoom) Hosts(ctx context.Context, tenant mdm.TenantID, f lifecycle.HostFilter, after mdm.HostKey, limit int) (out []mdm.Host, err error) {
	search := strings.ToLower(f.Search)
	err = r.s.read(ctx, tenant, func(t *tx) error {
		for _, k := range t.hosts.keys() {
			h, _ := t.hosts.get(k)
			switch {
			case k <= after, len(out) == limit,
				f.Platform != "" && h.Platform != f.Platform,
				f.State != "" && h.State != f.State,
				f.Team != nil && h.Team != *f.Team,
				!f.Deleted && h.State == mdm.HostDeleted,
				search != "" && !strings.Contains(strings.ToLower(h.Name), search) &&
					!strings.Contains(strings.ToLower(h.Serial), search) && !strings.Contains(strings.ToLower(h.Model), search):
				continue
			}
			out = append(out, h)
		}
		return nil
	})
	return out, err
}

func (r lifecycleRoom) Enrollments(ctx context.Context, tenant mdm.TenantID, k mdm.HostKey) (out []mdm.Enrollment, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error { out = t.enrollmentsOf(k); return nil })
	return out, err
}

func (r lifecycleRoom) CountHosts(ctx context.Context, tenant mdm.TenantID) (map[mdm.Platform]map[mdm.HostState]int, error) {
	out := make(map[mdm.Platform]map[mdm.HostState]int)
	err := r.s.read(ctx, tenant, func(t *tx) error {
		for _, h := range t.hosts.m {
			if h.State == mdm.HostDeleted {
				continue
			}
			if out[h.Platform] == nil {
				out[h.Platform] = make(map[mdm.HostState]int)
			}
			out[h.Platform][h.State]++
		}
		return nil
	})
	return out, err
}

func (r lifecycleRoom) PutTenant(ctx context.Context, id mdm.TenantID) error {
	if err := id.Validate(); err != nil {
		return err
	}
	if err := r.s.outside(ctx); err != nil {
		return err
	}
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if r.s.tenants[id] == nil {
		r.s.tenants[id] = &state{}
		r.s.order = append(r.s.order, id)
	}
	return nil
}

func (r lifecycleRoom) Tenants(ctx context.Context) ([]mdm.TenantID, error) {
	if err := r.s.outside(ctx); err != nil {
		return nil, err
	}
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	return append([]mdm.TenantID(nil), r.s.order...), nil
}
