package apple_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/apple"
	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/mdmtest"
	"github.com/keelson-mdm/keelson/queue"
)

// renew delivers the enrollment profile again, with a challenge for the same
// life.
func (w *world) renew(a *mdmtest.AppleDevice) {
	w.t.Helper()
	e := w.enrollment(a.UDID())
	link := w.link(identity.IntentRequest{Kind: identity.KindRenewal, Of: &e})
	resp, err := w.http.Client().Get(link)
	require.NoError(w.t, err)
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	ids := w.enqueue(a.UDID(), queue.Command{Kind: mdm.KindInstallProfile, Content: content})
	require.Equal(w.t, 1, a.Poll())
	require.Equal(w.t, mdm.OutcomeAcknowledged, w.command(ids[0]).Outcome)
}

func TestBootstrapToken(t *testing.T) {
	w := newWorld(t, options{})
	a := w.mac()
	require.Empty(t, a.GetBootstrapToken(), "none is an empty 200")
	token := []byte("the one bootstrap token")
	a.SetBootstrapToken(token)
	require.Equal(t, token, a.GetBootstrapToken())
	require.False(t, w.holds(token), "sealed at rest")
	newer := []byte("a newer bootstrap token")
	a.SetBootstrapToken(newer)
	require.Equal(t, newer, a.GetBootstrapToken())

	e := w.enrollment(a.UDID())
	row, err := w.store.Apple().Token(w.ctx, tenant, e.Key, apple.BootstrapToken, e.Generation)
	require.NoError(t, err)
	open, err := w.box.Open(tenant, "apple_token", "apple:"+a.UDID()+"/1/bootstrap", row.Sealed)
	require.NoError(t, err, "the place is part of the sealed format")
	require.Equal(t, newer, open)
	got, err := w.server.Token(w.ctx, tenant, e, apple.BootstrapToken)
	require.NoError(t, err)
	require.Equal(t, newer, got)

	// A renewal is the same life.
	old := a.Identity()
	w.renew(a)
	require.NotEqual(t, old.Raw, a.Identity().Raw)
	renewed := w.enrollment(a.UDID())
	require.Equal(t, e.Generation, renewed.Generation)
	require.Equal(t, identity.HashOf(a.Identity()), renewed.Pin)
	require.Equal(t, newer, a.GetBootstrapToken())

	a.SetBootstrapToken(nil)
	require.Empty(t, a.GetBootstrapToken(), "taken back")
	a.SetBootstrapToken(token)
	require.Equal(t, token, a.GetBootstrapToken())

	// A wiped Mac has none.
	a.Erase()
	a.Enroll()
	require.Empty(t, a.GetBootstrapToken())
	_, err = w.server.Token(w.ctx, tenant, w.enrollment(a.UDID()), apple.BootstrapToken)
	require.ErrorIs(t, err, mdm.CodeNotFound)
}

// A renewed certificate that has been announced may speak for its device as the
// current one does, until a TokenUpdate confirms it.
func TestBothCertificatesOfARenewal(t *testing.T) {
	w := newWorld(t, options{})
	a := w.mac()
	a.SetBootstrapToken([]byte("token"))
	w.enqueue(a.UDID(), install("com.example.one"))
	e := w.enrollment(a.UDID())
	_, secret, err := w.id.CreateIntent(w.ctx, tenant, identity.IntentRequest{Kind: identity.KindRenewal, Of: &e})
	require.NoError(t, err)
	_, challenge, err := w.id.OpenLink(w.ctx, tenant, secret)
	require.NoError(t, err)
	current := identityOf(t, a)
	next := leaf(t, func(k crypto.PublicKey) (*x509.Certificate, error) { return w.id.Issue(w.ctx, tenant, challenge, k) })
	get := message("MessageType", "GetBootstrapToken", "UDID", a.UDID())
	idle := message("Status", "Idle", "UDID", a.UDID())

	require.Equal(t, http.StatusBadRequest, w.from(next, checkInURL, get).status, "before it authenticates")
	require.Equal(t, http.StatusOK, w.from(next, checkInURL, message("MessageType", "Authenticate", "UDID", a.UDID(), "Topic", topic)).status)
	for _, s := range []signer{current, next} {
		require.Contains(t, w.from(s, checkInURL, get).body, "dG9rZW4=")
		require.Contains(t, w.from(s, commandURL, idle).body, "InstallProfile")
	}
	token := message("MessageType", "TokenUpdate", "UDID", a.UDID(), "Topic", topic, "PushMagic", "m", "Token", "<data>AAAA</data>")
	require.Equal(t, http.StatusOK, w.from(next, checkInURL, token).status)
	require.Equal(t, http.StatusBadRequest, w.from(current, checkInURL, get).status)
	require.Contains(t, w.from(next, checkInURL, get).body, "dG9rZW4=")
	require.Equal(t, e.Generation, w.enrollment(a.UDID()).Generation)
}

func TestTokenThatDoesNotOpen(t *testing.T) {
	w := newWorld(t, options{})
	a := w.mac()
	e := w.enrollment(a.UDID())
	w.do(func(ctx context.Context, tx mdm.Tx) error {
		return w.store.Apple().PutToken(ctx, tx, apple.Token{Enrollment: e.Key, Kind: apple.BootstrapToken, Generation: e.Generation, Sealed: []byte("moved")})
	})
	got := w.from(identityOf(t, a), checkInURL, message("MessageType", "GetBootstrapToken", "UDID", a.UDID()))
	require.Equal(t, http.StatusServiceUnavailable, got.status, "which is not the same as having none")
	require.NotEmpty(t, got.header.Get("Retry-After"))
}

func TestUnlockToken(t *testing.T) {
	w := newWorld(t, options{})
	a := mdmtest.IPhone(t, w.batch(), w.device(mdmtest.AppleOptions{})).Enroll()
	token := func() []byte {
		var s struct {
			UnlockToken []byte `json:"unlock_token"`
		}
		require.NoError(t, json.Unmarshal(a.Snapshot(), &s))
		require.NotEmpty(t, s.UnlockToken)
		return s.UnlockToken
	}
	e := w.enrollment(a.UDID())
	kept, err := w.server.Token(w.ctx, tenant, e, apple.UnlockToken)
	require.NoError(t, err)
	require.Equal(t, token(), kept)
	require.False(t, w.holds(kept[:32]))

	// A TokenUpdate without one leaves it: it stays good.
	body := message("MessageType", "TokenUpdate", "UDID", a.UDID(), "Topic", topic, "PushMagic", "m", "Token", "<data>AAAA</data>")
	require.Equal(t, http.StatusOK, w.from(identityOf(t, a), checkInURL, body).status)
	again, err := w.server.Token(w.ctx, tenant, e, apple.UnlockToken)
	require.NoError(t, err)
	require.Equal(t, kept, again)

	a.Erase()
	a.Enroll()
	kept, err = w.server.Token(w.ctx, tenant, w.enrollment(a.UDID()), apple.UnlockToken)
	require.NoError(t, err)
	require.Equal(t, token(), kept, "that of the new life")
	older, err := w.server.Token(w.ctx, tenant, e, apple.UnlockToken)
	require.NoError(t, err, "what may be the only copy is not destroyed")
	require.Equal(t, again, older)

	mac := w.mac()
	_, err = w.server.Token(w.ctx, tenant, w.enrollment(mac.UDID()), apple.UnlockToken)
	require.ErrorIs(t, err, mdm.CodeNotFound)
}

func TestTargets(t *testing.T) {
	w := newWorld(t, options{})
	a, b := w.mac(), w.mac()
	ka, kb := w.enrollment(a.UDID()).Key, w.enrollment(b.UDID()).Key
	targets := func(keys ...mdm.EnrollmentKey) map[mdm.EnrollmentKey]mdm.PushTarget {
		t.Helper()
		list, err := w.server.Targets(w.ctx, tenant, keys)
		require.NoError(t, err)
		out := make(map[mdm.EnrollmentKey]mdm.PushTarget)
		for _, target := range list {
			out[target.Enrollment] = target
		}
		require.Len(t, out, len(list))
		return out
	}
	want := func(k mdm.EnrollmentKey, d *mdmtest.AppleDevice) mdm.PushTarget {
		token, err := hex.DecodeString(d.PushToken())
		require.NoError(t, err)
		return mdm.PushTarget{Enrollment: k, Protocol: mdm.AppleProtocol, Topic: topic, Token: token, Magic: d.PushMagic()}
	}
	all := map[mdm.EnrollmentKey]mdm.PushTarget{ka: want(ka, a), kb: want(kb, b)}
	require.Equal(t, all, targets(ka, 999, kb))
	require.Empty(t, targets())
	token, err := hex.DecodeString(a.PushToken())
	require.NoError(t, err)
	require.False(t, w.holds(token))
	require.False(t, w.holds([]byte(a.PushMagic())))
	rows, err := w.store.Apple().Push(w.ctx, tenant, []mdm.EnrollmentKey{ka})
	require.NoError(t, err)
	for row, clear := range map[string][]byte{"/token": token, "/magic": []byte(a.PushMagic())} {
		sealed := rows[0].Token
		if row == "/magic" {
			sealed = rows[0].Magic
		}
		open, err := w.box.Open(tenant, "apple_push", "apple:"+a.UDID()+row, sealed)
		require.NoError(t, err, "the place is part of the sealed format")
		require.Equal(t, clear, open)
	}

	w.sink.told()
	a.RotateToken()
	a.TokenUpdate()
	signals, _ := w.sink.told()
	require.Empty(t, signals, "it confirms nothing")
	require.NotEqual(t, all[ka], want(ka, a))
	require.Equal(t, want(ka, a), targets(ka)[ka])

	w.unenroll(a.UDID())
	require.Equal(t, map[mdm.EnrollmentKey]mdm.PushTarget{kb: want(kb, b)}, targets(ka, kb), "who has left is not woken")

	for _, p := range []apple.Push{
		{Enrollment: kb, Topic: topic, Token: []byte("moved"), Magic: rows[0].Magic},
		{Enrollment: kb, Topic: topic, Token: rows[0].Token, Magic: rows[0].Magic},
	} {
		w.do(func(ctx context.Context, tx mdm.Tx) error { return w.store.Apple().PutPush(ctx, tx, p) })
		require.Empty(t, targets(kb), "one that does not open is left out")
		require.Contains(t, w.log.String(), "a push token cannot be opened")
	}
	_, err = w.server.Targets(w.ctx, "nobody", []mdm.EnrollmentKey{kb})
	require.Error(t, err)
}
