package adminapi

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	_ "embed"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
	"github.com/keelson-mdm/keelson/storage/inmem"
)

var (
	//go:embed testdata/dock.mobileconfig
	dock []byte
	//go:embed testdata/lock-screen.xml
	lockScreen []byte
)

const bearer = "Bearer correct-horse"

// authority is one RSA authority for all tests of the binary.
var authority = sync.OnceValues(func() (*x509.Certificate, crypto.Signer) {
	cert, key, err := ca.NewSelfSigned("Test authority", nil)
	if err != nil {
		panic(err)
	}
	return cert, key
})

var keyring = mdm.LocalKeyring{Current: "1", Keys: map[string][]byte{"1": bytes.Repeat([]byte("k"), 32)}}

// fixed is a clock that stands.
type fixed struct{}

func (fixed) Now() time.Time { return time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC) }

// world is an MDM with an API over it, and with one of everything.
type world struct {
	t     testing.TB
	store *inmem.Store
	m     *keelson.MDM
	api   *API
	queue *queue.Queue
	names map[string]string // "$mac" to the host's id, and so on
}

// choices alter a world before it is made.
type choices struct {
	config  func(*keelson.Config)
	options func(*Options)
}

// authenticate knows one token.
func authenticate(r *http.Request) (mdm.Actor, error) {
	if r.Header.Get("Authorization") != bearer {
		return mdm.Actor{}, io.ErrUnexpectedEOF // any error will do
	}
	return mdm.Actor{Kind: "token", Name: "ci"}, nil
}

// hooks make lifecycle write events; nobody delivers them.
type hooks struct{}

func (hooks) HandleEvent(context.Context, mdm.Event) error { return nil }

func newWorld(t testing.TB, ch choices) *world {
	t.Helper()
	cert, key := authority()
	own, err := ca.New(cert, key, nil)
	require.NoError(t, err)
	w := &world{t: t, store: inmem.New(nil), names: make(map[string]string)}
	c := keelson.Config{
		URL: "https://mdm.example.com", Store: w.store, CA: own, Keyring: keyring, Clock: fixed{}, Hooks: hooks{},
		Topic: "com.apple.mgmt.External.00000000-0000-4000-8000-000000000000",
	}
	if ch.config != nil {
		ch.config(&c)
	}
	w.m, err = keelson.New(c)
	require.NoError(t, err)
	o := &Options{Authenticate: authenticate}
	if ch.options != nil {
		ch.options(o)
	}
	w.api, err = New(w.m, o)
	require.NoError(t, err)
	box, err := mdm.NewBox(keyring, rand.Reader)
	require.NoError(t, err)
	w.queue, err = queue.New(queue.Config{Store: w.store.Queue(), Box: box, Clock: fixed{}, Rand: rand.Reader})
	require.NoError(t, err)
	return w
}

// furnished is a world in which something has happened.
func furnished(t testing.TB) *world {
	w := newWorld(t, choices{})
	w.furnish()
	return w
}

func (w *world) furnish() {
	ctx := w.t.Context()
	team, err := w.m.Teams().Create(ctx, "Design")
	set(w, "$team", team.ID, err)
	spare, err := w.m.Teams().Create(ctx, "Spare")
	set(w, "$spareteam", spare.ID, err)
	label, err := w.m.Labels().Create(ctx, "Laptops", keelson.Unknown)
	set(w, "$label", label.ID, err)
	used, err := w.m.Labels().Create(ctx, "In use", keelson.No)
	set(w, "$usedlabel", used.ID, err)
	w.enroll("$mac", mdm.Host{Platform: mdm.MacOS, Serial: "C02EXAMPLE01", HardwareID: "AAAA-1", Name: "Ada's Mac", Model: "Mac14,2", OSVersion: "15.4"})
	w.enroll("$pc", mdm.Host{Platform: mdm.Windows, Serial: "PF00001", HardwareID: "BBBB-2", Name: "DESK-1"})
	pending, err := w.m.Hosts().Ensure(ctx, "asset-1", mdm.HostFacts{Serial: "C02EXAMPLE09"}, team.ID)
	set(w, "$pending", pending.ID, err)
	p, err := w.m.Profiles().Create(ctx, keelson.ProfileUpload{Content: dock})
	set(w, "$dock", p.ID, err)
	p, err = w.m.Profiles().Create(ctx, keelson.ProfileUpload{
		Name: "Lock screen", Content: lockScreen, Scope: keelson.Scope{ExcludeAny: []mdm.LabelID{used.ID}},
	})
	set(w, "$lock", p.ID, err)
	p, err = w.m.Profiles().Create(ctx, keelson.ProfileUpload{Team: team.ID, Content: bytes.ReplaceAll(dock, []byte("com.example.dock"), []byte("com.example.team"))})
	set(w, "$teamprofile", p.ID, err)
	link, err := w.m.Enrollments().Link(ctx, keelson.LinkRequest{})
	set(w, "$link", link.ID, err)
	w.send("$answered", nil)
	w.send("$left", nil)
	w.handOut("$mac", 2)
	w.report("$mac", "$answered", []byte("<plist><dict/></plist>"))
	w.send("$waiting", nil)
	require.NoError(w.t, w.m.Plan(ctx)) // behind the commands, so that the profiles' own have not left
	commands, err := w.m.Commands().List(ctx, mdm.HostID(w.names["$mac"]), "", 1)
	require.NoError(w.t, err)
	require.Equal(w.t, mdm.OwnerProfiles, commands[0].Owner)
	w.names["$install"] = string(commands[0].ID)
}

// set remembers an id.
func set[T ~string](w *world, name string, id T, err error) {
	w.t.Helper()
	require.NoError(w.t, err)
	w.names[name] = string(id)
}

// enroll makes an enrolled host.
func (w *world) enroll(name string, h mdm.Host) {
	w.t.Helper()
	id, err := mdm.NewUUID(fixed{}.Now(), rand.Reader)
	require.NoError(w.t, err)
	h.ID, h.State, h.CreatedAt = mdm.HostID(id), mdm.HostEnrolled, fixed{}.Now()
	e := w.channel(name)
	e.ID, e.Protocol = mdm.EnrollmentID(id), mdm.WindowsProtocol
	if h.Platform.Apple() {
		e.Protocol = mdm.AppleProtocol
	}
	err = w.store.InTx(w.t.Context(), mdm.DefaultTenant, func(ctx context.Context, tx mdm.Tx) error {
		if err := w.store.Lifecycle().PutHost(ctx, tx, &h); err != nil {
			return err
		}
		e.Host, e.HostID, e.Platform = h.Key, h.ID, h.Platform
		var err error
		if e.Generation, err = w.store.Identity().NextGeneration(ctx, tx); err != nil {
			return err
		}
		return w.store.Lifecycle().PutEnrollment(ctx, tx, &e)
	})
	set(w, name, h.ID, err)
}

// channel is what identifies the channel of a named host.
func (w *world) channel(name string) mdm.Enrollment {
	return mdm.Enrollment{
		Natural: mdm.Natural("apple:" + name), Channel: mdm.DeviceChannel, State: mdm.EnrollmentEnrolled,
		Pin: sha256.Sum256([]byte(name)), EnrolledAt: fixed{}.Now(),
	}
}

// send queues a command for the Mac.
func (w *world) send(name string, content []byte) {
	w.t.Helper()
	if content == nil {
		content = []byte("OSVersion")
	}
	id, err := w.m.Commands().Send(w.t.Context(), mdm.HostID(w.names["$mac"]), keelson.CommandRequest{Kind: mdm.KindDeviceInformation, Content: content})
	set(w, name, id, err)
}

// handOut lets n commands leave for a host.
func (w *world) handOut(host string, n int) {
	w.t.Helper()
	e := w.channel(host)
	a, err := w.queue.Poll(w.t.Context(), mdm.DefaultTenant, queue.Poll{Caller: queue.Caller{Natural: e.Natural, Pin: e.Pin}, Now: fixed{}.Now(), Limit: n})
	require.NoError(w.t, err)
	require.Len(w.t, a.Handouts, n)
}

// report lets a host answer a command.
func (w *world) report(host, command string, body []byte) {
	w.t.Helper()
	err := w.store.InTx(w.t.Context(), mdm.DefaultTenant, func(ctx context.Context, tx mdm.Tx) error {
		e, err := w.store.Lifecycle().EnrollmentTx(ctx, tx, w.channel(host).Natural)
		if err != nil {
			return err
		}
		_, err = w.queue.File(ctx, tx, e, queue.Report{
			Command: mdm.CommandID(w.names[command]), Now: fixed{}.Now(), Outcome: mdm.OutcomeAcknowledged, Body: body,
		})
		return err
	})
	require.NoError(w.t, err)
}

// fill replaces names by ids, the longest name first.
func (w *world) fill(s string) string { return w.replacer(false).Replace(s) }

// blank replaces ids by names.
func (w *world) blank(s string) string { return w.replacer(true).Replace(s) }

func (w *world) replacer(back bool) *strings.Replacer {
	keys := slices.SortedFunc(maps.Keys(w.names), func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	var pairs []string
	for _, k := range keys {
		if back {
			pairs = append(pairs, w.names[k], k)
		} else {
			pairs = append(pairs, k, w.names[k])
		}
	}
	return strings.NewReplacer(pairs...)
}

// request is one request of a table. In path and body, names stand for ids.
type request struct {
	method, path string
	body         string
	header       map[string]string // an empty value removes
}

// do sends a request as somebody who is known; a body is JSON unless the header
// says otherwise.
func (w *world) do(q request) *httptest.ResponseRecorder {
	w.t.Helper()
	at := q.path
	if strings.HasPrefix(at, "/") {
		at = "https://mdm.example.com" + w.api.prefix + at
	}
	r := httptest.NewRequestWithContext(w.t.Context(), q.method, w.fill(at), strings.NewReader(w.fill(q.body)))
	r.Header.Set("Authorization", bearer)
	if q.body != "" {
		r.Header.Set("Content-Type", mediaJSON)
	}
	for k, v := range q.header {
		if r.Header.Set(k, v); v == "" {
			r.Header.Del(k)
		}
	}
	rec := httptest.NewRecorder()
	w.api.ServeHTTP(rec, r)
	return rec
}
