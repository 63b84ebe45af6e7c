package apple_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smallstep/pkcs7"
	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/apple"
	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/lifecycle"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/mdmtest"
	"github.com/keelson-mdm/keelson/queue"
	"github.com/keelson-mdm/keelson/scep"
	"github.com/keelson-mdm/keelson/storage/inmem"
)

const (
	tenant = mdm.DefaultTenant
	other  = mdm.TenantID("other")
	topic  = "com.apple.mgmt.External.00000000-0000-4000-8000-000000000000"

	checkInURL = "/checkin"
	commandURL = "/commands"
)

// root is the authority of all tests of the package, and keys are shared by its
// devices.
var (
	root = sync.OnceValues(func() (*x509.Certificate, *rsa.PrivateKey) {
		cert, key, err := ca.NewSelfSigned("Test authority", &ca.RootOptions{SCEP: true})
		if err != nil {
			panic(err)
		}
		return cert, key.(*rsa.PrivateKey)
	})
	keys mdmtest.KeyPool
)

// clock stands still until it is moved.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// sink is a small one: lifecycle decides, the rooms follow, and what was told is
// kept when the unit commits.
type sink struct {
	w       *world
	mu      sync.Mutex
	signals []mdm.Signal
	results []mdm.Result
	fail    func(what string) error // fails an engine; nil fails none
}

func (s *sink) keep(tx mdm.Tx, f func()) {
	tx.AfterCommit(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		f()
	})
}

func (s *sink) Signal(ctx context.Context, tx mdm.Tx, g mdm.Signal) error {
	if s.fail != nil {
		if err := s.fail("signal " + string(g.Kind)); err != nil {
			return err
		}
	}
	t, err := s.w.life.Apply(ctx, tx, g)
	if err != nil {
		return err
	}
	s.keep(tx, func() { s.signals = append(s.signals, g) })
	return s.w.follow(ctx, tx, t)
}

func (s *sink) Result(_ context.Context, tx mdm.Tx, r mdm.Result) error {
	if s.fail != nil {
		if err := s.fail("result " + string(r.Outcome)); err != nil {
			return err
		}
	}
	s.keep(tx, func() { s.results = append(s.results, r) })
	return nil
}

// told returns what was told since the last time.
func (s *sink) told() (signals []mdm.Signal, results []mdm.Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	signals, results = s.signals, s.results
	s.signals, s.results = nil, nil
	return signals, results
}

// world is a server with all that it stands on.
type world struct {
	t      testing.TB
	ctx    context.Context
	clock  *clock
	fault  func(string) error // of the store; nil fails nothing
	store  *inmem.Store
	box    *mdm.Box
	ca     *ca.CA
	queue  *queue.Queue
	id     *identity.Service
	life   *lifecycle.Service
	sink   *sink
	log    bytes.Buffer
	server *apple.Server
	http   *httptest.Server
	roots  *x509.CertPool

	mu   sync.Mutex
	seen map[mdm.HostKey]int
}

// options bend a world.
type options struct {
	oneURL   bool
	identity func(*identity.Config)
	apple    func(*apple.Config)
}

func newWorld(t testing.TB, o options) *world {
	t.Helper()
	w := &world{t: t, ctx: context.Background(), clock: &clock{at: time.Now()}, seen: make(map[mdm.HostKey]int)}
	w.store = inmem.New(&inmem.Options{Fault: func(what string) error {
		if w.fault == nil {
			return nil
		}
		return w.fault(what)
	}})
	for _, t := range []mdm.TenantID{tenant, other} {
		require.NoError(w.t, w.store.Lifecycle().PutTenant(w.ctx, t))
	}
	cert, key := root()
	var err error
	w.ca, err = ca.New(cert, key, &ca.Options{Clock: w.clock})
	require.NoError(t, err)
	w.box, err = mdm.NewBox(mdm.LocalKeyring{Current: "k", Keys: map[string][]byte{"k": bytes.Repeat([]byte{7}, 32)}}, rand.Reader)
	require.NoError(t, err)
	w.queue, err = queue.New(queue.Config{Store: w.store.Queue(), Box: w.box, Clock: w.clock, Rand: rand.Reader})
	require.NoError(t, err)
	ic := identity.Config{Store: w.store.Identity(), Transactor: w.store, CA: w.ca, Clock: w.clock, Rand: rand.Reader}
	if o.identity != nil {
		o.identity(&ic)
	}
	w.id, err = identity.New(ic)
	require.NoError(t, err)
	w.life, err = lifecycle.New(lifecycle.Config{Store: w.store.Lifecycle(), Transactor: w.store, Clock: w.clock, Rand: rand.Reader})
	require.NoError(t, err)
	w.sink = &sink{w: w}

	mux := http.NewServeMux()
	w.http = httptest.NewUnstartedServer(mux)
	w.http.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	w.http.EnableHTTP2 = true
	w.http.StartTLS()
	t.Cleanup(w.http.Close)
	w.roots = x509.NewCertPool()
	w.roots.AddCert(w.http.Certificate())

	urls := apple.URLs{CheckIn: w.http.URL + checkInURL, Server: w.http.URL + commandURL, SCEP: w.http.URL + "/scep"}
	if o.oneURL {
		urls.CheckIn = urls.Server
	}
	c := apple.Config{
		Store: w.store.Apple(), Transactor: w.store, Queue: w.queue, Identity: w.id, Sink: w.sink, Box: w.box, Clock: w.clock,
		URLs: func(mdm.TenantID) apple.URLs { return urls }, Topic: topic, Organization: "Example",
		Anchors: []*x509.Certificate{w.http.Certificate()},
		Seen: func(t mdm.TenantID, h mdm.HostKey) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.seen[h]++
		},
		Log: slog.New(slog.NewTextHandler(&w.log, nil)),
	}
	if o.apple != nil {
		o.apple(&c)
	}
	w.server, err = apple.New(c)
	require.NoError(t, err)
	endpoint, err := scep.New(scep.RA{Certificate: cert, Key: key}, scep.IssuerFunc(func(ctx context.Context, r scep.Request) (*x509.Certificate, error) {
		return w.id.Issue(ctx, r.Tenant, r.Challenge, r.CSR.PublicKey)
	}), &scep.Options{Clock: w.clock})
	require.NoError(t, err)
	if !o.oneURL {
		mux.Handle(checkInURL, w.server.CheckIn(tenant))
	}
	mux.Handle(commandURL, w.server.Commands(tenant))
	mux.Handle("/enroll/{link}", w.server.Enroll(tenant, func(r *http.Request) string { return r.PathValue("link") }))
	mux.Handle("/scep", endpoint)
	return w
}

// follow does what the face does after a transition.
func (w *world) follow(ctx context.Context, tx mdm.Tx, t lifecycle.Transition) error {
	table := lifecycle.CleanUps(t.Kind)
	e := t.Enrollment
	if table[lifecycle.ItemQueue] == lifecycle.Cancel {
		before := e.Generation
		if t.Kind != lifecycle.NewLife {
			before++
		}
		if _, err := w.queue.EndBefore(ctx, tx, e.Key, before); err != nil {
			return err
		}
	}
	if table[lifecycle.ItemBootstrapToken] == lifecycle.Clear {
		if err := w.store.Apple().ClearTokens(ctx, tx, e.Key, apple.BootstrapToken, e.Generation); err != nil {
			return err
		}
	}
	if table[lifecycle.ItemPushInfo] == lifecycle.Clear {
		if err := w.store.Apple().ClearPush(ctx, tx, e.Key); err != nil {
			return err
		}
	}
	switch t.Kind {
	case lifecycle.NewLife, lifecycle.Renewed:
		return w.id.Retire(ctx, tx, e.Natural, e.Pin)
	case lifecycle.TurnedOff, lifecycle.HostGone:
		return w.id.Retire(ctx, tx, e.Natural, e.Next.Pin)
	}
	return nil
}

func (w *world) do(fn func(context.Context, mdm.Tx) error) {
	w.t.Helper()
	require.NoError(w.t, w.store.InTx(w.ctx, tenant, fn))
}

// dump is everything that the store holds, in a form that compares.
func (w *world) dump() string {
	var out []string
	for it := reflect.ValueOf(w.store).Elem().FieldByName("tenants").MapRange(); it.Next(); {
		out = append(out, fmt.Sprintf("%s: %+v", it.Key(), it.Value().Elem()))
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// holds reports whether the store has these bytes in the clear.
func (w *world) holds(value []byte) bool {
	numbers := strings.Trim(fmt.Sprint(value), "[]")
	d := w.dump()
	return strings.Contains(d, string(value)) || strings.Contains(d, numbers)
}

// link makes an enrollment link.
func (w *world) link(r identity.IntentRequest) string {
	w.t.Helper()
	_, secret, err := w.id.CreateIntent(w.ctx, tenant, r)
	require.NoError(w.t, err)
	return w.http.URL + "/enroll/" + secret
}

// batch is good for many enrollments.
func (w *world) batch() string { return w.link(identity.IntentRequest{Quota: 50}) }

func (w *world) device(o mdmtest.AppleOptions) *mdmtest.AppleOptions {
	o.RootCAs, o.Keys, o.Clock = w.roots, keys.Key, w.clock.Now
	return &o
}

func (w *world) mac() *mdmtest.AppleDevice {
	w.t.Helper()
	return mdmtest.Mac(w.t, w.batch(), w.device(mdmtest.AppleOptions{})).Enroll()
}

func (w *world) enrollment(udid string) mdm.Enrollment {
	w.t.Helper()
	e, err := w.store.Identity().Enrollment(w.ctx, tenant, mdm.AppleNatural(udid))
	require.NoError(w.t, err)
	return e
}

func (w *world) unenroll(udid string) {
	w.t.Helper()
	k := w.enrollment(udid).Host
	w.do(func(ctx context.Context, tx mdm.Tx) error {
		ts, err := w.life.Unenroll(ctx, tx, k, mdm.Actor{})
		for _, t := range ts {
			if err == nil {
				err = w.follow(ctx, tx, t)
			}
		}
		return err
	})
}

// enqueue queues commands for a device and returns their ids.
func (w *world) enqueue(udid string, commands ...queue.Command) (ids []mdm.CommandID) {
	w.t.Helper()
	e := w.enrollment(udid)
	w.do(func(ctx context.Context, tx mdm.Tx) error {
		ids = nil
		for i := range commands {
			c := commands[i]
			c.Enrollment, c.Generation = e.Key, e.Generation
			if c.Owner == "" {
				c.Owner = mdm.OwnerApplication
			}
			entries, err := w.queue.Enqueue(ctx, tx, []queue.Command{c})
			if err != nil {
				return err
			}
			ids = append(ids, entries[0].ID)
		}
		return nil
	})
	return ids
}

func (w *world) command(id mdm.CommandID) queue.Done {
	w.t.Helper()
	d, err := w.queue.Get(w.ctx, tenant, id)
	require.NoError(w.t, err)
	return d
}

// profile is a small configuration profile.
func profile(identifier string) []byte {
	return []byte(`<?xml version="1.0" encoding="UTF-8"?>
<plist version="1.0"><dict>
	<key>PayloadType</key><string>Configuration</string>
	<key>PayloadVersion</key><integer>1</integer>
	<key>PayloadIdentifier</key><string>` + identifier + `</string>
	<key>PayloadUUID</key><string>00000000-0000-4000-8000-00000000000A</string>
	<key>PayloadDisplayName</key><string>Test</string>
	<key>PayloadContent</key><array><dict>
		<key>PayloadType</key><string>com.apple.screensaver</string>
		<key>PayloadVersion</key><integer>1</integer>
		<key>PayloadIdentifier</key><string>` + identifier + `.a</string>
		<key>PayloadUUID</key><string>00000000-0000-4000-8000-00000000000B</string>
	</dict></array>
</dict></plist>`)
}

func install(identifier string) queue.Command {
	return queue.Command{Kind: mdm.KindInstallProfile, Content: profile(identifier)}
}

// signer is a certificate with its key.
type signer struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// identityOf takes a device's identity out of it.
func identityOf(t testing.TB, a *mdmtest.AppleDevice) signer {
	t.Helper()
	var s struct {
		Key         []byte
		Certificate []byte
	}
	require.NoError(t, json.Unmarshal(a.Snapshot(), &s))
	key, err := x509.ParsePKCS8PrivateKey(s.Key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(s.Certificate)
	require.NoError(t, err)
	return signer{cert, key.(crypto.Signer)}
}

// leaf makes a signer of whatever an authority issues for a key.
func leaf(t testing.TB, issue func(crypto.PublicKey) (*x509.Certificate, error)) signer {
	t.Helper()
	key, err := keys.Key(t.Context(), 2048)
	require.NoError(t, err)
	cert, err := issue(&key.PublicKey)
	require.NoError(t, err)
	return signer{cert, key}
}

// sign makes a Mdm-Signature of a body.
func (s signer) sign(t testing.TB, body []byte) string {
	t.Helper()
	m, err := pkcs7.NewSignedData(body)
	require.NoError(t, err)
	m.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	require.NoError(t, m.AddSigner(s.cert, s.key, pkcs7.SignerInfoConfig{}))
	m.Detach()
	der, err := m.Finish()
	require.NoError(t, err)
	return base64.StdEncoding.EncodeToString(der)
}

// request is one message to the server.
type request struct {
	method string // empty means PUT
	url    string
	body   []byte
	header http.Header
	tls    *signer // presented as client certificate; nil presents none
}

type reply struct {
	status int
	header http.Header
	body   string
}

// send sends without a device that would judge.
func (w *world) send(r request) reply {
	w.t.Helper()
	if r.method == "" {
		r.method = http.MethodPut
	}
	conf := &tls.Config{RootCAs: w.roots}
	if r.tls != nil {
		conf.Certificates = []tls.Certificate{{Certificate: [][]byte{r.tls.cert.Raw}, PrivateKey: r.tls.key, Leaf: r.tls.cert}}
	}
	transport := &http.Transport{TLSClientConfig: conf}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(w.ctx, r.method, w.http.URL+r.url, bytes.NewReader(r.body))
	require.NoError(w.t, err)
	if r.header != nil {
		req.Header = r.header
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	require.NoError(w.t, err)
	defer resp.Body.Close()
	var b bytes.Buffer
	_, err = b.ReadFrom(resp.Body)
	require.NoError(w.t, err)
	return reply{resp.StatusCode, resp.Header, b.String()}
}

// signed is the header of a message that is signed by s.
func signed(t testing.TB, s signer, body []byte) http.Header {
	t.Helper()
	return http.Header{apple.SignatureHeader: {s.sign(t, body)}}
}

// from sends a message signed by s.
func (w *world) from(s signer, url string, body []byte) reply {
	w.t.Helper()
	return w.send(request{url: url, body: body, header: signed(w.t, s, body)})
}

// message writes a property list of strings, in pairs; a value that begins with
// '<' stands as it is.
func message(pairs ...string) []byte {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><plist version="1.0"><dict>`)
	for i := 0; i < len(pairs); i += 2 {
		v := pairs[i+1]
		if !strings.HasPrefix(v, "<") {
			v = "<string>" + v + "</string>"
		}
		b.WriteString("<key>" + pairs[i] + "</key>" + v)
	}
	b.WriteString(`</dict></plist>`)
	return []byte(b.String())
}

// record runs a handler without a server.
func record(h http.Handler, body []byte, header http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPut, "/", bytes.NewReader(body))
	if header != nil {
		r.Header = header
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec
}

// downStore is an identity store whose disk is full.
type downStore struct{ identity.Store }

func (downStore) IntentByLink(context.Context, mdm.TenantID, mdm.Hash) (identity.Intent, error) {
	return identity.Intent{}, errDisk
}
