package keelson

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/keelson-mdm/keelson/apple"
	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/lifecycle"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
	"github.com/keelson-mdm/keelson/queue"
	"github.com/keelson-mdm/keelson/scep"
	"github.com/keelson-mdm/keelson/windows"
)

// MDM is device management in an application's own server. It is safe for
// concurrent use. Any number of processes may run one each on the same store.
type MDM struct {
	c         Config
	queue     *queue.Queue
	identity  *identity.Service
	lifecycle *lifecycle.Service
	profiles  *profiles.Engine
	apple     *apple.Server     // nil when no Apple device can enroll
	windows   *windows.Server   // nil when no PC can enroll
	ra        *scep.RA          // nil when there is no SCEP
	authority *x509.Certificate // of which the RA is one; its own when it is the CA
	seen      *seen
	waker     *waker
	retainer  *retainer
}

// New checks the configuration and makes an MDM. It starts nothing: see
// [MDM.Register] and [MDM.Run]. The default tenant is made if it does not
// exist.
func New(c Config) (*MDM, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	box, err := mdm.NewBox(c.Keyring, c.Rand)
	if err != nil {
		return nil, err
	}
	m := &MDM{c: c, seen: newSeen(c), waker: newWaker(c)}
	if m.retainer, err = newRetainer(c); err != nil {
		return nil, err
	}
	if err := m.rooms(box); err != nil {
		return nil, err
	}
	if err := m.protocols(box); err != nil {
		return nil, err
	}
	if err := c.Store.Lifecycle().PutTenant(context.Background(), mdm.DefaultTenant); err != nil {
		return nil, fmt.Errorf("make the default tenant: %w", err)
	}
	return m, nil
}

// rooms makes the engines.
func (m *MDM) rooms(box *mdm.Box) (err error) {
	c := &m.c
	m.queue, err = queue.New(queue.Config{Store: c.Store.Queue(), Box: box, Clock: c.Clock, Rand: c.Rand,
		Evidence: func(mdm.TenantID) { m.profiles.Kick() }})
	if err != nil {
		return err
	}
	m.identity, err = identity.New(identity.Config{
		Store: c.Store.Identity(), Transactor: c.Store, CA: c.CA, Clock: c.Clock, Rand: c.Rand,
		Admitter: c.Admitter, AdmitTimeout: c.AdmitTimeout, AdmitOnFailure: c.AdmitOnFailure,
		Passwords: c.Passwords, Unnamed: c.OutsideCA,
	})
	if err != nil {
		return err
	}
	m.lifecycle, err = lifecycle.New(lifecycle.Config{
		Store: c.Store.Lifecycle(), Transactor: c.Store, Clock: c.Clock, Rand: c.Rand, Hooks: c.Hooks, Log: c.Log,
	})
	if err != nil {
		return err
	}
	m.profiles, err = profiles.New(profiles.Config{
		Store: c.Store.Profiles(), Transactor: c.Store, Queue: m.queue, Box: box, Clock: c.Clock, Rand: c.Rand,
		Formats: map[profiles.Family]profiles.Format{
			profiles.AppleProfile:   appleFormat{},
			profiles.WindowsProfile: windowsFormat{},
		},
		Wake:    m.waker.wake,
		Report:  m.lifecycle.Report,
		Tenants: c.Store.Lifecycle().Tenants,
		Log:     c.Log,
	})
	return err
}

// protocols makes what devices talk to.
func (m *MDM) protocols(box *mdm.Box) (err error) {
	c := &m.c
	m.ra = c.registrar()
	if c.Topic != "" {
		if m.ra == nil {
			return mdm.Errorf(mdm.CodeInvalid, "RA", "Apple devices enroll by SCEP, which needs an RSA key: set RA, or use a CA with an RSA key")
		}
		if m.authority, err = c.authorityOf(m.ra.Certificate); err != nil {
			return err
		}
		fingerprint := sha1.Sum(m.authority.Raw) // what Apple's tools write
		var signer *apple.Signer
		if c.Signer.Certificate != nil {
			signer = &apple.Signer{Certificate: c.Signer.Certificate, Key: c.Signer.Key, Chain: c.Signer.Chain}
		}
		m.apple, err = apple.New(apple.Config{
			Store: c.Store.Apple(), Transactor: c.Store, Queue: m.queue, Identity: m.identity, Sink: sink{m}, Box: box,
			Clock: c.Clock, URLs: c.appleURLs, Topic: c.Topic, Organization: c.Organization, Anchors: c.Anchors,
			CAFingerprint: fingerprint[:], Signer: signer, ClientCertificate: c.ClientCertificate, Seen: m.seen.add, Log: c.Log,
		})
		if err != nil {
			return err
		}
		m.waker.targets = m.apple.Targets
		m.waker.waiting = m.queue.Waiting
	}
	if c.Passwords != nil {
		m.windows, err = windows.New(windows.Config{
			URL: c.URL, Store: c.Store.Windows(), Transactor: c.Store, Queue: m.queue, Identity: m.identity, Sink: sink{m},
			Box: box, CA: c.CA, Clock: c.Clock, Rand: c.Rand, Name: c.Organization,
			Seen: m.seen.add, ClientCertificate: c.ClientCertificate, Log: c.Log,
		})
	}
	return err
}

// registrar is the SCEP authority: the configured one, or the built-in CA's own
// when that is RSA.
func (c *Config) registrar() *scep.RA {
	if c.RA.Certificate != nil {
		return &c.RA
	}
	own, ok := c.CA.(*ca.CA)
	if !ok {
		return nil
	}
	key, ok := own.Signer().(scep.Key)
	if !ok {
		return nil
	}
	return &scep.RA{Certificate: own.Certificate(), Key: key}
}

// authorityOf is the CA of an RA: what a device has the fingerprint of, and beside
// which alone Apple's client takes an RA.
func (c *Config) authorityOf(ra *x509.Certificate) (*x509.Certificate, error) {
	if bytes.Equal(ra.RawIssuer, ra.RawSubject) {
		return ra, nil
	}
	roots, err := c.CA.Roots(context.Background(), mdm.DefaultTenant)
	if err != nil {
		return nil, fmt.Errorf("ask the CA for its roots: %w", err)
	}
	for _, root := range roots {
		if ra.CheckSignatureFrom(root) == nil {
			return root, nil
		}
	}
	return nil, mdm.Errorf(mdm.CodeInvalid, "RA", "none of the CA's roots issued the RA's certificate, which Apple devices want: see identity/ca.CA.IssueRA")
}

// Run does the work that no request does: it plans hosts, delivers events,
// wakes devices, expires commands and prunes what is over, until ctx ends. It returns when all of
// that has stopped; the error is ctx's.
func (m *MDM) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	errs := make([]error, 6)
	for i, job := range []func(context.Context) error{
		m.profiles.Run, m.lifecycle.Run, m.waker.run, m.seen.run, m.expire, m.retainer.run,
	} {
		wg.Go(func() { errs[i] = job(ctx) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil && !errors.Is(err, ctx.Err()) {
			return err
		}
	}
	return ctx.Err()
}

// Register mounts the paths that devices use, and no other.
func (m *MDM) Register(mux *http.ServeMux) {
	if m.apple != nil {
		m.registerApple(mux)
	}
	if m.windows != nil {
		m.registerWindows(mux)
	}
}

// Plan does at once what [MDM.Run] would do within seconds for every tenant:
// it plans the hosts that something changed for, until none is left.
func (m *MDM) Plan(ctx context.Context) error {
	tenants, err := m.c.Store.Lifecycle().Tenants(ctx)
	for _, t := range tenants {
		if _, e := m.profiles.ReconcileAll(ctx, t); e != nil {
			err = errors.Join(err, e)
		}
	}
	return err
}
