package apple_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/apple"
	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/mdmtest"
	"github.com/keelson-mdm/keelson/queue"
)

// kinds lists signals by kind.
func kinds(gs []mdm.Signal) (out []mdm.SignalKind) {
	for _, g := range gs {
		out = append(out, g.Kind)
	}
	return out
}

func TestEnrollment(t *testing.T) {
	for name, o := range map[string]options{"two URLs": {}, "one URL": {oneURL: true}} {
		for _, kind := range []mdmtest.AppleKind{mdmtest.AppleMac, mdmtest.AppleIPhone} {
			t.Run(name+"/"+string(kind), func(t *testing.T) {
				w := newWorld(t, o)
				make := mdmtest.Mac
				if kind == mdmtest.AppleIPhone {
					make = mdmtest.IPhone
				}
				device := make(t, w.link(identity.IntentRequest{Person: "ada", Team: 7}), w.device(mdmtest.AppleOptions{Name: "Reception"})).Enroll()
				require.Zero(t, device.Poll())

				e := w.enrollment(device.UDID())
				pin := identity.HashOf(device.Identity())
				require.Equal(t, mdm.EnrollmentEnrolled, e.State)
				require.Equal(t, pin, e.Pin)
				require.Zero(t, e.Parent)
				host, err := w.life.HostByKey(w.ctx, tenant, e.Host)
				require.NoError(t, err)
				require.Equal(t, device.Serial(), host.Serial)
				require.Equal(t, device.UDID(), host.HardwareID)
				require.Equal(t, mdm.TeamKey(7), host.Team)

				signals, results := w.sink.told()
				require.Equal(t, []mdm.SignalKind{mdm.SignalAuthenticated, mdm.SignalConfirmed}, kinds(signals))
				require.Empty(t, results)
				a := signals[0].Data.(mdm.Authenticated)
				require.Equal(t, mdm.NextLife{ID: e.ID, Generation: e.Generation, Pin: pin, Person: "ada"}, a.Next)
				require.Equal(t, e.Natural, a.Natural)
				require.Equal(t, device.Serial(), a.Facts.Serial)
				require.False(t, a.Renewal)
				require.Equal(t, mdm.Signal{
					Kind: mdm.SignalConfirmed, Key: e.Key, Host: e.Host, Generation: e.Generation, Data: mdm.Confirmed{Pin: pin},
				}, signals[1])
				require.Positive(t, w.seen[e.Host])
			})
		}
	}
}

// A user who gives up halfway, and takes it up again.
func TestHalfway(t *testing.T) {
	w := newWorld(t, options{})
	a := mdmtest.Mac(t, w.batch(), w.device(mdmtest.AppleOptions{}))
	require.NoError(t, a.Prepare(t.Context()))
	refused(t, a.Apple.TokenUpdate(t.Context()))
	a.TakeViolations()
	require.NoError(t, a.Prepare(t.Context()))
	require.NoError(t, a.Authenticate(t.Context()))
	require.Equal(t, mdm.EnrollmentAuthenticating, w.enrollment(a.UDID()).State)
	require.Zero(t, a.Poll(), "there is nothing to do yet, and that is no error")
	require.NoError(t, a.Authenticate(t.Context()), "the answer to the first was lost")
	a.TokenUpdate()
	first := w.enrollment(a.UDID())
	require.Equal(t, mdm.EnrollmentEnrolled, first.State)
	require.NoError(t, a.Authenticate(t.Context()), "with the current identity")
	require.Equal(t, first, w.enrollment(a.UDID()))

	old := identityOf(t, a)
	require.NoError(t, a.Prepare(t.Context()))
	require.NoError(t, a.Authenticate(t.Context()))
	require.Equal(t, http.StatusOK, w.from(old, commandURL, message("Status", "Idle", "UDID", a.UDID())).status,
		"what it had is untouched before a TokenUpdate")
	require.Equal(t, http.StatusBadRequest, w.from(identityOf(t, a), checkInURL, message("MessageType", "GetBootstrapToken", "UDID", a.UDID())).status)
	a.TokenUpdate()
	second := w.enrollment(a.UDID())
	require.Greater(t, second.Generation, first.Generation)
	require.Equal(t, first.Key, second.Key)
	require.Equal(t, first.Host, second.Host)
}

// refused is a device that was turned away with a status on which an honest one
// keeps its enrollment.
func refused(t *testing.T, err error) *mdmtest.StatusError {
	t.Helper()
	var se *mdmtest.StatusError
	require.ErrorAs(t, err, &se)
	require.Contains(t, mdm.DeviceStatuses(), se.Status)
	require.NotEqual(t, http.StatusOK, se.Status)
	return se
}

func TestTokenUpdateWithoutAuthenticate(t *testing.T) {
	w := newWorld(t, options{})
	a := w.mac()
	_, secret, err := w.id.CreateIntent(w.ctx, tenant, identity.IntentRequest{})
	require.NoError(t, err)
	_, challenge, err := w.id.OpenLink(w.ctx, tenant, secret)
	require.NoError(t, err)
	fresh := leaf(t, func(k crypto.PublicKey) (*x509.Certificate, error) { return w.id.Issue(w.ctx, tenant, challenge, k) })
	before := w.dump()
	body := message("MessageType", "TokenUpdate", "UDID", a.UDID(), "Topic", topic, "PushMagic", "m", "Token", "<data>AAAA</data>")
	require.Equal(t, http.StatusBadRequest, w.from(fresh, checkInURL, body).status)
	require.Equal(t, before, w.dump())
}

func TestCheckOut(t *testing.T) {
	w := newWorld(t, options{})
	a := w.mac()
	me := identityOf(t, a)
	body := message("MessageType", "CheckOut", "UDID", a.UDID(), "Topic", topic)
	w.sink.told()
	first := w.enrollment(a.UDID())
	require.Equal(t, http.StatusOK, w.from(me, checkInURL, body).status)
	signals, _ := w.sink.told()
	require.Equal(t, []mdm.Signal{{Kind: mdm.SignalCheckedOut, Key: first.Key, Host: first.Host, Generation: first.Generation}}, signals)
	require.Equal(t, mdm.EnrollmentEnded, w.enrollment(a.UDID()).State)

	before := w.dump()
	require.Equal(t, http.StatusOK, w.from(me, checkInURL, body).status, "the answer was lost")
	a.Erase()
	require.Equal(t, before, w.dump())
	a.Enroll()
	before = w.dump()
	require.Equal(t, http.StatusBadRequest, w.from(me, checkInURL, body).status, "replayed after a new enrollment")
	require.Equal(t, before, w.dump())
}

// The link was for one device; its certificates do for no other.
func TestLinkIsUsedOnce(t *testing.T) {
	w := newWorld(t, options{})
	link := w.link(identity.IntentRequest{})
	a := mdmtest.Mac(t, link, w.device(mdmtest.AppleOptions{}))
	b := mdmtest.Mac(t, link, w.device(mdmtest.AppleOptions{}))
	require.NoError(t, a.Prepare(t.Context()))
	require.NoError(t, b.Prepare(t.Context()), "nobody has used it yet")
	require.NoError(t, a.Authenticate(t.Context()))
	a.TokenUpdate()
	before := w.dump()
	require.Equal(t, http.StatusBadRequest, refused(t, b.Authenticate(t.Context())).Status)
	require.Equal(t, before, w.dump())
}

type admitter func(context.Context, mdm.Admission) error

func (a admitter) Admit(ctx context.Context, m mdm.Admission) error { return a(ctx, m) }

func TestAdmission(t *testing.T) {
	for name, c := range map[string]struct {
		admit  admitter
		status int
		retry  string
		says   string
	}{
		"refused": {func(context.Context, mdm.Admission) error {
			return mdm.Errorf(mdm.CodeNotAdmitted, "", "this model is not allowed")
		}, 400, "", "this model is not allowed"},
		"undecided": {func(context.Context, mdm.Admission) error { return errors.New("the secret of the database") }, 503, "30", "unavailable"},
		"panics":    {func(context.Context, mdm.Admission) error { panic("the secret of the database") }, 503, "30", "unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, options{identity: func(f *identity.Config) { f.Admitter = c.admit }})
			a := mdmtest.Mac(t, w.batch(), w.device(mdmtest.AppleOptions{}))
			require.NoError(t, a.Prepare(t.Context()))
			before := w.dump()
			body := message("MessageType", "Authenticate", "UDID", a.UDID(), "Topic", topic)
			got := w.from(identityOf(t, a), checkInURL, body)
			require.Equal(t, c.status, got.status)
			require.Equal(t, c.retry, got.header.Get("Retry-After"))
			require.Contains(t, got.body, c.says)
			require.NotContains(t, got.body, "secret")
			require.Equal(t, before, w.dump())
		})
	}
}

// The topic is judged before the application is asked.
func TestTopicBeforeAdmission(t *testing.T) {
	w := newWorld(t, options{identity: func(f *identity.Config) {
		f.Admitter = admitter(func(context.Context, mdm.Admission) error { panic("asked") })
	}})
	a := mdmtest.Mac(t, w.batch(), w.device(mdmtest.AppleOptions{}))
	require.NoError(t, a.Prepare(t.Context()))
	got := w.from(identityOf(t, a), checkInURL, message("MessageType", "Authenticate", "UDID", a.UDID(), "Topic", "com.apple.mgmt.x"))
	require.Equal(t, http.StatusBadRequest, got.status)
	require.Contains(t, got.body, "topic")
}

// TestEngineFailsAtCheckIn: an enrollment that an engine cannot follow did not
// happen, and the device asks again.
func TestEngineFailsAtCheckIn(t *testing.T) {
	for name, fail := range map[string]func() error{
		"later":  func() error { return &mdm.Error{Code: mdm.CodeUnavailable, RetryAfter: 90*time.Second + 1} },
		"never":  func() error { return errors.New("a defect") },
		"panics": func() error { panic("a defect") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, options{})
			a := mdmtest.Mac(t, w.batch(), w.device(mdmtest.AppleOptions{}))
			require.NoError(t, a.Prepare(t.Context()))
			me := identityOf(t, a)
			token := message("MessageType", "TokenUpdate", "UDID", a.UDID(), "Topic", topic, "PushMagic", "m", "Token", "<data>AAAA</data>")
			w.sink.fail = func(string) error { return fail() }
			try := func(body []byte) {
				t.Helper()
				before := w.dump()
				got := w.from(me, checkInURL, body)
				require.Equal(t, http.StatusServiceUnavailable, got.status)
				want := "30"
				if name == "later" {
					want = "91"
				}
				require.Equal(t, want, got.header.Get("Retry-After"))
				require.NotContains(t, got.body, "defect")
				require.Equal(t, before, w.dump())
			}
			try(message("MessageType", "Authenticate", "UDID", a.UDID(), "Topic", topic))
			w.sink.fail = nil
			require.NoError(t, a.Authenticate(t.Context()))
			w.sink.fail = func(string) error { return fail() }
			try(token)
			w.sink.fail = nil
			a.TokenUpdate()
			w.sink.fail = func(string) error { return fail() }
			try(message("MessageType", "CheckOut", "UDID", a.UDID()))
			w.sink.fail = nil
			require.Zero(t, a.Poll())
			require.Equal(t, name == "panics", strings.Contains(w.log.String(), "an engine panicked"))
		})
	}
}

// TestCheckInFaults: the store fails at every write in turn; nothing is left
// half done, and the device's next attempt succeeds.
func TestCheckInFaults(t *testing.T) {
	for n := 1; ; n++ {
		w := newWorld(t, options{})
		a := mdmtest.Mac(t, w.batch(), w.device(mdmtest.AppleOptions{}))
		require.NoError(t, a.Prepare(t.Context()))
		me := identityOf(t, a)
		calls, struck := 0, false
		w.fault = func(string) error {
			if calls++; calls == n {
				struck = true
				return mdm.Errorf(mdm.CodeUnavailable, "", "injected")
			}
			return nil
		}
		for _, body := range [][]byte{
			message("MessageType", "Authenticate", "UDID", a.UDID(), "Topic", topic),
			message("MessageType", "TokenUpdate", "UDID", a.UDID(), "Topic", topic, "PushMagic", "m", "Token", "<data>AAAA</data>", "UnlockToken", "<data>AAAA</data>"),
			message("MessageType", "SetBootstrapToken", "UDID", a.UDID(), "BootstrapToken", "<data>AAAA</data>"),
			message("MessageType", "GetBootstrapToken", "UDID", a.UDID()),
			message("MessageType", "CheckOut", "UDID", a.UDID()),
		} {
			was, before := struck, w.dump()
			got := w.from(me, checkInURL, body)
			if struck && !was {
				require.Equal(t, http.StatusServiceUnavailable, got.status, "write %d", n)
				require.NotEmpty(t, got.header.Get("Retry-After"))
				require.Equal(t, before, w.dump(), "write %d", n)
				got = w.from(me, checkInURL, body)
			}
			require.Equal(t, http.StatusOK, got.status, "write %d: %s", n, got.body)
		}
		require.Equal(t, mdm.EnrollmentEnded, w.enrollment(a.UDID()).State)
		if !struck {
			require.Greater(t, n, 12, "faults were injected")
			return
		}
	}
}

// deafSink takes everything and does nothing.
type deafSink struct{}

func (deafSink) Signal(context.Context, mdm.Tx, mdm.Signal) error { return nil }
func (deafSink) Result(context.Context, mdm.Tx, mdm.Result) error { return nil }

// A TokenUpdate that nobody confirmed keeps no secrets of a device that is not
// enrolled.
func TestNobodyConfirms(t *testing.T) {
	w := newWorld(t, options{})
	a := mdmtest.Mac(t, w.batch(), w.device(mdmtest.AppleOptions{}))
	require.NoError(t, a.Prepare(t.Context()))
	require.NoError(t, a.Authenticate(t.Context()))
	deaf, err := apple.New(apple.Config{
		Store: w.store.Apple(), Transactor: w.store, Queue: w.queue, Identity: w.id, Sink: deafSink{}, Box: w.box, Clock: w.clock,
		URLs: func(mdm.TenantID) apple.URLs { return apple.URLs{} }, Topic: topic,
	})
	require.NoError(t, err)
	before := w.dump()
	body := message("MessageType", "TokenUpdate", "UDID", a.UDID(), "Topic", topic, "PushMagic", "m", "Token", "<data>AAAA</data>")
	rec := record(deaf.CheckIn(tenant), body, signed(t, identityOf(t, a), body))
	require.Equal(t, http.StatusBadRequest, rec.Code)
	require.Equal(t, before, w.dump())
}

func TestUserChannel(t *testing.T) {
	w := newWorld(t, options{})
	a := w.mac()
	me := identityOf(t, a)
	w.enqueue(a.UDID(), install("com.example.one"))
	user := func(pairs ...string) []byte {
		return message(append(pairs, "UDID", a.UDID(), "UserID", "U-1", "UserShortName", "ada")...)
	}
	w.sink.told()
	before := w.dump()
	for _, body := range [][]byte{
		user("MessageType", "TokenUpdate", "Topic", topic, "PushMagic", "m", "Token", "<data>AAAA</data>"),
		user("MessageType", "CheckOut"), user("MessageType", "SetBootstrapToken", "BootstrapToken", "<data>AAAA</data>"),
		user("MessageType", "GetBootstrapToken"),
	} {
		got := w.from(me, checkInURL, body)
		require.Equal(t, http.StatusOK, got.status)
		require.Empty(t, got.body)
	}
	for _, status := range []string{"Idle", "NotNow", "Acknowledged", "Error"} {
		got := w.from(me, commandURL, user("Status", status, "CommandUUID", "0190a000-0000-7000-8000-000000000000"))
		require.Equal(t, http.StatusOK, got.status)
		require.Empty(t, got.body, "a device's command is not handed to its user")
	}
	require.Equal(t, http.StatusGone, w.from(me, checkInURL, user("MessageType", "UserAuthenticate")).status)
	require.Equal(t, before, w.dump(), "acknowledged, and not kept")
	signals, results := w.sink.told()
	require.Empty(t, signals)
	require.Empty(t, results)
	require.Equal(t, mdm.EnrollmentEnrolled, w.enrollment(a.UDID()).State)
	require.Equal(t, 1, a.Poll())
}

// A user's word before the device's own.
func TestUserBeforeTheDevice(t *testing.T) {
	w := newWorld(t, options{})
	a := mdmtest.Mac(t, w.batch(), w.device(mdmtest.AppleOptions{}))
	require.NoError(t, a.Prepare(t.Context()))
	require.NoError(t, a.Authenticate(t.Context()))
	before := w.dump()
	got := w.from(identityOf(t, a), checkInURL, message("MessageType", "TokenUpdate", "UDID", a.UDID(), "UserID", "U-1",
		"UserShortName", "ada", "Topic", topic, "PushMagic", "m", "Token", "<data>AAAA</data>"))
	require.Equal(t, http.StatusBadRequest, got.status)
	require.Equal(t, before, w.dump())
	a.TokenUpdate()
}

func TestNew(t *testing.T) {
	w := newWorld(t, options{})
	good := func() apple.Config {
		return apple.Config{
			Store: w.store.Apple(), Transactor: w.store, Queue: w.queue, Identity: w.id, Sink: w.sink, Box: w.box, Clock: w.clock,
			URLs: func(mdm.TenantID) apple.URLs { return apple.URLs{} }, Topic: topic,
		}
	}
	cert, key := root()
	another, err := keys.Key(t.Context(), 2048)
	require.NoError(t, err)
	c := good()
	c.Signer = &apple.Signer{Certificate: cert, Key: key}
	_, err = apple.New(c)
	require.NoError(t, err)
	for name, change := range map[string]func(*apple.Config){
		"Store":            func(c *apple.Config) { c.Store = nil },
		"Transactor":       func(c *apple.Config) { c.Transactor = nil },
		"Queue":            func(c *apple.Config) { c.Queue = nil },
		"Identity":         func(c *apple.Config) { c.Identity = nil },
		"Sink":             func(c *apple.Config) { c.Sink = nil },
		"Box":              func(c *apple.Config) { c.Box = nil },
		"Clock":            func(c *apple.Config) { c.Clock = nil },
		"URLs":             func(c *apple.Config) { c.URLs = nil },
		"Topic":            func(c *apple.Config) { c.Topic = "" },
		"another Topic":    func(c *apple.Config) { c.Topic = "com.example" },
		"an empty Signer":  func(c *apple.Config) { c.Signer = &apple.Signer{} },
		"half a Signer":    func(c *apple.Config) { c.Signer = &apple.Signer{Certificate: cert} },
		"another's Signer": func(c *apple.Config) { c.Signer = &apple.Signer{Certificate: cert, Key: another} },
	} {
		c := good()
		change(&c)
		_, err := apple.New(c)
		require.ErrorIs(t, err, mdm.CodeInvalid, name)
	}
}

var _ apple.Queue = (*queue.Queue)(nil)
var _ apple.Identity = (*identity.Service)(nil)
