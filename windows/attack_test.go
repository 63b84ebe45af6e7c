package windows_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/windows"
	"github.com/keelson-mdm/keelson/windows/syncml"
)

func newKey(t testing.TB) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

// foreignLeaf names the same enrollment under another CA.
func foreignLeaf(t testing.TB, e mdm.Enrollment) *x509.Certificate {
	root, key, err := ca.NewSelfSigned("Another root", &ca.RootOptions{Key: ca.P256})
	require.NoError(t, err)
	other, err := ca.New(root, key, nil)
	require.NoError(t, err)
	leaf, err := other.Issue(context.Background(), mdm.IssueRequest{
		Tenant: mdm.DefaultTenant, Enrollment: e.ID, Generation: e.Generation, PublicKey: &newKey(t).PublicKey, CommonName: string(e.ID),
	})
	require.NoError(t, err)
	return leaf
}

// leafOf is a leaf of our own CA that was not issued through identity.
func (w *world) leafOf(r ca.Request) *x509.Certificate {
	w.t.Helper()
	r.PublicKey = &newKey(w.t).PublicKey
	leaf, err := w.ca.IssueLeaf(context.Background(), r)
	require.NoError(w.t, err)
	return leaf
}

// An unauthenticated or wrongly bound device gets nothing and changes nothing,
// and the answer makes no honest device unenroll itself.
func TestAttacks(t *testing.T) {
	for _, tt := range []struct {
		name string
		// who calls, and by what name; a and b are two managed devices.
		attack func(w *world, a, b *pc) (leaf *x509.Certificate, deviceID string)
		status int // HTTP; with 200 the session is refused in SyncML
	}{
		{"no certificate", func(w *world, a, b *pc) (*x509.Certificate, string) { return nil, a.deviceID }, 400},
		{"another device's certificate, the right name", func(w *world, a, b *pc) (*x509.Certificate, string) {
			return b.leaf, a.deviceID
		}, 200},
		{"the right certificate, another device's name", func(w *world, a, b *pc) (*x509.Certificate, string) {
			return a.leaf, b.deviceID
		}, 200},
		{"the right certificate, no name", func(w *world, a, b *pc) (*x509.Certificate, string) { return a.leaf, "" }, 200},
		{"a foreign CA that names the same enrollment", func(w *world, a, b *pc) (*x509.Certificate, string) {
			return foreignLeaf(w.t, a.enrollment()), a.deviceID
		}, 400},
		{"a Wi-Fi leaf of our CA", func(w *world, a, b *pc) (*x509.Certificate, string) {
			e := a.enrollment()
			return w.leafOf(ca.Request{
				Purpose: "wifi", CommonName: string(e.ID),
				Name: ca.Name{Tenant: mdm.DefaultTenant, Enrollment: e.ID, Generation: e.Generation},
			}), a.deviceID
		}, 400},
		{"another leaf of our CA that names the same enrollment", func(w *world, a, b *pc) (*x509.Certificate, string) {
			e := a.enrollment()
			return w.leafOf(ca.Request{
				Purpose: ca.MDM, CommonName: string(e.ID),
				Name: ca.Name{Tenant: mdm.DefaultTenant, Enrollment: e.ID, Generation: e.Generation},
			}), a.deviceID
		}, 200},
		{"an enrollment that nobody knows", func(w *world, a, b *pc) (*x509.Certificate, string) {
			return w.leafOf(ca.Request{
				Purpose: ca.MDM, CommonName: "lost",
				Name: ca.Name{Tenant: mdm.DefaultTenant, Enrollment: "0195f3c8-7a10-7c3e-9b52-4f0c6d1e2a77", Generation: 1},
			}), a.deviceID
		}, 200},
		{"a leaf of another tenant", func(w *world, a, b *pc) (*x509.Certificate, string) {
			e := a.enrollment()
			return w.leafOf(ca.Request{
				Purpose: ca.MDM, CommonName: string(e.ID), Name: ca.Name{Tenant: "other", Enrollment: e.ID, Generation: e.Generation},
			}), a.deviceID
		}, 400},
		{"a certificate that has expired", func(w *world, a, b *pc) (*x509.Certificate, string) {
			w.clock.advance(366 * 24 * time.Hour)
			return a.leaf, a.deviceID
		}, 400},
		{"an enrollment that the administrator has ended", func(w *world, a, b *pc) (*x509.Certificate, string) {
			e := a.enrollment()
			require.NoError(w.t, w.store.InTx(context.Background(), mdm.DefaultTenant, func(ctx context.Context, tx mdm.Tx) error {
				_, err := w.life.Unenroll(ctx, tx, e.Host, mdm.Actor{})
				return err
			}))
			return a.leaf, a.deviceID
		}, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, nil)
			a, b := w.managed("AB01"), w.managed("CD02")
			ids := a.enqueue(write(syncml.Replace, base+"A", "secret"))
			// A session of the honest device is under way.
			a.begin("2")
			cmds := a.packageOne()
			require.Len(t, cmds, 1)
			leaf, name := tt.attack(w, a, b)
			before, signals, results := a.enrollment(), len(w.sink.signals), len(w.sink.results)
			writes := 0
			w.fault = func(what string) error {
				if what != "commit" {
					writes++
				}
				return nil
			}
			for _, session := range []string{"2", "9"} { // the honest one's, and another
				for _, m := range [][]syncml.Command{
					a.hello(alert(syncml.AlertGeneric, syncml.AlertTypeUnenroll, "1")),
					{a.status(cmds[0], 200), a.result(cmds[0], base+"A", "forged")},
				} {
					msg := a.message(m...)
					msg.Header.SessionID, msg.Header.Source.URI = session, name
					rec := w.post(leaf, encode(t, msg))
					require.Equal(t, tt.status, rec.Code)
					require.NotContains(t, rec.Body.String(), "secret")
					if tt.status != 200 {
						require.Empty(t, rec.Body.Bytes())
						continue
					}
					r, err := syncml.Decode(rec.Body.Bytes(), nil)
					require.NoError(t, err)
					require.Empty(t, commands(r))
					for _, s := range statuses(r) {
						require.True(t, strings.HasSuffix(s, " 401"), s)
					}
				}
			}
			require.Zero(t, writes)
			require.Equal(t, before, a.enrollment())
			require.Len(t, w.sink.signals, signals)
			require.Len(t, w.sink.results, results)
			require.Empty(t, a.done(ids[0]).Outcome)
		})
	}
}

// Answers count for the enrollment and the session that they are said in.
func TestAnswersToOthersCommands(t *testing.T) {
	w := newWorld(t, nil)
	a, b := w.managed("AB01"), w.managed("CD02")
	id := a.enqueue(write(syncml.Replace, base+"A", "1"))[0]
	a.begin("2")
	cmds := a.packageOne()
	b.begin("2")
	b.packageOne()
	b.answer(b.status(cmds[0], 200))
	require.Empty(t, a.done(id).Outcome, "said by another device")
	a.begin("3")
	again := a.message(a.hello(a.status(cmds[0], 200))...)
	more := commands(a.send(again))
	require.Equal(t, []string{"A"}, uris(more))
	require.Empty(t, a.done(id).Outcome, "said in another session")
}

func TestUnenrollment(t *testing.T) {
	for _, typ := range []string{syncml.AlertTypeUnenroll, "com.microsoft/MDM/Unenroll", "COM.MICROSOFT:MDM.UNENROLLMENT"} {
		w := newWorld(t, nil)
		d := w.managed("AB01")
		id := d.enqueue(write(syncml.Replace, base+"A", "1"))[0]
		e := d.enrollment()
		d.begin("2")
		body := encode(t, d.message(d.hello(alert(syncml.AlertGeneric, typ, "1"))...))
		first := d.post(body)
		require.Empty(t, commands(d.read(first)))
		require.Contains(t, statuses(d.lastReply), "0 SyncHdr 212")
		require.Equal(t, mdm.EnrollmentEnded, d.enrollment().State)
		out := w.sink.of(mdm.SignalCheckedOut)
		require.Len(t, out, 1)
		require.Equal(t, mdm.Signal{Kind: mdm.SignalCheckedOut, Key: e.Key, Host: e.Host, Generation: e.Generation}, out[0])
		require.Equal(t, mdm.OutcomeCanceled, d.done(id).Outcome)

		// The same message again gets the same answer, and nothing else does.
		require.Equal(t, first.Body.Bytes(), d.post(body).Body.Bytes())
		require.Len(t, w.sink.of(mdm.SignalCheckedOut), 1)
		d.begin("3")
		require.Equal(t, "0 SyncHdr 401", statuses(d.send(d.message(d.hello()...)))[0])
	}
}

// Commands that were sent are not sent again to a device that was let go.
func TestNoReplayForTheUnenrolled(t *testing.T) {
	w := newWorld(t, nil)
	d := w.managed("AB01")
	d.enqueue(write(syncml.Replace, base+"A", "1"))
	d.begin("2")
	body := encode(t, d.message(d.hello()...))
	require.Len(t, commands(d.read(d.post(body))), 1)
	require.NoError(t, w.store.InTx(context.Background(), mdm.DefaultTenant, func(ctx context.Context, tx mdm.Tx) error {
		_, err := w.life.Unenroll(ctx, tx, d.enrollmentIn(ctx, tx).Host, mdm.Actor{})
		return err
	}))
	require.Empty(t, commands(d.read(d.post(body))))
}

// A clone, or the same machine again, never takes over a channel.
func TestReenrollment(t *testing.T) {
	w := newWorld(t, nil)
	a := w.managed("AB01")
	clone := w.enroll("AB01", "bob@example.com")
	clone.begin("1")
	clone.packageOne()
	require.Equal(t, mdm.EnrollmentEnrolled, a.enrollment().State, "another person's clone is another host")
	require.NotEqual(t, a.enrollment().Host, clone.enrollment().Host)

	again := w.enroll("AB01", "ada@example.com")
	require.Equal(t, mdm.EnrollmentEnrolled, a.enrollment().State, "nothing before it is confirmed")
	again.begin("1")
	again.packageOne()
	require.Equal(t, a.enrollment().Host, again.enrollment().Host)
	a.begin("5")
	require.Equal(t, "0 SyncHdr 401", statuses(a.send(a.message(a.hello()...)))[0])
}

func TestRequestsThatAreNone(t *testing.T) {
	w := newWorld(t, func(c *windows.Config) { c.MaxBody = 64 << 10 })
	d := w.managed("AB01")
	good := func() []byte { d.begin("2"); return encode(t, d.message(d.hello()...)) }
	for _, tt := range []struct {
		name   string
		method string
		media  string
		body   []byte
		status int
	}{
		{"GET", http.MethodGet, "", nil, 405},
		{"WBXML", http.MethodPost, "application/vnd.syncml.dm+wbxml", []byte{2, 0xa4, 1, 0x6a, 0}, 415},
		{"JSON", http.MethodPost, "application/json", []byte("{}"), 415},
		{"nothing", http.MethodPost, syncml.MediaType, nil, 400},
		{"no XML", http.MethodPost, syncml.MediaType, []byte("hello"), 400},
		{"a document type", http.MethodPost, syncml.MediaType, append([]byte(`<!DOCTYPE a [<!ENTITY b "c">]>`), good()...), 400},
		{"UTF-16", http.MethodPost, syncml.MediaType, []byte("\xff\xfe<\x00"), 415},
		{"too large", http.MethodPost, syncml.MediaType, append(good(), bytes.Repeat([]byte(" "), 64<<10)...), 413},
		{"no session", http.MethodPost, syncml.MediaType, bytes.Replace(good(), []byte("<SessionID>2</SessionID>"), nil, 1), 400},
		{"an endless session id", http.MethodPost, syncml.MediaType, bytes.Replace(good(), []byte("<SessionID>2"), []byte("<SessionID>"+strings.Repeat("2", 300)), 1), 413},
		{"without a media type, with a mark and CRLF", http.MethodPost, "", append([]byte("\xef\xbb\xbf\r\n"), good()...), 200},
		{"without a namespace", http.MethodPost, syncml.MediaType, bytes.Replace(good(), []byte(` xmlns="SYNCML:SYNCML1.2"`), nil, 1), 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, "/", bytes.NewReader(tt.body))
			if tt.media != "" {
				r.Header.Set("Content-Type", tt.media)
			}
			rec := httptest.NewRecorder()
			w.manage.ServeHTTP(rec, r.WithContext(context.WithValue(r.Context(), peerKey{}, d.leaf)))
			require.Equal(t, tt.status, rec.Code)
			require.Contains(t, mdm.DeviceStatuses(), rec.Code)
			if rec.Code != 200 {
				require.Empty(t, rec.Body.Bytes())
			}
		})
	}
}

func TestUnknownTenant(t *testing.T) {
	w := newWorld(t, nil)
	d := w.managed("AB01")
	for _, tenant := range []mdm.TenantID{"", "no/such", "nosuch", "other"} {
		w.manage = w.server.Manage(tenant)
		d.begin("2")
		require.Equal(t, 400, d.post(encode(t, d.message(d.hello()...))).Code)
	}
}
