package nanostore_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	nanomdm "github.com/micromdm/nanomdm/mdm"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/storage/inmem"
	"github.com/keelson-mdm/keelson/storage/sqlstore"
)

// secrets are what must not stand in the database as it is.
var secrets = []string{"token of D", "magic of D", "unlock of D", "bootstrap of D", "raw of D", "raw of D:u", "digest of D:u", "answer to one", "PIN 1234", "answer to what"}

// TestSecretsAreSealed looks for secrets in the bytes of the database.
func TestSecretsAreSealed(t *testing.T) {
	dir := t.TempDir()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "mdm.db")+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)")
	require.NoError(t, err)
	require.NoError(t, sqlstore.Migrate(ctx, db, sqlstore.SQLite))
	st, err := sqlstore.Open(ctx, db, sqlstore.SQLite, nil)
	require.NoError(t, err)
	f := over(t, st, mdm.DefaultTenant)

	d, u := f.enroll("D"), userRequest("D", "u")
	f.update(u)
	require.NoError(t, f.StoreUserAuthenticate(u, &nanomdm.UserAuthenticate{DigestResponse: "x", Raw: []byte("digest of D:u")}))
	require.NoError(t, f.StoreBootstrapToken(d, &nanomdm.SetBootstrapToken{BootstrapToken: nanomdm.BootstrapToken{BootstrapToken: []byte("bootstrap of D")}}))
	lock := newCommand("one")
	lock.Raw = []byte("PIN 1234")
	_, err = f.EnqueueCommand(ctx, []string{"D"}, lock)
	require.NoError(t, err)
	require.NoError(t, f.StoreCommandReport(d, report("one", "Acknowledged")))
	require.NoError(t, f.StoreCommandReport(d, report("what", "Acknowledged")))
	cert, key := pushCertificate(t, "com.apple.mgmt.one")
	require.NoError(t, f.StorePushCert(ctx, cert, key))
	require.Equal(t, "token of D", string(f.push("D")["D"].Token))

	require.NoError(t, st.Close())
	require.NoError(t, db.Close())
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	var all []byte
	for _, file := range files {
		b, err := os.ReadFile(filepath.Join(dir, file.Name()))
		require.NoError(t, err)
		all = append(all, b...)
	}
	require.True(t, bytes.Contains(all, []byte("apple:D:u")), "the rows are there")
	require.True(t, bytes.Contains(all, cert))
	for _, s := range append(secrets, string(key), "PRIVATE KEY") {
		require.False(t, bytes.Contains(all, []byte(s)), "%s is there to read", s)
	}
}

// TestTenants: two tenants of one store know nothing of each other.
func TestTenants(t *testing.T) {
	st := inmem.New(nil)
	f, g := over(t, st, "one"), over(t, st, "two")
	d := f.enroll("D")
	f.queue("x", "D")
	require.NoError(t, f.AssociateCertHash(d, "hash"))
	cert, key := pushCertificate(t, "com.apple.mgmt.one")
	require.NoError(t, f.StorePushCert(ctx, cert, key))

	require.Empty(t, g.push("D"))
	require.Empty(t, g.next(d))
	require.Equal(t, 0, g.tally("D"))
	id, err := g.EnrollmentFromHash(ctx, "hash")
	require.NoError(t, err)
	require.Empty(t, id)
	_, _, err = g.RetrievePushCert(ctx, "com.apple.mgmt.one")
	require.ErrorIs(t, err, mdm.CodeNotFound)
	require.Empty(t, g.checkins(ctx))

	g.enroll("D")
	require.Empty(t, g.next(d))
	require.NoError(t, g.Disable(d))
	require.Equal(t, "x", f.next(d))
}

// checkins are the types of the messages that a migration sends.
func (f *fixture) checkins(ctx context.Context) (types []string) {
	f.t.Helper()
	out, done := make(chan interface{}), make(chan error, 1)
	go func() {
		defer close(out)
		done <- f.RetrieveMigrationCheckins(ctx, out)
	}()
	for m := range out {
		types = append(types, fmt.Sprintf("%T", m))
	}
	require.NoError(f.t, <-done)
	return types
}

const tokenUpdatePlist = `<plist version="1.0"><dict><key>MessageType</key><string>TokenUpdate</string><key>UDID</key><string>%s</string></dict></plist>`

// A migration is of enrolled devices, and as many as there are; it ends with its
// context, and a message that cannot be read is told without its bytes.
func TestMigration(t *testing.T) {
	f := newFixture(t)
	const devices = 230 // more than two pages
	for n := range devices {
		id := fmt.Sprintf("D%d", n)
		f.authenticate(id)
		if n%2 == 0 {
			require.NoError(t, f.StoreTokenUpdate(request(id), &nanomdm.TokenUpdate{Raw: fmt.Appendf(nil, tokenUpdatePlist, id)}))
		}
	}
	require.Len(t, f.checkins(ctx), devices, "two of every other one")

	over, cancel := context.WithCancel(ctx)
	cancel()
	require.ErrorIs(t, f.RetrieveMigrationCheckins(over, make(chan interface{})), context.Canceled)

	f = newFixture(t)
	f.enroll("D")
	err := f.RetrieveMigrationCheckins(ctx, make(chan interface{}, 10))
	require.ErrorContains(t, err, "token_update of D cannot be decoded")
	require.NotContains(t, err.Error(), "raw of D")
}

// A user enrollment has no UDID: its token is sent under its EnrollmentID.
func TestMigrationOfUserEnrollment(t *testing.T) {
	f := newFixture(t)
	r := request("E")
	r.Type = nanomdm.UserEnrollmentDevice
	require.NoError(t, f.StoreAuthenticate(r, &nanomdm.Authenticate{Raw: []byte(authenticate)}))
	require.NoError(t, f.StoreTokenUpdate(r, &nanomdm.TokenUpdate{Raw: fmt.Appendf(nil, tokenUpdatePlist, "E")}))
	require.NoError(t, f.StoreBootstrapToken(r, &nanomdm.SetBootstrapToken{BootstrapToken: nanomdm.BootstrapToken{BootstrapToken: []byte("b")}}))
	out := make(chan interface{}, 3)
	require.NoError(t, f.RetrieveMigrationCheckins(ctx, out))
	<-out
	<-out
	m := (<-out).(*nanomdm.SetBootstrapToken)
	require.Equal(t, nanomdm.Enrollment{EnrollmentID: "E"}, m.Enrollment)
	again, err := nanomdm.DecodeCheckin(m.Raw)
	require.NoError(t, err)
	require.Equal(t, "b", string(again.(*nanomdm.SetBootstrapToken).BootstrapToken.BootstrapToken))
}

var errFault = errors.New("fault")

// TestFaults fails every write of a life, one after the other: the call that it
// was in fails and has changed nothing, and the same call again goes on as if
// nothing had been.
func TestFaults(t *testing.T) {
	want, writes := lifeWithFault(t, -1)
	require.Greater(t, writes, 40)
	for n := range writes {
		got, _ := lifeWithFault(t, n)
		require.Equal(t, want, got, "with a fault at write %d", n)
	}
}

// lifeWithFault plays a life with a fault at one write, and tells how everything
// stands after it and how many writes it took.
func lifeWithFault(t *testing.T, at int) (stands map[string]any, writes int) {
	on := false
	st := inmem.New(&inmem.Options{Fault: func(string) error {
		if !on {
			return nil
		}
		writes++
		if writes-1 == at {
			return errFault
		}
		return nil
	}})
	f := over(t, st, mdm.DefaultTenant)
	cert, key := pushCertificate(t, "com.apple.mgmt.one")
	d, u := request("D"), userRequest("D", "u")
	on = true
	for n, call := range []func() error{
		func() error {
			return f.StoreAuthenticate(d, &nanomdm.Authenticate{SerialNumber: "S1", Raw: []byte(authenticate)})
		},
		func() error { return f.AssociateCertHash(d, "one") },
		func() error { return f.AssociateCertHash(d, "one") },
		func() error { return f.StoreTokenUpdate(d, tokenUpdate(d)) },
		func() error {
			return f.StoreUserAuthenticate(u, &nanomdm.UserAuthenticate{Raw: []byte("raw")})
		},
		func() error { return f.StoreTokenUpdate(u, tokenUpdate(u)) },
		func() error {
			return f.StoreBootstrapToken(d, &nanomdm.SetBootstrapToken{BootstrapToken: nanomdm.BootstrapToken{BootstrapToken: []byte("b")}})
		},
		func() error { return enqueue(f, "one", "D", "D:u") },
		func() error { return enqueue(f, "two", "D", "D:u") },
		func() error { _, err := f.RetrieveNextCommand(d, false); return err },
		func() error { return f.StoreCommandReport(d, report("one", "NotNow")) },
		func() error { return f.StoreCommandReport(d, report("one", "Acknowledged")) },
		func() error { return f.StoreCommandReport(d, report("unknown", "Acknowledged")) },
		func() error { return f.ClearQueue(u) },
		func() error { return f.StorePushCert(ctx, cert, key) },
		func() error { return f.Disable(u) },
		func() error { return f.Disable(d) },
		func() error { return f.StoreTokenUpdate(d, tokenUpdate(d)) },
	} {
		before := writes
		err := call()
		if at >= before && at < writes {
			require.ErrorIs(t, err, errFault, "call %d", n)
			err = call()
		}
		require.NoError(t, err, "call %d", n)
	}
	on = false
	total := writes
	stands = map[string]any{
		"state": f.enrollment("D").State, "user": f.enrollment("D:u").State, "host": f.host("D").State,
		"tally": f.tally("D"), "user tally": f.tally("D:u"), "push": f.push("D", "D:u"), "next": f.next(d), "user next": f.next(u),
	}
	as, err := f.store.Apple().Aside(ctx, f.tenant, f.enrollment("D").Key)
	require.NoError(t, err)
	stands["aside"] = len(as)
	for _, id := range []string{"D", "D:u"} {
		for _, c := range f.done(id) {
			stands[id+" "+c.Idempotency] = c.Outcome
		}
	}
	has, err := f.IsCertHashAssociated(d, "one")
	require.NoError(t, err)
	stands["hash"] = has
	ms, err := f.store.Nano().Messages(ctx, f.tenant, f.enrollment("D:u").Key)
	require.NoError(t, err)
	stands["messages"] = len(ms)
	return stands, total
}

// enqueue queues a command for channels, all or none.
func enqueue(f *fixture, uuid string, ids ...string) error {
	failed, err := f.EnqueueCommand(ctx, ids, newCommand(uuid))
	for _, e := range failed {
		err = errors.Join(err, e)
	}
	return err
}
