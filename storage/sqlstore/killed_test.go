package sqlstore_test

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/lifecycle"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/storage/sqlstore"
)

// victim names, in the environment of a child process, the database on which it
// works until it is killed.
const victim = "KEELSON_TEST_VICTIM"

// TestKilled kills a process, again and again, while it commits units of work,
// and finds each that it had reported, whole, and at most one that it had not.
func TestKilled(t *testing.T) {
	if path := os.Getenv(victim); path != "" {
		work(t, path)
		return
	}
	path := fresh(t, template(t))
	db := connect(t, path, pragmas)
	s := open(t, db, nil)
	require.NoError(t, s.Lifecycle().PutTenant(context.Background(), mdm.DefaultTenant))
	require.NoError(t, s.Close())
	require.NoError(t, db.Close())

	known := 0
	for round, units := range []int{1, 7, 40, 23} {
		reported := runAndKill(t, path, units)
		require.GreaterOrEqual(t, reported, known+units)

		db := connect(t, path, pragmas)
		var check string
		require.NoError(t, db.QueryRow("PRAGMA integrity_check").Scan(&check))
		require.Equal(t, "ok", check)
		s := open(t, db, nil)
		hosts, err := s.Lifecycle().Hosts(context.Background(), mdm.DefaultTenant, lifecycle.HostFilter{}, 0, 1<<20)
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(hosts), reported, "round %d: what was reported is there", round)
		for i, h := range hosts {
			require.Equal(t, strconv.Itoa(i+1), h.Serial, "in order, without gaps")
			es, err := s.Lifecycle().Enrollments(context.Background(), mdm.DefaultTenant, h.Key)
			require.NoError(t, err)
			require.Len(t, es, 1, "each unit is whole")
		}
		known = len(hosts)
		require.Len(t, table(t, db, "SELECT seq FROM keelson_outbox"), known, "each unit is whole")
		require.NoError(t, s.Close())
		require.NoError(t, db.Close())
	}
}

// runAndKill starts a process, kills it once it has reported that many units,
// and returns the last that it reported.
func runAndKill(t *testing.T, path string, units int) (last int) {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestKilled$")
	child.Env = append(os.Environ(), victim+"="+path)
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		n, err := strconv.Atoi(lines.Text())
		require.NoError(t, err, lines.Text())
		if last = n; units == 1 {
			require.NoError(t, child.Process.Kill()) // what it wrote until it died is read below
		}
		units--
	}
	require.Error(t, child.Wait(), "it was killed")
	return last
}

// work commits units until the process is killed, and reports each.
func work(t *testing.T, path string) {
	db, err := sql.Open("sqlite", "file:"+path+"?"+pragmas)
	require.NoError(t, err)
	ctx := context.Background()
	s, err := sqlstore.Open(ctx, db, sqlstore.SQLite, nil)
	require.NoError(t, err)
	hosts, err := s.Lifecycle().Hosts(ctx, mdm.DefaultTenant, lifecycle.HostFilter{}, 0, 1<<20)
	require.NoError(t, err)
	for n := len(hosts) + 1; ; n++ {
		name := strconv.Itoa(n)
		require.NoError(t, s.InTx(ctx, mdm.DefaultTenant, func(ctx context.Context, tx mdm.Tx) error {
			h := mdm.Host{ID: mdm.HostID(name), Serial: name, State: mdm.HostEnrolled}
			if err := s.Lifecycle().PutHost(ctx, tx, &h); err != nil {
				return err
			}
			e := mdm.Enrollment{Natural: mdm.AppleNatural(name), Host: h.Key, State: mdm.EnrollmentEnrolled}
			if err := s.Lifecycle().PutEnrollment(ctx, tx, &e); err != nil {
				return err
			}
			return s.Lifecycle().Append(ctx, tx, mdm.Event{ID: mdm.EventID(name), Key: e.Key})
		}))
		fmt.Println(n)
	}
}
