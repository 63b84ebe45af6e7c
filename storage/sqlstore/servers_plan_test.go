package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/lifecycle"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
	"github.com/keelson-mdm/keelson/queue"
)

// use does once what a server does all the time.
func (f *fleet) use(round int) {
	t, ctx, s := f.t, f.ctx, f.s
	tenant := mdm.DefaultTenant
	e := f.channels[round%len(f.channels)]
	p := queue.Poll{Caller: queue.Caller{Natural: e.Natural, Pin: e.Pin}, Now: f.now}
	f.insert(f.entries(1))
	f.insert(f.entries(8, func(x *queue.Entry) { x.Owner, x.Ref = mdm.OwnerProfiles, mdm.Ref{Key: 1, Order: 1} }))
	f.insert(f.entries(1, func(x *queue.Entry) { x.Idempotency, x.Supersede, x.Resource = "key-"+string(x.ID), "one", "thing" }))
	_, err := s.Queue().Poll(ctx, tenant, queue.Poll{Caller: p.Caller, Now: p.Now, Judge: true})
	require.NoError(t, err)
	for {
		a, err := s.Queue().Poll(ctx, tenant, p)
		require.NoError(t, err)
		if len(a.Handouts) == 0 {
			break
		}
		report := queue.Report{Command: a.Handouts[0].ID, Now: f.now, Outcome: mdm.OutcomeAcknowledged}
		if r, ok := s.Queue().(queue.Reporter); ok {
			_, _, taken, err := r.Report(ctx, tenant, p, report)
			require.NoError(t, err)
			if taken {
				continue
			}
		}
		f.do(func(ctx context.Context, tx mdm.Tx) error {
			in, err := s.Identity().EnrollmentTx(ctx, tx, e.Natural)
			if err != nil {
				return err
			}
			filed, err := s.Queue().File(ctx, tx, in, report)
			if err != nil {
				return err
			}
			if err := s.Profiles().Acknowledge(ctx, tx, filed.Result); err != nil {
				return err
			}
			if _, err := s.Profiles().RowsOf(ctx, tx, e.Key); err != nil {
				return err
			}
			_, err = s.Queue().Next(ctx, tx, in, p)
			return err
		})
	}
	f.do(func(ctx context.Context, tx mdm.Tx) error {
		if err := s.Profiles().MarkHost(ctx, tx, e.Host, profiles.LaneAnswer); err != nil {
			return err
		}
		if err := s.Profiles().MarkDue(ctx, tx, e.Host, f.now.Add(time.Hour)); err != nil {
			return err
		}
		if err := s.Profiles().RecordSeen(ctx, tx, e.Host, []profiles.SeenRow{{RowKey: profiles.RowKey{Enrollment: e.Key, Slot: 1, Order: 1}}}, f.now); err != nil {
			return err
		}
		return s.Lifecycle().Append(ctx, tx, mdm.Event{ID: mdm.EventID(fmt.Sprint("event-", f.made)), Kind: "k", Key: e.Key, At: f.now})
	})
	f.do(func(ctx context.Context, tx mdm.Tx) error {
		claimed, _, err := s.Profiles().Claim(ctx, tx, f.now, 4)
		if err != nil {
			return err
		}
		states, err := s.Profiles().Load(ctx, tx, claimed)
		if err != nil {
			return err
		}
		for _, st := range states {
			if err := s.Profiles().RaisePlan(ctx, tx, st.Host.Key, st.PlanRevision, 0, 0); err != nil {
				return err
			}
			k := st.Channels[0].Enrollment.Key
			if _, _, err := s.Queue().EndRef(ctx, tx, k, mdm.OwnerProfiles, 1, f.now); err != nil {
				return err
			}
			if err := s.Profiles().PutRows(ctx, tx, []profiles.Row{{Enrollment: k, Slot: 1, Family: profiles.AppleProfile, Op: profiles.Install, Order: 1}}); err != nil {
				return err
			}
		}
		_, err = s.Queue().Expire(ctx, tx, f.now, 10)
		return err
	})
	events, err := s.Lifecycle().ClaimEvents(ctx, tenant, f.now.Add(time.Hour), time.Minute, 10)
	require.NoError(t, err)
	for _, ev := range events {
		require.NoError(t, s.Lifecycle().EventDone(ctx, tenant, ev.Seq))
	}
	require.NoError(t, s.Lifecycle().Seen(ctx, tenant, map[mdm.HostKey]time.Time{e.Host: f.now}))
	_, err = s.Apple().Push(ctx, tenant, []mdm.EnrollmentKey{e.Key})
	require.NoError(t, err)
	_, err = s.Queue().Waiting(ctx, tenant, f.now, 0, 10)
	require.NoError(t, err)
	_, err = s.Queue().List(ctx, tenant, e.Key, 0, 10)
	require.NoError(t, err)
	_, err = s.Lifecycle().Hosts(ctx, tenant, lifecycle.HostFilter{}, 0, 10)
	require.NoError(t, err)
	_, err = s.Lifecycle().Enrollments(ctx, tenant, e.Host)
	require.NoError(t, err)
	_, err = s.Profiles().Backlog(ctx, tenant)
	require.NoError(t, err)
	_, err = s.Profiles().NextDue(ctx, tenant)
	require.NoError(t, err)
}

// TestServerPlans: no statement that is made often reads a growing table whole,
// though its plan was made while the queue was empty, as it is most of the time,
// and is kept when the queue fills.
func TestServerPlans(t *testing.T) {
	scan := regexp.MustCompile(`Seq Scan on (` + growing + `|keelson_(dirty|due|plan))`)
	row := regexp.MustCompile(`(?s)^INSERT.*VALUES`) // one row needs no plan
	t.Run("postgres", func(t *testing.T) {
		postgres.Need(t)
		f := postgres.fleet(t, 40)
		for i := range 8 {
			f.use(i)
		}
		db := postgres.Open(t, f.dsn)
		exec := func(c interface {
			ExecContext(context.Context, string, ...any) (sql.Result, error)
		}, q string) {
			_, err := c.ExecContext(f.ctx, q)
			require.NoError(t, err, q)
		}
		// A fleet as it stands, and queues that are empty.
		exec(db, `INSERT INTO keelson_host (tenant, uid, platform, serial, hardware_id, name, model, os_version, team, state, created_at)
			SELECT 1000, 'h' || n, 'macos', 's' || n, 'w' || n, '', '', '', n % 10, 'enrolled', 0 FROM generate_series(1, 20000) n`)
		exec(db, `INSERT INTO keelson_plan (tenant, host, revision) SELECT 1000, id, 0 FROM keelson_host WHERE tenant = 1000`)
		exec(db, `INSERT INTO keelson_seen (host, tenant, at) SELECT id, 1000, 0 FROM keelson_host WHERE tenant = 1000`)
		exec(db, `INSERT INTO keelson_enrollment (tenant, uid, natural_key, protocol, channel, parent, host, host_uid, platform, generation, state, enrolled_at, ended_at)
			SELECT 1000, 'e' || id, 'apple:' || id, 'apple', 'device', 0, id, uid, 'macos', 1, 'enrolled', 0, 0 FROM keelson_host WHERE tenant = 1000`)
		exec(db, `INSERT INTO keelson_row (tenant, enrollment, slot, family, op, profile, revision, content, ordered, since, command, overridden, traces, blurred, asked, asked_seq, tries, misses, retry_at)
			SELECT 1000, id, s, 'apple', 'install', 1, 1, '', 1, 0, '', '', '', false, 0, 0, 0, 0, 0 FROM keelson_enrollment, generate_series(1, 5) s WHERE tenant = 1000`)
		exec(db, `INSERT INTO keelson_member (tenant, host, label, value) SELECT 1000, id, l, 1 FROM keelson_host, generate_series(1, 3) l WHERE tenant = 1000`)
		exec(db, `INSERT INTO keelson_apple_push (tenant, enrollment, topic, token, magic, at) SELECT 1000, id, '', '', '', 0 FROM keelson_enrollment WHERE tenant = 1000`)
		exec(db, `INSERT INTO keelson_content (tenant, sha, sealed, used_at) SELECT 1000, decode(md5(n::text), 'hex'), '', 0 FROM generate_series(1, 2000) n`)
		exec(db, `INSERT INTO keelson_done SELECT seq, 1000, enrollment, lane, uid, generation, owner, ref_key, ref_order, kind, content, not_before, expires, resource,
			supersede, idempotency, redelivery, actor, queued_at, sent_at, sent, held_at, 'acknowledged', '', '', NULL, 0 FROM keelson_queue WHERE tenant = 0`)
		for _, q := range []string{"keelson_queue", "keelson_dirty", "keelson_outbox", "keelson_due", "keelson_walk"} {
			exec(db, "DELETE FROM "+q+" WHERE tenant <> 0")
		}
		exec(db, "VACUUM ANALYZE")

		conn, err := db.Conn(f.ctx)
		require.NoError(t, err)
		defer conn.Close()
		exec(conn, "SET plan_cache_mode = force_generic_plan")
		var statements []string
		for _, q := range f.s.Prepared() {
			if strings.Contains(q, "keelson_") && !row.MatchString(q) {
				statements = append(statements, q)
			}
		}
		slices.Sort(statements)
		require.Greater(t, len(statements), 40, "what a server does all the time")
		calls := make([]string, len(statements))
		for i, q := range statements {
			exec(conn, fmt.Sprintf("PREPARE s%d AS %s", i, q))
			var n int
			require.NoError(t, conn.QueryRowContext(f.ctx, fmt.Sprintf("SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE name = 's%d'", i)).Scan(&n))
			calls[i] = fmt.Sprintf("EXECUTE s%d", i)
			if n > 0 {
				calls[i] += "(NULL" + strings.Repeat(", NULL", n-1) + ")"
			}
			exec(conn, "BEGIN")
			exec(conn, calls[i])
			exec(conn, "ROLLBACK")
		}
		exec(db, `INSERT INTO keelson_queue (tenant, enrollment, lane, uid, generation, owner, ref_key, ref_order, kind, content, not_before, expires, resource, supersede, redelivery, actor, queued_at)
			SELECT 1000, e.id, 50, 'f' || e.id || '-' || n, 1, '', 0, 0, '', 1, 0, 0, '', '', 'repeatable', '', 0 FROM keelson_enrollment e, generate_series(1, 5) n WHERE tenant = 1000`)
		var wasteful []string
		for i, q := range statements {
			rows, err := conn.QueryContext(f.ctx, "EXPLAIN "+calls[i])
			require.NoError(t, err)
			var steps []string
			for rows.Next() {
				var step string
				require.NoError(t, rows.Scan(&step))
				steps = append(steps, step)
			}
			require.NoError(t, rows.Close())
			if plan := strings.Join(steps, "\n"); !wholeOnPurpose(q) && scan.MatchString(plan) {
				wasteful = append(wasteful, q+"\n"+plan)
			}
		}
		require.Empty(t, wasteful, strings.Join(wasteful, "\n\n"))
	})
}
