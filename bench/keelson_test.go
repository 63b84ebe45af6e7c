package bench

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"database/sql"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"

	_ "modernc.org/sqlite"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/mdmtest"
	"github.com/keelson-mdm/keelson/queue"
	"github.com/keelson-mdm/keelson/storage"
	"github.com/keelson-mdm/keelson/storage/sqlstore"
)

const (
	host   = "mdm.example.com"
	tenant = mdm.DefaultTenant
)

// keys are shared by the devices, which are too many to make one for each.
var keys = &mdmtest.KeyPool{Size: 32}

// authority is the CA of all devices, with an RSA key of 2048 bits.
var authority = sync.OnceValues(func() (*ca.CA, error) {
	cert, key, err := ca.NewSelfSigned("Benchmark authority", &ca.RootOptions{Key: ca.RSA2048})
	if err != nil {
		return nil, err
	}
	return ca.New(cert, key, nil)
})

var keyring = mdm.LocalKeyring{Current: "1", Keys: map[string][]byte{"1": []byte(strings.Repeat("k", 32))}}

// ours is Keelson over a store, running, with enrolled devices.
type ours struct {
	side
	store    storage.Store
	queue    *queue.Queue
	identity *identity.Service
	chain    *ca.Verifier
	channels map[string]mdm.Enrollment // by UDID
	stop     func()
}

// newOurs starts a server and enrolls n Macs in it.
func newOurs(name string, store storage.Store, n int) (*ours, error) {
	auth, err := authority()
	if err != nil {
		return nil, err
	}
	m, err := keelson.New(keelson.Config{URL: "https://" + host, Store: store, CA: auth, Keyring: keyring, Topic: topic})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	m.Register(mux)
	o := &ours{store: store, channels: make(map[string]mdm.Enrollment, n)}
	o.side = side{
		name: name, handler: mux, enqueue: o.queueEach,
		path:    &url.URL{Path: "/mdm/v1/default/apple/server"},
		checkIn: &url.URL{Path: "/mdm/v1/default/apple/checkin"},
	}
	if o.queue, err = newQueue(store); err != nil {
		return nil, err
	}
	o.identity, err = identity.New(identity.Config{
		Store: store.Identity(), Transactor: store, CA: auth, Clock: mdm.SystemClock{}, Rand: rand.Reader,
	})
	if err != nil {
		return nil, err
	}
	if o.chain, err = ca.NewVerifier([]*x509.Certificate{auth.Certificate()}, nil); err != nil {
		return nil, err
	}
	for i := range n {
		if err := o.mac(i); err != nil {
			return nil, fmt.Errorf("enroll device %d: %w", i, err)
		}
	}
	// Last-seen times are written and hosts planned while devices poll.
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = m.Run(ctx) })
	o.stop = func() { cancel(); wg.Wait() }
	return o, nil
}

// mac issues an identity, as SCEP would, and enrolls a Mac with it.
func (o *ours) mac(i int) error {
	ctx := context.Background()
	key, err := keys.Key(ctx, 2048)
	if err != nil {
		return err
	}
	_, link, err := o.identity.CreateIntent(ctx, tenant, identity.IntentRequest{})
	if err != nil {
		return err
	}
	_, challenge, err := o.identity.OpenLink(ctx, tenant, link)
	if err != nil {
		return err
	}
	cert, err := o.identity.Issue(ctx, tenant, challenge, &key.PublicKey)
	if err != nil {
		return err
	}
	d, err := newDevice(i, key, cert)
	if err != nil {
		return err
	}
	if err := o.enroll(d); err != nil {
		return err
	}
	if err := o.identity.Verify(ctx, tenant, cert); err != nil { // as the server's own has
		return err
	}
	o.channels[d.udid], err = o.store.Identity().Enrollment(ctx, tenant, mdm.AppleNatural(d.udid))
	o.devices = append(o.devices, d)
	return err
}

func newQueue(store storage.Store) (*queue.Queue, error) {
	box, err := mdm.NewBox(keyring, rand.Reader)
	if err != nil {
		return nil, err
	}
	return queue.New(queue.Config{Store: store.Queue(), Box: box, Clock: mdm.SystemClock{}, Rand: rand.Reader})
}

// information is the command of the benchmarks for one channel.
func information(e mdm.Enrollment) queue.Command {
	return queue.Command{
		Enrollment: e.Key, Generation: e.Generation, Owner: mdm.OwnerApplication,
		Kind: mdm.KindDeviceInformation, Content: content,
	}
}

var content = []byte(strings.Join(queries, "\n"))

func (o *ours) queueEach(ctx context.Context, ds []*device, ids []string) error {
	cs := make([]queue.Command, len(ds))
	for i, d := range ds {
		cs[i] = information(o.channels[d.udid])
		cs[i].ID = mdm.CommandID(ids[i])
	}
	return enqueue(ctx, o.store, o.queue, cs)
}

// enqueue queues commands in one unit of work.
func enqueue(ctx context.Context, s storage.Store, q *queue.Queue, cs []queue.Command) error {
	return s.InTx(ctx, tenant, func(ctx context.Context, tx mdm.Tx) error {
		_, err := q.Enqueue(ctx, tx, cs)
		return err
	})
}

// openSQLite opens a new database as an application would that can lose the
// last moments of a machine that stops, and nothing else.
func openSQLite(ctx context.Context, file string) (*sqlstore.Store, func() error, error) {
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)&_pragma=synchronous(NORMAL)")
	if err != nil {
		return nil, nil, err
	}
	if err := sqlstore.Migrate(ctx, db, sqlstore.SQLite); err != nil {
		return nil, nil, err
	}
	s, err := sqlstore.Open(ctx, db, sqlstore.SQLite, nil)
	if err != nil {
		return nil, nil, err
	}
	return s, func() error {
		if err := s.Close(); err != nil {
			return err
		}
		return db.Close()
	}, nil
}
