package windows_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/windows"
	"github.com/keelson-mdm/keelson/windows/syncml"
)

// session reads what the store keeps of a session.
func (d *pc) stored(id string) windows.Session {
	d.t.Helper()
	var s windows.Session
	require.NoError(d.t, d.w.store.InTx(context.Background(), mdm.DefaultTenant, func(ctx context.Context, tx mdm.Tx) (err error) {
		s, err = d.w.store.Windows().SessionTx(ctx, tx, d.enrollmentIn(ctx, tx).Key, id)
		return err
	}))
	return s
}

// What a session leaves in the store is sealed: commands in the answer, and
// values that wait for the rest.
func TestSessionsAreSealed(t *testing.T) {
	w := newWorld(t, nil)
	d := w.managed("AB01")
	d.enqueue(write(syncml.Replace, base+"A", "hunter2"), get(base+"A", base+"B"))
	d.begin("2")
	cmds := d.packageOne()
	m := d.answering(d.status(cmds[1], 200, base+"A"), d.result(cmds[1], base+"A", "hunter2"))
	m.Final = false
	d.send(m)
	s := d.stored("2")
	require.Equal(t, 2, s.MsgID)
	for _, b := range [][]byte{s.State, s.Reply} {
		require.NotEmpty(t, b)
		require.NotContains(t, string(b), "hunter2")
		require.NotContains(t, string(b), "Policy")
	}
}

// A session whose key is gone begins anew, and its commands leave again.
func TestSessionThatCannotBeOpened(t *testing.T) {
	for _, broken := range [][]byte{nil, {}, []byte("garbage")} {
		w := newWorld(t, nil)
		d := w.managed("AB01")
		id := d.enqueue(write(syncml.Replace, base+"A", "1"))[0]
		d.begin("2")
		cmds := d.packageOne()
		s := d.stored("2")
		s.State = broken
		require.NoError(t, w.store.InTx(context.Background(), mdm.DefaultTenant, func(ctx context.Context, tx mdm.Tx) error {
			return w.store.Windows().PutSession(ctx, tx, s)
		}))
		cmds = d.answer(d.status(cmds[0], 200))
		require.Equal(t, []string{"A"}, uris(cmds))
		require.Empty(t, d.answer(d.status(cmds[0], 200)))
		require.True(t, d.done(id).Outcome.OK())
	}
}

// A session belongs to the life in which it was held.
func TestSessionOfAnotherLife(t *testing.T) {
	w := newWorld(t, nil)
	d := w.managed("AB01")
	id := d.enqueue(write(syncml.Replace, base+"A", "1"))[0]
	d.begin("2")
	cmds := d.packageOne()
	s := d.stored("2")
	row := fmt.Sprintf("%d/state/2", s.Enrollment)
	clear, err := w.box.Open(mdm.DefaultTenant, "windows_session", row, s.State)
	require.NoError(t, err)
	var state map[string]any
	require.NoError(t, json.Unmarshal(clear, &state))
	state["generation"] = 4711
	clear, err = json.Marshal(state)
	require.NoError(t, err)
	s.State, err = w.box.Seal(mdm.DefaultTenant, "windows_session", row, clear)
	require.NoError(t, err)
	require.NoError(t, w.store.InTx(context.Background(), mdm.DefaultTenant, func(ctx context.Context, tx mdm.Tx) error {
		return w.store.Windows().PutSession(ctx, tx, s)
	}))
	d.answer(d.status(cmds[0], 200))
	require.Empty(t, d.done(id).Outcome)
}

// outside is a CA of the application's own, whose certificates do not carry our
// name.
type outside struct {
	root *x509.Certificate
	key  crypto.Signer
}

func (o outside) Roots(context.Context, mdm.TenantID) ([]*x509.Certificate, error) {
	return []*x509.Certificate{o.root}, nil
}

func (o outside) Issue(_ context.Context, r mdm.IssueRequest) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(bigOne, 120))
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "device"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, o.root, r.PublicKey, o.key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// Certificates of an outside CA are known by what was issued, whatever is in them.
func TestOutsideCA(t *testing.T) {
	authority := outside{root: testRoot().cert, key: testRoot().key}
	w := newWorld(t, func(c *windows.Config) {
		id, err := identity.New(identity.Config{
			Store: c.Transactor.(interface{ Identity() identity.Store }).Identity(), Transactor: c.Transactor, CA: authority,
			Clock: c.Clock, Rand: rand.Reader, Unnamed: true, Passwords: passwords{"ada@example.com": "correct horse"},
		})
		require.NoError(t, err)
		c.Identity, c.CA = id, authority
	})
	h := w.server.Enroll(mdm.DefaultTenant)
	var devices []*pc
	for i, id := range []string{"AB01", "CD02"} {
		rec := ask(h, nil, token(goodSignIn, "Issue", nsEnr+"#PKCS10", csr(t, newKey(t), id), items(id)))
		leaf := issued(t, document(t, rec), "User")
		require.Equal(t, "device", leaf.Subject.CommonName)
		auth := w.sink.of(mdm.SignalAuthenticated)[i].Data.(mdm.Authenticated)
		d := &pc{w: w, t: t, leaf: leaf, natural: auth.Natural, deviceID: id}
		d.begin("1")
		d.packageOne()
		require.Equal(t, mdm.EnrollmentEnrolled, d.enrollment().State)
		devices = append(devices, d)
	}
	thief := *devices[0]
	thief.deviceID = "CD02"
	thief.begin("2")
	require.Equal(t, "0 SyncHdr 401", statuses(thief.send(thief.message(thief.hello()...)))[0])

	other, err := authority.Issue(context.Background(), mdm.IssueRequest{PublicKey: &newKey(t).PublicKey})
	require.NoError(t, err)
	thief.leaf = other // for another purpose
	thief.begin("2")
	require.Equal(t, 400, thief.post(encode(t, thief.message(thief.hello()...))).Code)
}
