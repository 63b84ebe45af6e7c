package apple_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/apple"
	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/lifecycle"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
	"github.com/keelson-mdm/keelson/storage/inmem"
)

// trusting takes every certificate for the one of device A, which may come back
// with it as often as it likes.
type trusting struct {
	apple.Identity
	store *inmem.Store
	next  mdm.NextLife
}

func (trusting) Verify(context.Context, mdm.TenantID, *x509.Certificate) error { return nil }

func (trusting) NaturalOf(context.Context, mdm.TenantID, mdm.Hash) (mdm.Natural, error) {
	return mdm.AppleNatural("A"), nil
}

func (trusting) Admit(_ context.Context, _ mdm.TenantID, _ *x509.Certificate, cl identity.Claim) (*identity.Admitted, error) {
	if cl.Natural != mdm.AppleNatural("A") {
		return nil, mdm.CodeIdentity
	}
	return &identity.Admitted{}, nil
}

func (i trusting) Bind(context.Context, mdm.Tx, *identity.Admitted) (mdm.Authenticated, error) {
	return mdm.Authenticated{Natural: mdm.AppleNatural("A"), Protocol: mdm.AppleProtocol, Channel: mdm.DeviceChannel, Next: i.next}, nil
}

func (i trusting) Enrollment(ctx context.Context, tx mdm.Tx, n mdm.Natural) (mdm.Enrollment, error) {
	return i.store.Identity().EnrollmentTx(ctx, tx, n)
}

// commandA is A's, and commandB is another device's.
const (
	commandA = "0190a000-0000-7000-8000-00000000000a"
	commandB = "0190a000-0000-7000-8000-00000000000b"
)

// fuzzed sends one body, as A, to a server with two devices, and holds what must
// hold.
func fuzzed(t *testing.T, body []byte, handler func(*apple.Server) http.Handler) {
	t.Helper()
	anybody := &x509.Certificate{Raw: []byte("of A")}
	ctx := context.Background()
	store := inmem.New(nil)
	require.NoError(t, store.Lifecycle().PutTenant(ctx, tenant))
	w := &world{t: t, ctx: ctx, store: store, clock: &clock{}}
	w.clock.add(1)
	box, err := mdm.NewBox(mdm.LocalKeyring{Current: "k", Keys: map[string][]byte{"k": bytes.Repeat([]byte{7}, 32)}}, rand.Reader)
	require.NoError(t, err)
	w.queue, err = queue.New(queue.Config{Store: store.Queue(), Box: box, Clock: w.clock, Rand: rand.Reader})
	require.NoError(t, err)
	w.life, err = lifecycle.New(lifecycle.Config{Store: store.Lifecycle(), Transactor: store, Clock: w.clock, Rand: rand.Reader})
	require.NoError(t, err)
	w.id, err = identity.New(identity.Config{Store: store.Identity(), Transactor: store, CA: noCA{}, Clock: w.clock, Rand: rand.Reader})
	require.NoError(t, err)
	w.sink = &sink{w: w}
	for i, udid := range []string{"A", "B"} {
		pin := identity.HashOf(anybody)
		pin[0] ^= byte(i)
		w.do(func(ctx context.Context, tx mdm.Tx) error {
			_, err := w.life.Apply(ctx, tx, mdm.Signal{Kind: mdm.SignalAuthenticated, Data: mdm.Authenticated{
				Natural: mdm.AppleNatural(udid), Protocol: mdm.AppleProtocol, Channel: mdm.DeviceChannel,
				Next: mdm.NextLife{ID: mdm.EnrollmentID(udid), Generation: 1, Pin: pin},
			}})
			if err != nil {
				return err
			}
			e, err := store.Identity().EnrollmentTx(ctx, tx, mdm.AppleNatural(udid))
			if err != nil {
				return err
			}
			_, err = w.life.Apply(ctx, tx, mdm.Signal{Kind: mdm.SignalConfirmed, Key: e.Key, Data: mdm.Confirmed{Pin: pin}})
			return err
		})
	}
	w.enqueue("A", queue.Command{ID: commandA, Kind: mdm.KindProfileList}, install("com.example.a"))
	w.enqueue("B", queue.Command{ID: commandB, Kind: mdm.KindProfileList})
	b := w.enrollment("B")

	server, err := apple.New(apple.Config{
		Store: store.Apple(), Transactor: store, Queue: w.queue, Sink: w.sink, Box: box, Clock: w.clock,
		Identity: trusting{store: store, next: mdm.NextLife{ID: "next", Generation: 2, Pin: identity.HashOf(anybody)}},
		URLs:     func(mdm.TenantID) apple.URLs { return apple.URLs{} }, Topic: topic,
		ClientCertificate: func(*http.Request) *x509.Certificate { return anybody },
	})
	require.NoError(t, err)
	rec := record(handler(server), body, nil)
	require.Contains(t, mdm.DeviceStatuses(), rec.Code)
	require.NotContains(t, rec.Body.String(), commandB)
	if rec.Code == http.StatusOK && rec.Body.Len() > 0 {
		require.Equal(t, "application/xml; charset=UTF-8", rec.Header().Get("Content-Type"))
		require.True(t, strings.Contains(rec.Body.String(), "CommandUUID") || strings.Contains(rec.Body.String(), "BootstrapToken"), rec.Body.String())
	}
	require.Equal(t, b, w.enrollment("B"), "another device")
	d := w.command(commandB)
	require.Empty(t, d.Outcome)
	require.Zero(t, d.Sent)
}

// noCA issues nothing.
type noCA struct{ mdm.CA }

func seeds(f *testing.F) {
	for _, m := range messages() {
		f.Add(m.body("A"))
		f.Add(m.body("B"))
	}
	f.Add(message("Status", "Acknowledged", "UDID", "A", "CommandUUID", commandA, "ProfileList", "<array><dict><key>PayloadIdentifier</key><string>x</string></dict></array>"))
	f.Add(message("Status", "Acknowledged", "UDID", "A", "CommandUUID", commandB))
	f.Add(message("Status", "Error", "UDID", "A", "CommandUUID", commandA, "ErrorChain", "<array><dict><key>ErrorCode</key><integer>1</integer></dict></array>"))
	f.Add([]byte("<key>CommandUUID</key> <string>" + commandA + "</string>"))
	f.Add([]byte("<key>CommandUUID</key><string>" + commandB + "</string>"))
	f.Add([]byte("bplist00"))
}

func FuzzCheckIn(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		fuzzed(t, body, func(s *apple.Server) http.Handler { return s.CheckIn(tenant) })
	})
}

func FuzzCommands(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		fuzzed(t, body, func(s *apple.Server) http.Handler { return s.Commands(tenant) })
	})
}

// FuzzVerifySignature begins with what openssl made, of "a message" and with a
// key that is gone:
//
//	openssl cms -sign -binary -md sha256 -outform DER -signer … -inkey … -in …
func FuzzVerifySignature(f *testing.F) {
	body := []byte("a message")
	good, err := os.ReadFile("testdata/signature.der")
	require.NoError(f, err)
	header := base64.StdEncoding.EncodeToString
	signer, err := apple.VerifySignature(header(good), body)
	require.NoError(f, err)
	key := signer.PublicKey.(*ecdsa.PublicKey)
	f.Add(good, body)
	f.Add(good, []byte("another"))
	f.Add([]byte{}, []byte{})
	f.Add(bytes.Repeat([]byte{0x30, 0x80}, 100), body)
	f.Add(append(append([]byte{0x30, 0x80}, good[4:]...), 0, 0), body)
	f.Add(signer.Raw, body)
	f.Fuzz(func(t *testing.T, der, message []byte) {
		leaf, err := apple.VerifySignature(header(der), message)
		if err != nil {
			require.Nil(t, leaf)
			require.Contains(t, []mdm.Code{mdm.CodeTooLarge, mdm.CodeUnauthenticated}, mdm.CodeOf(err))
			return
		}
		// Nobody but the holder of the key can have signed anything with it.
		if key.Equal(leaf.PublicKey) {
			require.Equal(t, body, message)
		}
	})
}
