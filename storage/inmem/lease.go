package inmem

import (
	"context"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/storage"
)

type leases struct{ s *Store }

// leaseRow is a lease as it stands.
type leaseRow struct {
	storage.Lease
	ends time.Time
}

// house runs fn, which belongs to no tenant, with the store locked. What it does
// is one write.
func (s *Store) house(ctx context.Context, fn func() error) error {
	if err := s.outside(ctx); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return mdm.WrapError(mdm.CodeUnavailable, "", "the request ended before its unit of work began", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, what := range []string{"lease", "commit"} {
		if s.fault == nil {
			break
		}
		if err := s.fault(what); err != nil {
			return err
		}
	}
	return fn()
}

func (r leases) Acquire(ctx context.Context, name, owner string, ttl time.Duration, now time.Time) (l storage.Lease, ok bool, err error) {
	err = r.s.house(ctx, func() error {
		was := r.s.leases[name]
		if was.ends.After(now) && was.Owner != owner {
			return nil
		}
		l, ok = storage.Lease{Name: name, Owner: owner, Epoch: was.Epoch}, true
		if !was.ends.After(now) {
			l.Epoch++
		}
		r.s.leases[name] = leaseRow{l, now.Add(ttl)}
		return nil
	})
	return l, ok, err
}

func (r leases) Holds(_ context.Context, x mdm.Tx, l storage.Lease, now time.Time) error {
	if _, err := r.s.join(x); err != nil {
		return err
	}
	if was := r.s.leases[l.Name]; was.Lease != l || !was.ends.After(now) {
		return mdm.Errorf(mdm.CodePrecondition, "lease", "%s does not hold %s any more", l.Owner, l.Name)
	}
	return nil
}

func (r leases) Release(ctx context.Context, l storage.Lease) error {
	return r.s.house(ctx, func() error {
		if was := r.s.leases[l.Name]; was.Lease == l {
			r.s.leases[l.Name] = leaseRow{Lease: l}
		}
		return nil
	})
}
