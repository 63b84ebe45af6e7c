package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

// TestLoadHostsInFewStatements: what a page of hosts shows is read by as many
// statements as what one host shows.
func TestLoadHostsInFewStatements(t *testing.T) {
	made := &book{}
	db := sql.OpenDB(&recorder{dsn: "file:" + fresh(t, template(t)) + "?" + pragmas, book: made})
	t.Cleanup(func() { _ = db.Close() })
	s, ctx := open(t, db, nil), context.Background()
	require.NoError(t, s.Lifecycle().PutTenant(ctx, mdm.DefaultTenant))
	var hosts []mdm.HostKey
	require.NoError(t, s.InTx(ctx, mdm.DefaultTenant, func(ctx context.Context, tx mdm.Tx) error {
		p := profiles.Profile{ID: "p", Family: profiles.AppleProfile, Identifier: "p", Name: "p", Revision: 1}
		require.NoError(t, s.Profiles().PutProfile(ctx, tx, &p))
		l := profiles.Label{ID: "l", Name: "l"}
		require.NoError(t, s.Profiles().PutLabel(ctx, tx, &l))
		for i := range 50 {
			h := mdm.Host{ID: mdm.HostID(fmt.Sprint(i)), Platform: mdm.MacOS, State: mdm.HostEnrolled}
			require.NoError(t, s.Lifecycle().PutHost(ctx, tx, &h))
			e := mdm.Enrollment{ID: mdm.EnrollmentID(h.ID), Natural: mdm.Natural(h.ID), Channel: mdm.DeviceChannel, Host: h.Key, State: mdm.EnrollmentEnrolled}
			require.NoError(t, s.Lifecycle().PutEnrollment(ctx, tx, &e))
			require.NoError(t, s.Profiles().SetMember(ctx, tx, l.Key, h.Key, profiles.Yes))
			require.NoError(t, s.Profiles().PutRows(ctx, tx, []profiles.Row{{Enrollment: e.Key, Slot: p.Slot, Op: profiles.Install, Profile: p.Key, Order: 1}}))
			hosts = append(hosts, h.Key)
		}
		return nil
	}))
	read := func(n int) int {
		before := made.asked
		states, err := s.Profiles().LoadHosts(ctx, mdm.DefaultTenant, hosts[:n])
		require.NoError(t, err)
		require.Len(t, states, n)
		for _, st := range states {
			require.Len(t, st.Members, 1)
			require.Len(t, st.Channels[0].Rows, 1)
		}
		return made.asked - before
	}
	require.Equal(t, read(1), read(len(hosts)))
	require.Equal(t, 6, read(len(hosts)))
}
