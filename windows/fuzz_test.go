package windows_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"net/http"
	"net/url"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/storage/inmem"
	"github.com/keelson-mdm/keelson/windows"
	"github.com/keelson-mdm/keelson/windows/mde"
	"github.com/keelson-mdm/keelson/windows/syncml"
)

// known is an identity that takes one certificate for granted: real ones are
// made with randomness, which a fuzzer would follow instead of the message.
type known struct {
	windows.Identity
	store *inmem.Store
}

func (k known) Verify(context.Context, mdm.TenantID, *x509.Certificate) error { return nil }

func (k known) Enrollment(ctx context.Context, tx mdm.Tx, n mdm.Natural) (mdm.Enrollment, error) {
	return k.store.Identity().EnrollmentTx(ctx, tx, n)
}

// fuzzed is a device with commands of every kind under way.
func fuzzed(t testing.TB) (*pc, []mdm.CommandID) {
	w := newWorld(t, func(c *windows.Config) { c.Identity = known{store: c.Transactor.(*inmem.Store)} })
	name := ca.Name{Tenant: mdm.DefaultTenant, Enrollment: "0195f3c8-7a10-7c3e-9b52-4f0c6d1e2a77", Generation: 1}
	uri, err := url.Parse(name.String())
	require.NoError(t, err)
	leaf := &x509.Certificate{Raw: []byte("leaf"), URIs: []*url.URL{uri}}
	d := &pc{w: w, t: t, leaf: leaf, natural: mdm.WindowsNatural(name.Enrollment), deviceID: "AB01", noLogin: true}
	require.NoError(t, w.store.InTx(context.Background(), mdm.DefaultTenant, func(ctx context.Context, tx mdm.Tx) error {
		err := w.sink.Signal(ctx, tx, mdm.Signal{Kind: mdm.SignalAuthenticated, Data: mdm.Authenticated{
			Natural: d.natural, Protocol: mdm.WindowsProtocol, Channel: mdm.DeviceChannel,
			Next:  mdm.NextLife{ID: name.Enrollment, Generation: 1, Pin: identity.HashOf(leaf)},
			Facts: mdm.HostFacts{Platform: mdm.Windows, HardwareID: "AB01"},
		}})
		if err != nil {
			return err
		}
		return w.store.Windows().PutDevice(ctx, tx, windows.Device{Enrollment: d.enrollmentIn(ctx, tx).Key, DeviceID: "AB01"})
	}))
	d.begin("1")
	d.packageOne()
	ids := d.enqueue(write(syncml.Add, base+"A", "1"), get(base+"A", base+"B"),
		atomic(del(base+"C"), write(syncml.Replace, base+"D", "1")), write(syncml.Replace, "./User/X", "1"))
	d.begin("2")
	d.packageOne()
	return d, ids
}

// What a device sends never does more than a device may: whatever the bytes, the
// answer is one that devices are sent, the same message is answered alike, and
// no command ends twice.
func FuzzManage(f *testing.F) {
	d, _ := fuzzed(f)
	cmds := commands(d.lastReply)
	seed := func(m *syncml.Message) { f.Add(encode(f, m)) }
	at := d.replyMsg
	again := func() { d.msg, d.replyMsg = 1, at }
	seed(d.message(d.hello()...))
	again()
	seed(d.answering(append(d.obey(cmds, codes{"Atomic!": 200}), d.result(cmds[1], base+"A", "1", base+"B", "2"))...))
	again()
	seed(d.answering(d.obey(cmds, codes{"A": 418, "C": 404, "D": 216, "Atomic!": 507})...))
	again()
	seed(d.message(append([]syncml.Command{{Kind: syncml.Status, CmdRef: "0", Cmd: syncml.SyncHdr, Code: 500}}, d.hello()...)...))
	again()
	seed(d.answering(syncml.Command{Kind: syncml.Alert, Code: syncml.AlertSessionAbort}))
	again()
	seed(d.message(d.hello(alert(syncml.AlertGeneric, syncml.AlertTypeUnenroll, "1"))...))
	again()
	chunk := d.answering(d.status(cmds[1], 200), d.result(cmds[1], base+"A", "1"))
	chunk.Final, chunk.Commands[2].Items[0].MoreData = false, true
	seed(chunk)
	d.begin("3")
	d.noLogin = false
	seed(d.message(d.hello()...))
	d.begin("2")
	seed(d.message(d.hello()...))
	f.Add([]byte("\xef\xbb\xbf<?xml version=\"1.0\"?><SyncML/>"))
	f.Fuzz(func(t *testing.T, body []byte) {
		d, ids := fuzzed(t)
		rec := d.post(body)
		require.Contains(t, mdm.DeviceStatuses(), rec.Code)
		require.NotEqual(t, 503, rec.Code)
		if rec.Code == 200 {
			r, err := syncml.Decode(rec.Body.Bytes(), nil)
			require.NoError(t, err)
			require.Equal(t, syncml.SyncHdr, r.Commands[0].Cmd)
			require.True(t, bytes.Equal(rec.Body.Bytes(), d.post(body).Body.Bytes()), "the same message is answered alike")
		} else {
			require.Empty(t, rec.Body.Bytes())
		}
		told := map[mdm.CommandID]int{}
		for _, r := range d.w.sink.results {
			told[r.Command]++
			require.Equal(t, 1, told[r.Command])
			require.Contains(t, ids, r.Command)
		}
		require.LessOrEqual(t, len(d.w.sink.of(mdm.SignalCheckedOut)), 1)
	})
}

// Whatever comes to the enrollment URLs, nobody enrolls without the password.
func FuzzEnroll(f *testing.F) {
	request := csr(f, rsaKeys()[0], "AB01")
	f.Add(token(goodSignIn, "Issue", nsEnr+"#PKCS10", request, items("AB01")))
	f.Add(token(signIn("ada@example.com", "wrong"), "Issue", nsEnr+"#PKCS10", request, items("AB01")))
	f.Add(token("", "Renew", nsSec+"#PKCS7", request, nil))
	f.Add(getPolicies(goodSignIn))
	f.Add(discover("6.0", "OnPremise"))
	leaf := newWorld(f, nil).managed("CD02").leaf // of the same CA, and known to none
	f.Fuzz(func(t *testing.T, body string) {
		w := newWorld(t, nil)
		for _, h := range []http.Handler{
			w.server.Discovery(mdm.DefaultTenant), w.server.Policy(mdm.DefaultTenant), w.server.Enroll(mdm.DefaultTenant),
		} {
			rec := ask(h, leaf, body)
			require.Contains(t, []int{200, 413, 500}, rec.Code)
			require.Equal(t, strconv.Itoa(rec.Body.Len()), cmp.Or(rec.Header().Get("Content-Length"), "0"))
		}
		if len(w.sink.signals) > 0 {
			req, err := mde.DecodeRequestSecurityToken([]byte(body))
			require.NoError(t, err)
			require.Equal(t, "correct horse", req.Credential.Password.Password)
		}
	})
}
