package windows_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/lifecycle"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
	"github.com/keelson-mdm/keelson/storage/inmem"
	"github.com/keelson-mdm/keelson/windows"
	"github.com/keelson-mdm/keelson/windows/syncml"
)

// clock is moved by the test. It begins now, as TLS looks at the real time.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

type passwords map[string]string

func (p passwords) CheckPassword(_ context.Context, _ mdm.TenantID, user, password string) (string, error) {
	if user == "broken@example.com" {
		return "", fmt.Errorf("the directory is down")
	}
	if p[user] == "" || p[user] != password {
		return "", mdm.Errorf(mdm.CodeUnauthenticated, "password", "the user name or the password is wrong")
	}
	return user, nil
}

// recorder is a sink as the face's: lifecycle decides, and what it is told is
// kept when the unit commits.
type recorder struct {
	w       *world
	mu      sync.Mutex
	signals []mdm.Signal
	results []mdm.Result
	fail    func(what string) error // fails a handler
}

func (r *recorder) keep(tx mdm.Tx, f func()) {
	tx.AfterCommit(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		f()
	})
}

func (r *recorder) Signal(ctx context.Context, tx mdm.Tx, g mdm.Signal) error {
	if r.fail != nil {
		if err := r.fail(string(g.Kind)); err != nil {
			return err
		}
	}
	t, err := r.w.life.Apply(ctx, tx, g)
	if err != nil {
		return err
	}
	switch t.Kind {
	case lifecycle.TurnedOff:
		if _, err := r.w.queue.EndBefore(ctx, tx, t.Enrollment.Key, t.Enrollment.Generation+1); err != nil {
			return err
		}
		err = r.w.id.Retire(ctx, tx, t.Enrollment.Natural, mdm.Hash{})
	case lifecycle.NewLife, lifecycle.Renewed:
		err = r.w.id.Retire(ctx, tx, t.Enrollment.Natural, t.Enrollment.Pin)
	}
	r.keep(tx, func() { r.signals = append(r.signals, g) })
	return err
}

func (r *recorder) Result(_ context.Context, tx mdm.Tx, res mdm.Result) error {
	if r.fail != nil {
		if err := r.fail("result " + string(res.Command)); err != nil {
			return err
		}
	}
	r.keep(tx, func() { r.results = append(r.results, res) })
	return nil
}

// of returns the signals of a kind.
func (r *recorder) of(k mdm.SignalKind) []mdm.Signal {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []mdm.Signal
	for _, g := range r.signals {
		if g.Kind == k {
			out = append(out, g)
		}
	}
	return out
}

// testRoot is the authority of every world: made once.
var testRoot = sync.OnceValue(func() (r struct {
	cert *x509.Certificate
	key  crypto.Signer
}) {
	var err error
	if r.cert, r.key, err = ca.NewSelfSigned("Test root", &ca.RootOptions{Key: ca.P256}); err != nil {
		panic(err)
	}
	return r
})

// world is a server with everything that it stands on.
type world struct {
	t      testing.TB
	clock  *clock
	fault  func(string) error // of the store
	store  *inmem.Store
	ca     *ca.CA
	box    *mdm.Box
	queue  *queue.Queue
	id     *identity.Service
	life   *lifecycle.Service
	sink   *recorder
	server *windows.Server
	seen   map[mdm.HostKey]int
	manage http.Handler
}

type peerKey struct{}

func newWorld(t testing.TB, change func(*windows.Config)) *world {
	t.Helper()
	w := &world{t: t, clock: &clock{at: time.Now().UTC().Truncate(time.Microsecond)}, seen: map[mdm.HostKey]int{}}
	w.store = inmem.New(&inmem.Options{Fault: func(what string) error {
		if w.fault != nil {
			return w.fault(what)
		}
		return nil
	}})
	ctx := context.Background()
	require.NoError(t, w.store.Lifecycle().PutTenant(ctx, mdm.DefaultTenant))
	require.NoError(t, w.store.Lifecycle().PutTenant(ctx, "other"))
	root := testRoot()
	var err error
	w.ca, err = ca.New(root.cert, root.key, &ca.Options{Clock: w.clock})
	require.NoError(t, err)
	w.box, err = mdm.NewBox(mdm.LocalKeyring{Current: "k", Keys: map[string][]byte{"k": bytes.Repeat([]byte{7}, 32)}}, rand.Reader)
	require.NoError(t, err)
	w.queue, err = queue.New(queue.Config{Store: w.store.Queue(), Box: w.box, Clock: w.clock, Rand: rand.Reader})
	require.NoError(t, err)
	w.id, err = identity.New(identity.Config{
		Store: w.store.Identity(), Transactor: w.store, CA: w.ca, Clock: w.clock, Rand: rand.Reader,
		Passwords: passwords{"ada@example.com": "correct horse", "bob@example.com": "battery"},
	})
	require.NoError(t, err)
	w.life, err = lifecycle.New(lifecycle.Config{Store: w.store.Lifecycle(), Transactor: w.store, Clock: w.clock, Rand: rand.Reader})
	require.NoError(t, err)
	w.sink = &recorder{w: w}
	c := windows.Config{
		URL: "https://mdm.example.com", Store: w.store.Windows(), Transactor: w.store, Queue: w.queue, Identity: w.id,
		Sink: w.sink, Box: w.box, CA: w.ca, Clock: w.clock, Rand: rand.Reader,
		Seen: func(_ mdm.TenantID, h mdm.HostKey) { w.seen[h]++ },
		ClientCertificate: func(r *http.Request) *x509.Certificate {
			leaf, _ := r.Context().Value(peerKey{}).(*x509.Certificate)
			return leaf
		},
	}
	if change != nil {
		change(&c)
	}
	w.server, err = windows.New(c)
	require.NoError(t, err)
	w.manage = w.server.Manage(mdm.DefaultTenant)
	return w
}

// pc is a device without any protocol of its own: a test says each word.
type pc struct {
	w         *world
	t         testing.TB
	leaf      *x509.Certificate
	natural   mdm.Natural
	deviceID  string
	session   string
	msg       int
	replyMsg  int // MsgID of the last reply
	cmd       int
	noLogin   bool
	lastReply *syncml.Message
}

// enroll makes a device as a finished enrollment leaves it: authenticated, not
// confirmed.
func (w *world) enroll(deviceID, person string) *pc {
	w.t.Helper()
	ctx := context.Background()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(w.t, err)
	facts := mdm.HostFacts{Platform: mdm.Windows, HardwareID: deviceID, Name: "PC"}
	leaf, admitted, err := w.id.IssueTo(ctx, mdm.DefaultTenant, person, identity.Claim{
		Protocol: mdm.WindowsProtocol, Channel: mdm.DeviceChannel, Facts: facts,
	}, 0, &key.PublicKey)
	require.NoError(w.t, err)
	d := &pc{w: w, t: w.t, leaf: leaf, deviceID: deviceID}
	require.NoError(w.t, w.store.InTx(ctx, mdm.DefaultTenant, func(ctx context.Context, tx mdm.Tx) error {
		auth, err := w.id.Bind(ctx, tx, admitted)
		if err != nil {
			return err
		}
		d.natural = auth.Natural
		if err := w.sink.Signal(ctx, tx, mdm.Signal{Kind: mdm.SignalAuthenticated, Data: auth}); err != nil {
			return err
		}
		e, err := w.id.Enrollment(ctx, tx, auth.Natural)
		if err != nil {
			return err
		}
		return w.store.Windows().PutDevice(ctx, tx, windows.Device{Enrollment: e.Key, DeviceID: deviceID, User: person, At: w.clock.Now()})
	}))
	return d
}

// managed is a device after its first, idle session.
func (w *world) managed(deviceID string) *pc {
	w.t.Helper()
	d := w.enroll(deviceID, "ada@example.com")
	d.begin("first")
	d.packageOne()
	require.Equal(w.t, mdm.EnrollmentEnrolled, d.enrollment().State)
	return d
}

func (d *pc) enrollment() mdm.Enrollment {
	d.t.Helper()
	e, err := d.w.store.Identity().Enrollment(context.Background(), mdm.DefaultTenant, d.natural)
	require.NoError(d.t, err)
	return e
}

// enrollmentIn reads within a unit of work.
func (d *pc) enrollmentIn(ctx context.Context, tx mdm.Tx) mdm.Enrollment {
	e, err := d.w.id.Enrollment(ctx, tx, d.natural)
	require.NoError(d.t, err)
	return e
}

// enqueue queues fragments and returns their ids.
func (d *pc) enqueue(fragments ...string) []mdm.CommandID {
	d.t.Helper()
	cmds := make([]queue.Command, len(fragments))
	for i, f := range fragments {
		cmds[i] = queue.Command{Content: []byte(f)}
	}
	return d.enqueueAll(cmds...)
}

func (d *pc) enqueueAll(cmds ...queue.Command) []mdm.CommandID {
	d.t.Helper()
	e := d.enrollment()
	for i := range cmds {
		c := &cmds[i]
		c.Enrollment, c.Generation = e.Key, e.Generation
		if c.Owner == "" {
			c.Owner = mdm.OwnerApplication
		}
		if c.Kind == "" {
			c.Kind = mdm.KindSyncML
		}
		if c.Redelivery == mdm.Once {
			c.Expires = d.w.clock.Now().Add(24 * time.Hour)
		}
	}
	var ids []mdm.CommandID
	require.NoError(d.t, d.w.store.InTx(context.Background(), mdm.DefaultTenant, func(ctx context.Context, tx mdm.Tx) error {
		entries, err := d.w.queue.Enqueue(ctx, tx, cmds)
		ids = nil
		for _, e := range entries {
			ids = append(ids, e.ID)
		}
		return err
	}))
	return ids
}

// done returns what became of a command.
func (d *pc) done(id mdm.CommandID) queue.Done {
	d.t.Helper()
	out, err := d.w.queue.Get(context.Background(), mdm.DefaultTenant, id)
	require.NoError(d.t, err)
	return out
}

// begin starts another session.
func (d *pc) begin(session string) { d.session, d.msg, d.replyMsg, d.cmd = session, 0, 0, 0 }

func (d *pc) next() string { d.cmd++; return strconv.Itoa(d.cmd) }

// message builds the next message.
func (d *pc) message(cmds ...syncml.Command) *syncml.Message {
	d.msg++
	for i := range cmds {
		cmds[i].CmdID = d.next()
	}
	return &syncml.Message{
		Header: syncml.Header{
			SessionID: d.session, MsgID: d.msg,
			Target: syncml.Location{URI: "https://mdm.example.com/mdm/v1/default/windows/manage"},
			Source: syncml.Location{URI: d.deviceID},
		},
		Commands: cmds, Final: true,
	}
}

func (d *pc) post(body []byte) *httptest.ResponseRecorder {
	return d.w.post(d.leaf, body)
}

func (w *world) post(leaf *x509.Certificate, body []byte) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/mdm/v1/default/windows/manage?mode=Maintenance&Platform=WoA", bytes.NewReader(body))
	r.Header.Set("Content-Type", syncml.MediaType)
	r = r.WithContext(context.WithValue(r.Context(), peerKey{}, leaf))
	rec := httptest.NewRecorder()
	w.manage.ServeHTTP(rec, r)
	return rec
}

func encode(t testing.TB, m *syncml.Message) []byte {
	t.Helper()
	b, err := syncml.Encode(m)
	require.NoError(t, err)
	return b
}

// send posts a message and returns the reply.
func (d *pc) send(m *syncml.Message) *syncml.Message {
	d.t.Helper()
	return d.read(d.post(encode(d.t, m)))
}

func (d *pc) read(rec *httptest.ResponseRecorder) *syncml.Message {
	d.t.Helper()
	require.Equal(d.t, http.StatusOK, rec.Code)
	require.Equal(d.t, syncml.MediaType, rec.Header().Get("Content-Type"))
	require.Equal(d.t, strconv.Itoa(rec.Body.Len()), rec.Header().Get("Content-Length"))
	m, err := syncml.Decode(rec.Body.Bytes(), nil)
	require.NoError(d.t, err)
	d.replyMsg, d.lastReply = m.Header.MsgID, m
	return m
}

// alerts of package 1.
func (d *pc) hello(extra ...syncml.Command) []syncml.Command {
	out := []syncml.Command{{Kind: syncml.Alert, Code: syncml.AlertClientInitiated}}
	if !d.noLogin {
		out = append(out, alert(syncml.AlertClientEvent, syncml.AlertTypeLoginStatus, "user"))
	}
	out = append(out, extra...)
	return append(out, syncml.Command{Kind: syncml.Replace, Items: []syncml.Item{
		{Source: syncml.Location{URI: "./DevInfo/DevId"}, Data: d.deviceID},
		{Source: syncml.Location{URI: "./DevInfo/Mod"}, Data: "Book 5"},
	}})
}

func alert(code int, typ, data string) syncml.Command {
	return syncml.Command{Kind: syncml.Alert, Code: code, Items: []syncml.Item{{Meta: syncml.Meta{Type: typ}, Data: data}}}
}

// packageOne sends package 1 and returns the commands of the reply.
func (d *pc) packageOne(extra ...syncml.Command) []syncml.Command {
	d.t.Helper()
	return commands(d.send(d.message(d.hello(extra...)...)))
}

// answer sends statuses for the last reply and returns the commands of the next.
func (d *pc) answer(statuses ...syncml.Command) []syncml.Command {
	d.t.Helper()
	return commands(d.send(d.answering(statuses...)))
}

func (d *pc) answering(statuses ...syncml.Command) *syncml.Message {
	all := append([]syncml.Command{{Kind: syncml.Status, MsgRef: d.replyMsg, CmdRef: "0", Cmd: syncml.SyncHdr, Code: 200}}, statuses...)
	return d.message(all...)
}

// status answers a command as a whole, or the nodes given.
func (d *pc) status(c syncml.Command, code int, targets ...string) syncml.Command {
	return syncml.Command{Kind: syncml.Status, MsgRef: d.replyMsg, CmdRef: c.CmdID, Cmd: string(c.Kind), Code: code, TargetRefs: targets}
}

// result returns values of a Get, as pairs of node and value.
func (d *pc) result(c syncml.Command, pairs ...string) syncml.Command {
	out := syncml.Command{Kind: syncml.Results, MsgRef: d.replyMsg, CmdRef: c.CmdID}
	for i := 0; i < len(pairs); i += 2 {
		out.Items = append(out.Items, syncml.Item{Source: syncml.Location{URI: pairs[i]}, Data: pairs[i+1]})
	}
	return out
}

// rejecting is package 1 after a message that the device could not read.
func (d *pc) rejecting(code int) []syncml.Command {
	d.t.Helper()
	st := syncml.Command{Kind: syncml.Status, MsgRef: 0, CmdRef: "0", Cmd: syncml.SyncHdr, Code: code}
	return commands(d.send(d.message(append([]syncml.Command{st}, d.hello()...)...)))
}

// commands are what a reply brings beside statuses.
func commands(m *syncml.Message) []syncml.Command {
	var out []syncml.Command
	for _, c := range m.Commands {
		if c.Kind != syncml.Status {
			out = append(out, c)
		}
	}
	return out
}

// statuses of a reply as "CmdRef Cmd code".
func statuses(m *syncml.Message) []string {
	var out []string
	for _, c := range m.Commands {
		if c.Kind == syncml.Status {
			out = append(out, fmt.Sprintf("%s %s %d", c.CmdRef, c.Cmd, c.Code))
		}
	}
	return out
}

// Fragments.

func write(kind syncml.Kind, uri, data string) string {
	return fmt.Sprintf(`<%[1]s><Item><Target><LocURI>%[2]s</LocURI></Target><Data>%[3]s</Data></Item></%[1]s>`, kind, uri, data)
}

func get(uris ...string) string {
	var b strings.Builder
	for _, u := range uris {
		b.WriteString(`<Item><Target><LocURI>` + u + `</LocURI></Target></Item>`)
	}
	return `<Get>` + b.String() + `</Get>`
}

func del(uri string) string {
	return `<Delete><Item><Target><LocURI>` + uri + `</LocURI></Target></Item></Delete>`
}

const base = "./Device/Vendor/MSFT/Policy/Config/"

// uris of the items of commands, children included, in order.
func uris(cmds []syncml.Command) []string {
	var out []string
	for _, c := range cmds {
		for _, it := range c.Items {
			out = append(out, strings.TrimPrefix(it.Target.URI, base))
		}
		out = append(out, uris(c.Commands)...)
	}
	return out
}

// endRef takes back an owner's commands, as its engine would.
func (w *world) endRef(d *pc, o mdm.Owner, key int64) error {
	e := d.enrollment()
	return w.store.InTx(context.Background(), mdm.DefaultTenant, func(ctx context.Context, tx mdm.Tx) error {
		_, _, err := w.queue.EndRef(ctx, tx, e.Key, o, key)
		return err
	})
}
