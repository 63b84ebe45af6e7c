package keelson_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/mdmtest"
	"github.com/keelson-mdm/keelson/storage"
)

// mac is a simulated Mac of this world.
func (w *world) mac(link string) *mdmtest.AppleDevice {
	return mdmtest.Mac(w.t, link, &mdmtest.AppleOptions{RootCAs: w.roots, Keys: w.pool.Key})
}

// refused asserts that a device was turned away with a status that does not make
// an honest one unenroll itself.
func refused(t *testing.T, err error) {
	t.Helper()
	var se *mdmtest.StatusError
	require.True(t, errors.As(err, &se), "%v", err)
	require.Contains(t, mdm.DeviceStatuses(), se.Status)
	require.NotEqual(t, http.StatusOK, se.Status)
}

func TestCertificateOfAnotherCA(t *testing.T) {
	backends(t, func(t *testing.T, open func(storage.FaultHook) storage.Store) {
		w := serve(t, open(nil), nil)
		cert, key, err := ca.NewSelfSigned("Test authority", nil) // the same name, another key
		require.NoError(t, err)
		other, err := ca.New(cert, key, nil)
		require.NoError(t, err)
		foreign := serve(t, open(nil), func(c *keelson.Config) { c.CA = other })
		mac := w.mac(w.link()).Enroll()
		stranger := foreign.mac(foreign.link()).Enroll()
		mac.UseIdentityOf(stranger.Apple)
		refused(t, mac.Apple.TokenUpdate(t.Context()))
		_, err = mac.Apple.Poll(t.Context())
		refused(t, err)
		mac.TakeViolations() // the refusals are what is wanted
		require.Equal(t, mdm.HostEnrolled, w.host().State)
	})
}

func TestCertificateOfAnotherDevice(t *testing.T) {
	backends(t, func(t *testing.T, open func(storage.FaultHook) storage.Store) {
		w := serve(t, open(nil), nil)
		ctx := t.Context()
		a, b := w.mac(w.link()).Enroll(), w.mac(w.link()).Enroll()
		b.SetBootstrapToken([]byte("the token of b"))
		_, err := w.Profiles().Create(ctx, keelson.ProfileUpload{Content: appleProfile("com.example.one", "One", "A")})
		require.NoError(t, err)
		require.NoError(t, w.Plan(ctx))

		a.ClaimUDID(b.UDID())
		for _, try := range []struct {
			what string
			do   func(context.Context) error
		}{
			{"Authenticate", a.Apple.Authenticate},
			{"TokenUpdate", a.Apple.TokenUpdate},
			{"Poll", func(ctx context.Context) error { _, err := a.Apple.Poll(ctx); return err }},
			{"SetBootstrapToken", func(ctx context.Context) error { return a.Apple.SetBootstrapToken(ctx, []byte("mine")) }},
			{"GetBootstrapToken", func(ctx context.Context) error { _, err := a.Apple.GetBootstrapToken(ctx); return err }},
			{"CheckOut", a.Apple.CheckOut}, // the last: the device then forgets its enrollment
		} {
			t.Run(try.what, func(t *testing.T) { refused(t, try.do(ctx)) })
		}
		a.TakeViolations()
		require.Empty(t, a.Record(), "it was handed a command of another device")
		require.Equal(t, []byte("the token of b"), b.GetBootstrapToken())
		w.settle(b.Poll)
		have, ok := b.Profile("com.example.one")
		require.True(t, ok, "%v", have)
	})
}

func TestUsedOrForeignChallenge(t *testing.T) {
	backends(t, func(t *testing.T, open func(storage.FaultHook) storage.Store) {
		w := serve(t, open(nil), nil)
		ctx := t.Context()
		link := w.link()
		w.mac(link).Enroll()

		second := mdmtest.NewApple(mdmtest.AppleMac, link, &mdmtest.AppleOptions{RootCAs: w.roots, Keys: w.pool.Key})
		t.Cleanup(second.Close)
		require.Error(t, second.Enroll(ctx), "the link was used up")

		fresh, err := w.Enrollments().Link(ctx, keelson.LinkRequest{})
		require.NoError(t, err)
		guessed := fresh.URL[:len(fresh.URL)-4] + "AAAA"
		third := mdmtest.NewApple(mdmtest.AppleMac, guessed, &mdmtest.AppleOptions{RootCAs: w.roots, Keys: w.pool.Key})
		t.Cleanup(third.Close)
		require.Error(t, third.Enroll(ctx), "nobody made this link")

		require.NoError(t, w.Enrollments().Revoke(ctx, fresh.ID))
		fourth := mdmtest.NewApple(mdmtest.AppleMac, fresh.URL, &mdmtest.AppleOptions{RootCAs: w.roots, Keys: w.pool.Key})
		t.Cleanup(fourth.Close)
		require.Error(t, fourth.Enroll(ctx), "the link was withdrawn")
		require.Len(t, w.hosts(), 1)
	})
}

func TestLinkForAnotherDevice(t *testing.T) {
	w := serve(t, newInmem(), nil)
	l, err := w.Enrollments().Link(t.Context(), keelson.LinkRequest{Serials: []string{"C02EXPECTED"}})
	require.NoError(t, err)
	mac := mdmtest.NewApple(mdmtest.AppleMac, l.URL, &mdmtest.AppleOptions{RootCAs: w.roots, Keys: w.pool.Key})
	t.Cleanup(mac.Close)
	require.Error(t, mac.Enroll(t.Context()))
	require.Empty(t, w.hosts())
	mac = mdmtest.NewApple(mdmtest.AppleMac, l.URL, &mdmtest.AppleOptions{RootCAs: w.roots, Keys: w.pool.Key, Serial: "C02EXPECTED"})
	t.Cleanup(mac.Close)
	require.NoError(t, mac.Enroll(t.Context()))
	require.Len(t, w.hosts(), 1)
}

// pcs enrolls PCs of the same person.
func (w *world) pc() *mdmtest.PCTest {
	return mdmtest.PCWith(w.t, w.url, "ada", "lovelace", &mdmtest.PCOptions{
		Key: w.rsaKey,
	}).Enroll()
}

func TestPCBinding(t *testing.T) {
	backends(t, func(t *testing.T, open func(storage.FaultHook) storage.Store) {
		w := serve(t, open(nil), nil)
		ctx := t.Context()
		_, err := w.Profiles().Create(ctx, keelson.ProfileUpload{Name: "Camera off", Content: windowsProfile("Camera/AllowCamera", "0")})
		require.NoError(t, err)
		a, b := w.pc(), w.pc()
		a.Sync()
		b.Sync()
		require.NoError(t, w.Plan(ctx))
		before := len(a.Deliveries())

		cases := map[string]mdmtest.PCQuirks{
			"right certificate, wrong DeviceID": {SourceDeviceID: b.DeviceID()},
			"wrong certificate, right DeviceID": {Certificate: b.Certificate()},
			"no certificate":                    {NoCertificate: true},
			"a Wi-Fi leaf of our own CA":        {Certificate: w.wifiLeaf()},
		}
		for what, quirk := range cases {
			t.Run(what, func(t *testing.T) {
				a.Misbehave(quirk)
				_, _ = a.PCDevice.Sync(ctx)
				_, _ = a.SendUnenrollAlert(ctx)
				a.Misbehave(mdmtest.PCQuirks{})
				require.Len(t, a.Deliveries(), before, "a command left")
				for _, h := range w.hosts() {
					require.Equal(t, mdm.HostEnrolled, h.State)
				}
			})
		}
		require.NoError(t, w.Plan(ctx))
	})
}

// wifiLeaf is a certificate of our own authority for another purpose.
func (w *world) wifiLeaf() *tls.Certificate {
	w.t.Helper()
	own := testCA(w.t)
	leafKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(w.t, err)
	leaf, err := own.IssueLeaf(context.Background(), ca.Request{PublicKey: &leafKey.PublicKey, CommonName: "wifi", Purpose: "wifi"})
	require.NoError(w.t, err)
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: leafKey, Leaf: leaf}
}

func TestStrangersChangeNothing(t *testing.T) {
	w := serve(t, newInmem(), nil)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: w.roots}}}
	for _, path := range []string{
		"/mdm/v1/default/apple/checkin", "/mdm/v1/default/apple/server", "/mdm/v1/default/windows/manage",
		"/mdm/v1/UPPER/apple/server", "/mdm/v1/nobody/apple/server", "/mdm/v1/default/scep",
	} {
		for _, method := range []string{http.MethodPut, http.MethodPost, http.MethodGet} {
			for _, body := range []string{"", "<", "<plist/>", strings.Repeat("<array>", 100_000), strings.Repeat("x", 9<<20)} {
				req, err := http.NewRequestWithContext(t.Context(), method, w.url+path, strings.NewReader(body))
				require.NoError(t, err)
				req.Header.Set("Content-Type", "application/vnd.syncml.dm+xml")
				resp, err := client.Do(req)
				if err != nil {
					continue // the server closed the connection on an oversized body
				}
				require.NoError(t, resp.Body.Close())
				if path != "/mdm/v1/default/scep" {
					require.Contains(t, mdm.DeviceStatuses(), resp.StatusCode, "%s %s", method, path)
				}
				require.NotEqual(t, http.StatusUnauthorized, resp.StatusCode)
			}
		}
	}
	require.Empty(t, w.hosts())
}

func (w *world) hosts() []keelson.HostSummary {
	w.t.Helper()
	hs, err := w.Hosts().List(context.Background(), keelson.HostFilter{}, keelson.Page{})
	require.NoError(w.t, err)
	return hs
}
