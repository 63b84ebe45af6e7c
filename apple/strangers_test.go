package apple_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/apple"
	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/mdmtest"
	"github.com/keelson-mdm/keelson/queue"
)

// said is one message that a device may send, and what is right when it does in
// good standing.
type said struct {
	name   string
	url    string
	body   func(udid string) []byte
	status int // when in good standing
}

// messages are all that there are.
func messages() []said {
	in := func(name string, status int, pairs ...string) said {
		return said{name, checkInURL, func(udid string) []byte {
			return message(append([]string{"MessageType", name, "UDID", udid}, pairs...)...)
		}, status}
	}
	user := func(m said) said {
		inner := m.body
		m.name += " of a user"
		m.body = func(udid string) []byte {
			return bytes.Replace(inner(udid), []byte("</dict></plist>"), []byte("<key>UserID</key><string>U-1</string><key>UserShortName</key><string>ada</string></dict></plist>"), 1)
		}
		return m
	}
	result := func(name, status string, pairs ...string) said {
		return said{name, commandURL, func(udid string) []byte {
			return message(append([]string{"Status", status, "UDID", udid}, pairs...)...)
		}, http.StatusOK}
	}
	id := "0190a000-0000-7000-8000-000000000000"
	token := in("TokenUpdate", http.StatusOK, "Topic", topic, "PushMagic", "magic", "Token", "<data>AAAA</data>")
	set := in("SetBootstrapToken", http.StatusOK, "BootstrapToken", "<data>c2VjcmV0</data>")
	idle := result("Idle", "Idle")
	// A CheckOut comes last: what follows it is said by a device that has left.
	return []said{
		in("Authenticate", http.StatusOK, "Topic", topic, "ModelName", "MacBook Pro"),
		token, set, in("GetBootstrapToken", http.StatusOK),
		in("DeclarativeManagement", http.StatusBadRequest, "Endpoint", "tokens"),
		in("GetToken", http.StatusBadRequest, "TokenServiceType", "com.apple.maid"),
		user(token), user(set), user(in("GetBootstrapToken", http.StatusOK)), user(in("CheckOut", http.StatusOK)),
		user(in("UserAuthenticate", http.StatusGone)),
		user(in("DeclarativeManagement", http.StatusBadRequest, "Endpoint", "tokens")),
		user(in("GetToken", http.StatusBadRequest, "TokenServiceType", "com.apple.maid")),
		idle, user(idle), result("NotNow", "NotNow", "CommandUUID", id), result("Acknowledged", "Acknowledged", "CommandUUID", id),
		result("Error", "Error", "CommandUUID", id), result("CommandFormatError", "CommandFormatError", "CommandUUID", id),
		user(result("Acknowledged", "Acknowledged", "CommandUUID", id)),
		{"garbage", commandURL, func(string) []byte { return []byte("garbage") }, http.StatusOK},
		in("CheckOut", http.StatusOK),
	}
}

func TestGoodStanding(t *testing.T) {
	for _, m := range messages() {
		t.Run(m.name, func(t *testing.T) {
			w := newWorld(t, options{})
			mac := w.mac()
			me := identityOf(t, mac)
			w.log.Reset()
			got := w.from(me, m.url, m.body(mac.UDID()))
			require.Equal(t, m.status, got.status, got.body)
			require.Contains(t, mdm.DeviceStatuses(), got.status)
			if m.status == http.StatusOK {
				require.Empty(t, w.log.String())
			}
		})
	}
	t.Run("over TLS", func(t *testing.T) { // a device that does not sign
		w := newWorld(t, options{})
		mac := w.mac()
		me := identityOf(t, mac)
		for _, m := range messages() {
			got := w.send(request{url: m.url, body: m.body(mac.UDID()), tls: &me})
			require.Equal(t, m.status, got.status, m.name+" "+got.body)
		}
		require.Equal(t, mdm.EnrollmentEnded, w.enrollment(mac.UDID()).State, "it left at last")
	})
}

// TestStrangers: each message that there is, from whom it must not come. The
// answer makes no honest device unenroll itself, and nothing changes.
func TestStrangers(t *testing.T) {
	w := newWorld(t, options{})
	a, b, gone, again, late := w.mac(), w.mac(), w.mac(), w.mac(), w.mac()
	a.SetBootstrapToken([]byte("the token of a"))
	w.enqueue(a.UDID(), install("com.example.a"))
	w.enqueue(gone.UDID(), install("com.example.gone"))
	me, ended, superseded := identityOf(t, a), identityOf(t, gone), identityOf(t, again)
	w.unenroll(gone.UDID())
	again.Erase()
	again.Enroll()
	expired := identityOf(t, late)

	// issued is a certificate that has not authenticated.
	_, secret, err := w.id.CreateIntent(w.ctx, tenant, identity.IntentRequest{HardwareIDs: []string{"EXPECTED"}})
	require.NoError(t, err)
	_, challenge, err := w.id.OpenLink(w.ctx, tenant, secret)
	require.NoError(t, err)
	issued := leaf(t, func(k crypto.PublicKey) (*x509.Certificate, error) { return w.id.Issue(w.ctx, tenant, challenge, k) })

	named := func(t mdm.TenantID) func(crypto.PublicKey) (*x509.Certificate, error) {
		return func(k crypto.PublicKey) (*x509.Certificate, error) {
			return w.ca.Issue(w.ctx, mdm.IssueRequest{Tenant: t, Enrollment: "0190a000-0000-7000-8000-000000000000", Generation: 1, PublicKey: k, CommonName: "x"})
		}
	}
	cert, key, err := ca.NewSelfSigned("Test authority", nil)
	require.NoError(t, err)
	foreignCA, err := ca.New(cert, key, &ca.Options{Clock: w.clock})
	require.NoError(t, err)
	foreign := leaf(t, func(k crypto.PublicKey) (*x509.Certificate, error) {
		return foreignCA.Issue(w.ctx, mdm.IssueRequest{Tenant: tenant, Enrollment: "0190a000-0000-7000-8000-000000000000", Generation: 1, PublicKey: k, CommonName: "x"})
	})
	wifi := leaf(t, func(k crypto.PublicKey) (*x509.Certificate, error) {
		return w.ca.IssueLeaf(w.ctx, ca.Request{PublicKey: k, CommonName: "wifi", Purpose: "wifi"})
	})

	by := func(s signer) func(*testing.T, []byte) http.Header {
		return func(t *testing.T, body []byte) http.Header { return signed(t, s, body) }
	}
	before := w.dump()
	w.sink.told()
	clear(w.seen)
	for name, c := range map[string]struct {
		header func(*testing.T, []byte) http.Header
		udid   string
		tls    *signer
	}{
		"nobody":                      {func(*testing.T, []byte) http.Header { return nil }, a.UDID(), nil},
		"another device":              {by(identityOf(t, b)), a.UDID(), nil},
		"another device, over TLS":    {func(*testing.T, []byte) http.Header { return nil }, a.UDID(), ptr(identityOf(t, b))},
		"a device we do not know":     {by(me), "UNKNOWN", nil},
		"a certificate not yet used":  {by(issued), "UNKNOWN", nil},
		"one not used, for a device":  {by(issued), a.UDID(), nil},
		"a certificate we lost":       {by(leaf(t, named(tenant))), a.UDID(), nil},
		"another tenant's":            {by(leaf(t, named(other))), a.UDID(), nil},
		"another authority's":         {by(foreign), a.UDID(), nil},
		"our Wi-Fi's":                 {by(wifi), a.UDID(), nil},
		"our Wi-Fi's, over TLS":       {func(*testing.T, []byte) http.Header { return nil }, a.UDID(), &wifi},
		"a device of an earlier life": {by(superseded), again.UDID(), nil},
		"a device that was sent away": {by(ended), gone.UDID(), nil},
		"a signature of another body": {func(t *testing.T, b []byte) http.Header { return signed(t, me, append(bytes.Clone(b), ' ')) }, a.UDID(), nil},
		"such a one, and good TLS":    {func(t *testing.T, b []byte) http.Header { return signed(t, me, append(bytes.Clone(b), ' ')) }, a.UDID(), &me},
		"a signature that is none":    {func(*testing.T, []byte) http.Header { return http.Header{apple.SignatureHeader: {"AAAA"}} }, a.UDID(), nil},
		"a signature not in base64":   {func(*testing.T, []byte) http.Header { return http.Header{apple.SignatureHeader: {"%"}} }, a.UDID(), nil},
		"a signature without end": {func(*testing.T, []byte) http.Header {
			return http.Header{apple.SignatureHeader: {strings.Repeat("A", 16<<10+1)}}
		}, a.UDID(), nil},
	} {
		t.Run(name, func(t *testing.T) {
			for _, m := range messages() {
				body := m.body(c.udid)
				got := w.send(request{url: m.url, body: body, header: c.header(t, body), tls: c.tls})
				require.Contains(t, mdm.DeviceStatuses(), got.status, m.name)
				switch {
				case name == "a signature without end":
					require.Equal(t, http.StatusRequestEntityTooLarge, got.status)
				case name == "a device that was sent away" && got.status == http.StatusOK:
					// What it still says of its life is heard; it is handed nothing.
					require.Contains(t, []string{"CheckOut", "NotNow", "Acknowledged", "Error", "CommandFormatError", "garbage"}, m.name)
					require.Empty(t, got.body, m.name)
				case m.name == "garbage" && (c.udid == "UNKNOWN" && name == "a device we do not know"):
					require.Equal(t, http.StatusOK, got.status, "it names nobody, and its sender is known")
				case m.name == "garbage" && name == "another device", m.name == "garbage" && name == "another device, over TLS":
					require.Equal(t, http.StatusOK, got.status)
				default:
					require.Equal(t, http.StatusBadRequest, got.status, m.name+" "+got.body)
				}
				require.NotContains(t, got.body, "com.example")
				if m.name != "garbage" {
					require.Equal(t, before, w.dump(), m.name)
				} else {
					before = w.dump() // what cannot be decoded is kept, of who may speak
				}
			}
			signals, results := w.sink.told()
			require.Empty(t, signals)
			require.Empty(t, results)
		})
	}
	require.Equal(t, []byte("the token of a"), a.GetBootstrapToken())
	require.Equal(t, 1, a.Poll(), "its command waits for it")

	w.clock.add(366 * 24 * time.Hour)
	before = w.dump()
	for _, m := range messages() {
		require.Equal(t, http.StatusBadRequest, w.from(expired, m.url, m.body(late.UDID())).status, m.name)
	}
	require.Equal(t, before, w.dump(), "of a certificate that has expired")
}

func ptr[T any](v T) *T { return &v }

// TestGarbageOfStrangers: what cannot be decoded is kept of devices in good
// standing, or that were, and of nobody else.
func TestGarbageOfStrangers(t *testing.T) {
	w := newWorld(t, options{})
	a := w.mac()
	kept := func() int {
		list, err := w.server.Undecoded(w.ctx, tenant, w.enrollment(a.UDID()))
		require.NoError(t, err)
		return len(list)
	}
	me := identityOf(t, a)
	w.from(me, commandURL, []byte("garbage"))
	require.Equal(t, 1, kept())

	_, secret, err := w.id.CreateIntent(w.ctx, tenant, identity.IntentRequest{})
	require.NoError(t, err)
	_, challenge, err := w.id.OpenLink(w.ctx, tenant, secret)
	require.NoError(t, err)
	issued := leaf(t, func(k crypto.PublicKey) (*x509.Certificate, error) { return w.id.Issue(w.ctx, tenant, challenge, k) })
	before := w.dump()
	require.Equal(t, http.StatusBadRequest, w.from(issued, commandURL, []byte("garbage")).status)
	require.Equal(t, http.StatusBadRequest, w.send(request{url: commandURL, body: []byte("garbage")}).status)
	require.Equal(t, before, w.dump())

	w.unenroll(a.UDID())
	w.from(me, commandURL, []byte("garbage"))
	require.Equal(t, 2, kept(), "it may be the only copy of something")
	a.Erase()
	a.Enroll()
	require.Equal(t, http.StatusBadRequest, w.from(me, commandURL, []byte("garbage")).status, "of an earlier life")
	require.Equal(t, 2, kept())
}

func TestBodiesOutOfBounds(t *testing.T) {
	w := newWorld(t, options{})
	a := w.mac()
	me := identityOf(t, a)
	deep := []byte(strings.Repeat("<array>", 100_000))
	before := w.dump()
	for name, c := range map[string]struct {
		url    string
		body   []byte
		status int
	}{
		"check-in, nothing":   {checkInURL, nil, 400},
		"check-in, deep":      {checkInURL, deep, 413},
		"check-in, a list":    {checkInURL, []byte("<plist><array/></plist>"), 400},
		"check-in, large":     {checkInURL, make([]byte, 4<<20+1), 413},
		"check-in, a result":  {checkInURL, message("Status", "Idle", "UDID", a.UDID()), 400},
		"check-in, no device": {checkInURL, message("MessageType", "CheckOut"), 400},
		"check-in, new type":  {checkInURL, message("MessageType", "OfTomorrow", "UDID", a.UDID()), 400},
		"check-in, bad topic": {checkInURL, message("MessageType", "Authenticate", "UDID", a.UDID(), "Topic", "com.apple.mgmt.another"), 400},
		"commands, large":     {commandURL, make([]byte, 4<<20+1), 413},
		// Without a CheckInURL they come here: a fault in one is not an answer.
		"commands, no token": {commandURL, message("MessageType", "TokenUpdate", "UDID", a.UDID(), "Topic", topic), 400},
		"commands, new type": {commandURL, message("MessageType", "OfTomorrow", "UDID", a.UDID()), 400},
	} {
		t.Run(name, func(t *testing.T) {
			got := w.from(me, c.url, c.body)
			require.Equal(t, c.status, got.status, got.body)
			require.Equal(t, before, w.dump())
			got = w.send(request{url: c.url, body: c.body})
			require.Contains(t, []int{400, 413}, got.status, "from nobody")
			require.Equal(t, before, w.dump())
		})
	}
	a.Oversize(5 << 20)
	_, err := a.Apple.Poll(t.Context())
	var se *mdmtest.StatusError
	require.ErrorAs(t, err, &se)
	require.Equal(t, http.StatusRequestEntityTooLarge, se.Status)
	require.Zero(t, a.Poll(), "and then it goes on")
}

func TestMethods(t *testing.T) {
	w := newWorld(t, options{})
	me := identityOf(t, w.mac())
	for _, url := range []string{checkInURL, commandURL} {
		for _, method := range []string{"GET", "HEAD", "POST", "DELETE", "PATCH", "OPTIONS"} {
			got := w.send(request{method: method, url: url, header: signed(t, me, nil)})
			require.Equal(t, http.StatusMethodNotAllowed, got.status)
			require.Contains(t, mdm.DeviceStatuses(), got.status)
			require.Equal(t, "PUT", got.header.Get("Allow"))
		}
	}
	for _, method := range []string{"PUT", "POST", "DELETE"} {
		got := w.send(request{method: method, url: "/enroll/x"})
		require.Equal(t, http.StatusMethodNotAllowed, got.status)
		require.Equal(t, "GET, HEAD", got.header.Get("Allow"))
	}
}

// Nothing that a device is answered is kept on the way.
func TestAnswersAreNotCached(t *testing.T) {
	w := newWorld(t, options{})
	a := w.mac()
	me := identityOf(t, a)
	w.enqueue(a.UDID(), queue.Command{Kind: mdm.KindProfileList})
	for _, got := range []reply{
		w.from(me, commandURL, message("Status", "Idle", "UDID", a.UDID())),
		w.from(me, commandURL, message("Status", "Idle", "UDID", "B")),
		w.from(me, checkInURL, message("MessageType", "GetBootstrapToken", "UDID", a.UDID())),
	} {
		require.Equal(t, "no-store", got.header.Get("Cache-Control"))
	}
}
