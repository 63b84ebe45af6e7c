package windows_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
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

// outside is a CA of the application's own, whose certificates do not carry our
// name.
type outside struct {
	root *x509.Certificate
	key  crypto.Signer
	// rename gives certificates a name of its own choice.
	rename bool
}

func (o outside) Roots(context.Context, mdm.TenantID) ([]*x509.Certificate, error) {
	return []*x509.Certificate{o.root}, nil
}

func (o outside) Issue(_ context.Context, r mdm.IssueRequest) (*x509.Certificate, error) {
	cn := r.CommonName
	if o.rename {
		cn = "device 7"
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(bigOne, 120))
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: cn}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, o.root, r.PublicKey, o.key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func TestOutsideCA(t *testing.T) {
	for _, rename := range []bool{false, true} {
		authority := outside{root: testRoot().cert, key: testRoot().key, rename: rename}
		w := newWorld(t, func(c *windows.Config) {
			id, err := identity.New(identity.Config{
				Store: c.Transactor.(interface{ Identity() identity.Store }).Identity(), Transactor: c.Transactor, CA: authority,
				Clock: c.Clock, Rand: rand.Reader, Unnamed: true, Passwords: passwords{"ada@example.com": "correct horse"},
			})
			require.NoError(t, err)
			c.Identity, c.CA = id, authority
		})
		body := token(goodSignIn, "Issue", nsEnr+"#PKCS10", csr(t, newKey(t), "AB01"), items("AB01"))
		rec := ask(w.server.Enroll(mdm.DefaultTenant), nil, body)
		if rename {
			require.Equal(t, 500, rec.Code, "a device that could not be known again is not let in")
			require.Contains(t, rec.Body.String(), "s:EnrollmentServer")
			require.Empty(t, w.sink.signals)
			continue
		}
		leaf := issued(t, document(t, rec), "User")
		d := &pc{w: w, t: t, leaf: leaf, natural: w.sink.of(mdm.SignalAuthenticated)[0].Data.(mdm.Authenticated).Natural, deviceID: "AB01"}
		d.begin("1")
		d.packageOne()
		require.Equal(t, mdm.EnrollmentEnrolled, d.enrollment().State)
	}
}
