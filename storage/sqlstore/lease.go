package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/storage"
)

type leases struct{ s *Store }

// Leases are the store's leases.
func (s *Store) Leases() storage.Leases { return leases{s} }

// leaseRow is a lease as it stands, and what time it is.
type leaseRow struct {
	owner            string
	epoch, ends, now int64
}

// lease reads a lease, held until the unit ends, and the time after that; lock is
// how it is held. It is not found while another holds it, if the lock is one that
// does not wait.
func (t *tx) lease(ctx context.Context, name, lock string, now time.Time) (l leaseRow, found bool, err error) {
	err = t.q.QueryRowContext(ctx, `SELECT owner, epoch, ends_at FROM keelson_lease WHERE name = ?`+lock, name).Scan(&l.owner, &l.epoch, &l.ends)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return l, false, nil
	case err != nil:
		return l, false, t.judged(failure("read a lease", err))
	}
	l.now = mdm.Micros(now)
	if t.d.clock != "" {
		err = t.judged(failure("read the clock", t.q.QueryRowContext(ctx, t.d.clock).Scan(&l.now)))
	}
	return l, true, err
}

func (r leases) Acquire(ctx context.Context, name, owner string, ttl time.Duration, now time.Time) (l storage.Lease, ok bool, err error) {
	err = r.s.commit(ctx, func(ctx context.Context, t *tx) error {
		l, ok = storage.Lease{Name: name, Owner: owner}, false
		var known bool
		err := t.q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM keelson_lease WHERE name = ?)`, name).Scan(&known)
		if err != nil {
			return t.judged(failure("read a lease", err))
		}
		if !known {
			if _, err := t.exec(ctx, "lease", `INSERT INTO keelson_lease (name, owner, epoch, ends_at) VALUES (?, '', 0, 0)`+t.d.upsert("name"), name); err != nil {
				return err
			}
		}
		was, found, err := t.lease(ctx, name, t.d.skip, now)
		if err != nil || !found || was.ends > was.now && was.owner != owner {
			return err
		}
		l.Epoch = was.epoch
		if was.ends <= was.now {
			l.Epoch++
		}
		ok = true
		_, err = t.exec(ctx, "lease", `UPDATE keelson_lease SET owner = ?, epoch = ?, ends_at = ? WHERE name = ?`, owner, l.Epoch, was.now+ttl.Microseconds(), name)
		return err
	})
	if err != nil || !ok {
		return storage.Lease{}, false, err
	}
	return l, true, nil
}

func (r leases) Holds(ctx context.Context, x mdm.Tx, l storage.Lease, now time.Time) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	was, found, err := t.lease(ctx, l.Name, t.d.lock, now)
	if err != nil {
		return err
	}
	if !found || was.owner != l.Owner || was.epoch != l.Epoch || was.ends <= was.now {
		return mdm.Errorf(mdm.CodePrecondition, "lease", "%s does not hold %s any more", l.Owner, l.Name)
	}
	return nil
}

func (r leases) Release(ctx context.Context, l storage.Lease) error {
	return r.s.commit(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, "lease", `UPDATE keelson_lease SET ends_at = 0 WHERE name = ? AND owner = ? AND epoch = ?`, l.Name, l.Owner, l.Epoch)
		return err
	})
}
