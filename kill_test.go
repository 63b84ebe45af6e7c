package keelson_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	mrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/mdmtest"
	"github.com/keelson-mdm/keelson/profiles"
	"github.com/keelson-mdm/keelson/storage/sqlstore"
)

// TestMain lets this test binary be the server process that is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("KEELSON_TEST_SERVER_DIR"); dir != "" {
		if err := serveProcess(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	for _, s := range servers {
		s.Close()
	}
	os.Exit(code)
}

// serveProcess serves from a directory with a database, keys and an address.
func serveProcess(dir string) error {
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			panic(err)
		}
		return b
	}
	ctx := context.Background()
	cert, key, err := ca.ParsePEM(read("ca.pem"), read("ca.key"))
	if err != nil {
		return err
	}
	own, err := ca.New(cert, key, nil)
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(read("tls.pem"), read("tls.key"))
	if err != nil {
		return err
	}
	driver, name, _ := strings.Cut(string(read("db")), " ")
	dialect := map[string]sqlstore.Dialect{"sqlite": sqlstore.SQLite, "pgx": sqlstore.PostgreSQL, "mysql": sqlstore.MySQL}[driver]
	db, err := sql.Open(driver, name)
	if err != nil {
		return err
	}
	if err := sqlstore.Migrate(ctx, db, dialect); err != nil {
		return err
	}
	store, err := sqlstore.Open(ctx, db, dialect, nil)
	if err != nil {
		return err
	}
	addr := string(read("addr"))
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return err
	}
	m, err := keelson.New(keelson.Config{
		URL: string(read("url")), Store: store, CA: own, Keyring: keyring, Topic: topic,
		Anchors: []*x509.Certificate{leaf}, Passwords: passwords{"ada": "lovelace"},
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	m.Register(mux)
	mux.HandleFunc("POST /test/link", func(w http.ResponseWriter, r *http.Request) {
		l, err := m.Enrollments().Link(r.Context(), keelson.LinkRequest{})
		reply(w, l.URL, err)
	})
	mux.HandleFunc("POST /test/version", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.FormValue("n"))
		reply(w, "", setVersion(r.Context(), m, n))
	})
	mux.HandleFunc("GET /test/state", func(w http.ResponseWriter, r *http.Request) {
		var out []keelson.HostDetail
		hs, err := m.Hosts().List(r.Context(), keelson.HostFilter{}, keelson.Page{Limit: 500})
		for _, h := range hs {
			var d keelson.HostDetail
			if d, err = m.Hosts().Get(r.Context(), h.ID); err != nil {
				break
			}
			out = append(out, d)
		}
		reply(w, out, err)
	})
	mux.HandleFunc("GET /test/command/{id}", func(w http.ResponseWriter, r *http.Request) {
		c, err := m.Commands().Get(r.Context(), mdm.CommandID(r.PathValue("id")))
		reply(w, c, err)
	})
	var l net.Listener
	for range 100 { // the port of the process before may linger
		if l, err = net.Listen("tcp", addr); err == nil {
			break
		}
		<-time.After(10 * time.Millisecond)
	}
	if err != nil {
		return err
	}
	go func() { _ = m.Run(ctx) }()
	fmt.Println("serving")
	srv := &http.Server{Handler: mux, TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequestClientCert}}
	return srv.ServeTLS(l, "", "")
}

// setVersion makes both profiles carry version n.
func setVersion(ctx context.Context, m *keelson.MDM, n int) error {
	uuid := strings.ToUpper(strconv.FormatInt(int64(n%16), 16))
	want := map[string]keelson.ProfileUpload{
		"Screen": {Name: "Screen", Content: appleProfile("com.example.kill", "Version "+strconv.Itoa(n), uuid)},
		"Policy": {Name: "Policy", Content: windowsProfile("Camera/AllowCamera", strconv.Itoa(n))},
	}
	have, err := m.Profiles().List(ctx, nil)
	if err != nil {
		return err
	}
	for _, p := range have {
		if _, err := m.Profiles().Update(ctx, p.ID, keelson.ProfileChange{Content: want[p.Name].Content}); err != nil {
			return err
		}
		delete(want, p.Name)
	}
	for _, u := range want {
		if _, err := m.Profiles().Create(ctx, u); err != nil {
			return err
		}
	}
	return nil
}

func reply(w http.ResponseWriter, v any, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	_ = json.NewEncoder(w).Encode(v)
}

// process is the server process, as the test sees it.
type process struct {
	t      *testing.T
	dir    string
	url    string
	client *http.Client
	roots  *x509.CertPool
	cmd    *exec.Cmd
}

// newProcess makes one over a database: the names of a driver and a data source.
func newProcess(t *testing.T, database string) *process {
	dir := t.TempDir()
	write := func(name string, b []byte) { require.NoError(t, os.WriteFile(filepath.Join(dir, name), b, 0o600)) }
	cert, key := authority()
	certPEM, keyPEM, err := ca.MarshalPEM(cert, key)
	require.NoError(t, err)
	write("ca.pem", certPEM)
	write("db", []byte(database))
	write("ca.key", keyPEM)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	certPEM, keyPEM, err = ca.MarshalPEM(leaf, key)
	require.NoError(t, err)
	write("tls.pem", certPEM)
	write("tls.key", keyPEM)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	write("addr", []byte(addr))
	write("url", []byte("https://"+addr))
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	p := &process{t: t, dir: dir, url: "https://" + addr, roots: roots,
		client: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}}
	t.Cleanup(p.kill)
	return p
}

// start runs the process and waits until it serves.
func (p *process) start() {
	p.t.Helper()
	p.cmd = exec.Command(os.Args[0])
	p.cmd.Env = append(os.Environ(), "KEELSON_TEST_SERVER_DIR="+p.dir)
	out, err := p.cmd.StdoutPipe()
	require.NoError(p.t, err)
	p.cmd.Stderr = os.Stderr
	require.NoError(p.t, p.cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(p.t, err, "the server did not come up")
	require.Equal(p.t, "serving\n", line)
}

// kill ends the process with SIGKILL.
func (p *process) kill() {
	if p.cmd != nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		p.cmd = nil
	}
	p.client.CloseIdleConnections()
}

func (p *process) call(method, path string, into any) error {
	req, err := http.NewRequest(method, p.url+path, nil)
	if err != nil {
		return err
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", resp.Status, b)
	}
	return json.Unmarshal(b, into)
}

// TestSIGKILL kills the server process at fifty random moments of a fleet's life,
// and at some more on each server, and judges by what the devices saw.
func TestSIGKILL(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "k.db")
		p := newProcess(t, "sqlite file:"+file+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)&_pragma=synchronous(NORMAL)")
		p.start()
		underKills(t, p, storm{macs: 3, pcs: 2, kills: 50}, func() { p.kill(); p.start() })
	})
	for _, s := range servers {
		t.Run(string(s.dialect), func(t *testing.T) {
			s.Need(t)
			p := newProcess(t, s.Driver()+" "+s.name(t))
			p.start()
			underKills(t, p, storm{macs: 3, pcs: 2, kills: 20}, func() { p.kill(); p.start() })
		})
	}
}

// storm is a fleet and how often its server is killed under it.
type storm struct{ macs, pcs, kills int }

// underKills lets a fleet live with a server that strike kills, and judges by
// what the devices saw.
func underKills(t *testing.T, p *process, s storm, strike func()) {
	ctx := t.Context()
	var macs []*mdmtest.Apple
	var pcs []*mdmtest.PCDevice
	for i := range s.macs {
		var link string
		require.NoError(t, p.call(http.MethodPost, "/test/link", &link))
		mac := mdmtest.NewApple(mdmtest.AppleMac, link, &mdmtest.AppleOptions{RootCAs: p.roots, Keys: keys.Key})
		t.Cleanup(mac.Close)
		require.NoError(t, mac.Enroll(ctx), i)
		macs = append(macs, mac)
	}
	for range s.pcs {
		pc := mdmtest.NewPC(p.url, "ada", "lovelace", &mdmtest.PCOptions{Key: (&world{pool: keys}).rsaKey})
		require.NoError(t, pc.Enroll(ctx))
		pcs = append(pcs, pc)
	}

	// The devices live on while the server dies and comes back.
	alive, stop := context.WithCancel(ctx)
	var fleet sync.WaitGroup
	live := func(come func(context.Context) error) {
		fleet.Go(func() {
			for alive.Err() == nil {
				_ = come(alive) // the server is often dead
				select {
				case <-alive.Done():
				case <-time.After(5 * time.Millisecond):
				}
			}
		})
	}
	for _, mac := range macs {
		live(func(ctx context.Context) error { _, err := mac.Poll(ctx); return err })
	}
	for _, pc := range pcs {
		live(func(ctx context.Context) error { _, err := pc.Sync(ctx); return err })
	}
	version := 0
	for n := range s.kills {
		version = n + 1
		_ = p.call(http.MethodPost, "/test/version?n="+strconv.Itoa(version), new(string))
		wait, cancel := context.WithTimeout(ctx, time.Duration(mrand.IntN(200))*time.Millisecond)
		<-wait.Done()
		cancel()
		strike()
	}
	require.Eventually(t, func() bool {
		return p.call(http.MethodPost, "/test/version?n="+strconv.Itoa(version), new(string)) == nil
	}, 20*time.Second, 50*time.Millisecond)

	var hosts []keelson.HostDetail
	settled := func() bool {
		if p.call(http.MethodGet, "/test/state", &hosts) != nil || len(hosts) != s.macs+s.pcs {
			return false
		}
		for _, h := range hosts {
			if h.Status != profiles.Verified || len(h.Profiles) != 1 {
				return false
			}
		}
		return true
	}
	require.Eventually(t, settled, 90*time.Second, 100*time.Millisecond, "hosts are stuck: %+v", &hosts)
	stop()
	fleet.Wait()

	seen := 0
	for _, mac := range macs {
		seen += len(mac.Record())
	}
	require.Greater(t, seen, 2*s.kills, "there was hardly any load")
	for _, mac := range macs {
		have, ok := mac.Profile("com.example.kill")
		require.True(t, ok)
		require.Contains(t, string(have.Raw), "Version "+strconv.Itoa(version))
		require.Empty(t, mac.Duplicates(), "a command came again though its answer had been taken")
		for _, c := range mac.Record() {
			answered := false
			for _, s := range c.Sightings {
				answered = answered || s.Fate == mdmtest.FateDelivered && s.Status != "NotNow"
			}
			if answered {
				var cmd keelson.Command
				require.NoError(t, p.call(http.MethodGet, "/test/command/"+c.UUID, &cmd))
				require.NotEmpty(t, cmd.Outcome, "%s never ended", c.UUID)
			}
		}
	}
	for _, pc := range pcs {
		require.Empty(t, pc.Duplicates(), "a command came again though its answer had been taken")
		node, ok := pc.Node("./Device/Vendor/MSFT/Policy/Config/Camera/AllowCamera")
		require.True(t, ok)
		require.Equal(t, strconv.Itoa(version), node.Value)
	}
}
