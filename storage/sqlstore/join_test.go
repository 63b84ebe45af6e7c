package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
	"github.com/keelson-mdm/keelson/queue"
	"github.com/keelson-mdm/keelson/storage/sqlstore"
)

// app is an application with a table of its own in the store's database, and a
// managed host.
type app struct {
	t       *testing.T
	ctx     context.Context
	s       *sqlstore.Store
	db      *sql.DB
	host    mdm.Host
	channel mdm.Enrollment
}

func newApp(t *testing.T, params string) *app {
	t.Helper()
	a := &app{t: t, ctx: context.Background(), db: connect(t, fresh(t, template(t)), params)}
	a.s = open(t, a.db, nil)
	_, err := a.db.Exec("CREATE TABLE ticket (name TEXT)")
	require.NoError(t, err)
	require.NoError(t, a.s.Lifecycle().PutTenant(a.ctx, mdm.DefaultTenant))
	a.host = mdm.Host{ID: "host", State: mdm.HostEnrolled}
	a.do(func(ctx context.Context, tx mdm.Tx) error {
		if err := a.s.Lifecycle().PutHost(ctx, tx, &a.host); err != nil {
			return err
		}
		a.channel = mdm.Enrollment{
			ID: "life", Natural: "apple:A", Protocol: mdm.AppleProtocol, Channel: mdm.DeviceChannel, Host: a.host.Key,
			Generation: 1, State: mdm.EnrollmentEnrolled, Pin: mdm.Hash{1},
		}
		return a.s.Lifecycle().PutEnrollment(ctx, tx, &a.channel)
	})
	return a
}

func (a *app) do(fn func(ctx context.Context, tx mdm.Tx) error) {
	a.t.Helper()
	require.NoError(a.t, a.s.InTx(a.ctx, mdm.DefaultTenant, fn))
}

// order queues a command and marks the host, as an application would.
func (a *app) order(ctx context.Context, tx mdm.Tx) error {
	if err := a.s.Queue().PutContent(ctx, tx, mdm.Hash{7}, []byte("content"), time.Time{}); err != nil {
		return err
	}
	e := queue.Entry{Command: queue.Command{
		ID: "command", Enrollment: a.channel.Key, Generation: 1, Owner: mdm.OwnerApplication,
		Kind: mdm.KindProfileList, Lane: queue.LaneNormal, Redelivery: mdm.Repeatable,
	}, Hash: mdm.Hash{7}}
	if err := a.s.Queue().Insert(ctx, tx, []queue.Entry{e}); err != nil {
		return err
	}
	return a.s.Profiles().MarkHost(ctx, tx, a.host.Key, profiles.LaneHost)
}

func (a *app) poll() []queue.Handout {
	a.t.Helper()
	answer, err := a.s.Queue().Poll(a.ctx, mdm.DefaultTenant, queue.Poll{Caller: queue.Caller{Natural: a.channel.Natural, Pin: a.channel.Pin}})
	require.NoError(a.t, err)
	return answer.Handouts
}

func TestJoin(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(*sql.Tx) error
		n    int
	}{{"commits with it", (*sql.Tx).Commit, 1}, {"is rolled back with it", (*sql.Tx).Rollback, 0}} {
		t.Run(c.name, func(t *testing.T) {
			a := newApp(t, pragmas)
			before := dump(t, a.db)
			tx, err := a.db.BeginTx(a.ctx, nil)
			require.NoError(t, err)
			_, err = tx.Exec("INSERT INTO ticket VALUES ('lost mac')")
			require.NoError(t, err)
			require.NoError(t, a.s.Join(a.ctx, tx, mdm.DefaultTenant, a.order))
			require.Empty(t, a.poll(), "nothing leaves before the application commits")
			require.NoError(t, c.end(tx))
			require.Len(t, table(t, a.db, "SELECT * FROM ticket"), c.n)
			if c.n == 0 {
				require.Equal(t, before, dump(t, a.db))
			}
			require.Len(t, a.poll(), c.n)
			n, err := a.s.Profiles().Backlog(a.ctx, mdm.DefaultTenant)
			require.NoError(t, err)
			require.Equal(t, c.n, n)
		})
	}
}

// A pinned connection with a transaction of its own is as good as a *sql.Tx.
func TestJoinConn(t *testing.T) {
	a := newApp(t, pragmas)
	conn, err := a.db.Conn(a.ctx)
	require.NoError(t, err)
	defer conn.Close()
	for _, c := range []struct {
		end string
		n   int
	}{{"ROLLBACK", 0}, {"COMMIT", 1}} {
		_, err = conn.ExecContext(a.ctx, "BEGIN")
		require.NoError(t, err)
		require.NoError(t, a.s.Join(a.ctx, conn, mdm.DefaultTenant, a.order))
		_, err = conn.ExecContext(a.ctx, c.end)
		require.NoError(t, err)
		require.Len(t, a.poll(), c.n)
	}
}

func TestJoinErrors(t *testing.T) {
	a := newApp(t, pragmas)
	before := dump(t, a.db)
	tx, err := a.db.BeginTx(a.ctx, nil)
	require.NoError(t, err)
	errOurs := errors.New("ours")
	var kept mdm.Tx
	err = a.s.Join(a.ctx, tx, mdm.DefaultTenant, func(ctx context.Context, x mdm.Tx) error {
		kept = x
		x.AfterCommit(func() { require.Fail(t, "a wake after a failure") })
		require.Equal(t, mdm.DefaultTenant, x.Tenant())
		require.NoError(t, a.order(ctx, x))
		require.ErrorIs(t, a.s.InTx(ctx, mdm.DefaultTenant, a.order), mdm.CodeInternal, "units do not nest")
		require.ErrorIs(t, a.s.Join(ctx, tx, mdm.DefaultTenant, a.order), mdm.CodeInternal)
		return errOurs
	})
	require.ErrorIs(t, err, errOurs)
	require.ErrorIs(t, a.s.Profiles().MarkTeam(a.ctx, kept, 0), mdm.CodeInternal, "the unit is over")
	require.ErrorIs(t, a.s.Join(a.ctx, tx, "nobody", a.order), mdm.CodeNotFound)
	require.NoError(t, tx.Rollback())
	require.Equal(t, before, dump(t, a.db))
	require.ErrorIs(t, a.s.Join(a.ctx, tx, mdm.DefaultTenant, a.order), mdm.CodeUnavailable, "a transaction that has ended")
	a.do(func(ctx context.Context, _ mdm.Tx) error {
		require.ErrorIs(t, a.s.Join(ctx, a.db, mdm.DefaultTenant, a.order), mdm.CodeInternal)
		return nil
	})
}

func TestJoinWakes(t *testing.T) {
	a := newApp(t, pragmas)
	tx, err := a.db.BeginTx(a.ctx, nil)
	require.NoError(t, err)
	var woken []int
	require.NoError(t, a.s.Join(a.ctx, tx, mdm.DefaultTenant, func(ctx context.Context, x mdm.Tx) error {
		x.AfterCommit(func() { woken = append(woken, 1) })
		x.AfterCommit(func() { woken = append(woken, 2) })
		require.Empty(t, woken)
		return a.order(ctx, x)
	}))
	require.Equal(t, []int{1, 2}, woken)
	require.NoError(t, tx.Commit())
}

// A unit of ours inside the application's open write transaction would wait for
// itself: it fails after the busy timeout, and says what to do.
func TestUnitInsideTheApplicationsTransaction(t *testing.T) {
	a := newApp(t, "_pragma=journal_mode(WAL)&_pragma=busy_timeout(1000)&_pragma=synchronous(NORMAL)")
	tx, err := a.db.BeginTx(a.ctx, nil)
	require.NoError(t, err)
	_, err = tx.Exec("INSERT INTO ticket VALUES ('lost mac')")
	require.NoError(t, err)
	err = a.s.InTx(a.ctx, mdm.DefaultTenant, a.order)
	require.ErrorIs(t, err, mdm.CodeUnavailable)
	require.ErrorContains(t, err, "use Store.Join")
	require.True(t, mdm.Transient(err))

	_, err = a.s.Lifecycle().Host(a.ctx, mdm.DefaultTenant, a.host.ID)
	require.NoError(t, err, "reads do not wait")
	require.Empty(t, a.poll(), "nor does an idle poll")

	require.NoError(t, a.s.Join(a.ctx, tx, mdm.DefaultTenant, a.order))
	require.NoError(t, tx.Commit())
	require.Len(t, a.poll(), 1)
}
