package sqlstore

import (
	"context"
	"database/sql"
	"time"

	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

// What people look at, and no device waits for.

func (r profilesRoom) LoadHosts(ctx context.Context, tenant mdm.TenantID, hosts []mdm.HostKey) (out []profiles.HostState, err error) {
	in, err := list(hosts)
	if err != nil {
		return nil, err
	}
	err = r.s.snapshot(ctx, tenant, func(t *tx) error {
		if len(hosts) == 0 {
			return nil
		}
		out, err = t.load(ctx, byKeys+` AND h.state <> 'deleted' ORDER BY h.id`, in)
		return err
	})
	return out, err
}

func (r profilesRoom) LoadSlot(ctx context.Context, tenant mdm.TenantID, k mdm.TeamKey, slot profiles.SlotKey, after mdm.HostKey, limit int) (out []profiles.HostState, err error) {
	err = r.s.snapshot(ctx, tenant, func(t *tx) error {
		out, err = t.loadSlot(ctx, slot, byTenant+`h.team = ? AND h.id > ? AND h.state <> 'deleted' ORDER BY h.id LIMIT ?`, k, after, limit)
		return err
	})
	return out, err
}

func (r profilesRoom) LoadChannel(ctx context.Context, tenant mdm.TenantID, e mdm.EnrollmentKey) (team mdm.TeamKey, rows []profiles.Row, err error) {
	err = r.s.snapshot(ctx, tenant, func(t *tx) error {
		err := t.q.QueryRowContext(ctx, `SELECT h.team FROM keelson_enrollment e JOIN keelson_host h ON h.id = e.host
			WHERE e.tenant = ? AND e.id = ?`, t.id, e).Scan(&team)
		if err != nil {
			return failure("enrollment", err)
		}
		rows, err = t.rows(ctx, `r.enrollment = ?`, t.id, e)
		return err
	})
	return team, rows, err
}

// inState is [identity.Intent.State] as a condition, with its arguments.
func inState(s identity.IntentState, now time.Time) (string, []any) {
	const left = ` AND NOT revoked AND (used < quota OR used < 1)`
	switch s {
	case "":
		return ``, nil
	case identity.IntentOpen:
		return left + ` AND expires_at > ?`, []any{mdm.Micros(now)}
	case identity.IntentWithdrawn:
		return ` AND revoked`, nil
	case identity.IntentUsedUp:
		return ` AND NOT revoked AND used >= quota AND used >= 1`, nil
	case identity.IntentExpired:
		return left + ` AND expires_at <= ?`, []any{mdm.Micros(now)}
	}
	return ` AND 1 = 0`, nil
}

func (r identityRoom) Intents(ctx context.Context, tenant mdm.TenantID, s identity.IntentState, now time.Time, before mdm.IntentID, limit int) (out []identity.Intent, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error {
		where, args := `tenant = ? AND kind <> ? AND way <> ?`, []any{t.id, identity.KindRenewal, identity.OnPremise}
		if before != "" {
			where, args = where+` AND uid < ?`, append(args, before)
		}
		state, more := inState(s, now)
		return t.each(ctx, "intents", `SELECT `+intentColumns+` FROM keelson_intent WHERE `+where+state+` ORDER BY uid DESC LIMIT ?`,
			append(append(args, more...), limit), func(rows *sql.Rows) error {
				i, err := scanIntent(rows.Scan)
				out = append(out, i)
				return err
			})
	})
	return out, err
}
