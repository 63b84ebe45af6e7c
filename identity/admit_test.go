package identity_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/mdm"
)

// unknown is a certificate of the authority that the store has never seen.
func (w *world) unknown() *x509.Certificate {
	w.t.Helper()
	leaf, err := w.ca.Issue(w.ctx, mdm.IssueRequest{
		Tenant: mdm.DefaultTenant, Enrollment: "0190a000-0000-7000-8000-000000000000", Generation: 1,
		PublicKey: &newKey(w.t).PublicKey, CommonName: "unknown",
	})
	require.NoError(w.t, err)
	return leaf
}

// renewal is an issued certificate that goes on with an enrollment.
func (w *world) renewal(udid string) *x509.Certificate {
	w.t.Helper()
	e := w.enrollment(udid)
	_, challenge := w.link(identity.IntentRequest{Kind: identity.KindRenewal, Of: &e})
	return w.issue(challenge)
}

func TestAdmit(t *testing.T) {
	expecting := func(r identity.IntentRequest) func(*world) *x509.Certificate {
		return func(w *world) *x509.Certificate {
			_, challenge := w.link(r)
			return w.issue(challenge)
		}
	}
	serial := identity.IntentRequest{Serials: []string{"other", "s-a"}}
	udid := identity.IntentRequest{HardwareIDs: []string{"other", "a"}}
	nameless := claim("A")
	nameless.Facts = mdm.HostFacts{Platform: mdm.MacOS}

	for name, c := range map[string]struct {
		leaf  func(*world) *x509.Certificate
		claim identity.Claim
		code  mdm.Code // empty lets in
		field string
	}{
		"a new device":          {expecting(identity.IntentRequest{}), claim("A"), "", ""},
		"a migrated device":     {expecting(identity.IntentRequest{Kind: identity.KindMigration}), claim("A"), "", ""},
		"the same device again": {func(w *world) *x509.Certificate { return w.enroll("A") }, claim("A"), "", ""},
		"the same device, long after": {func(w *world) *x509.Certificate {
			leaf := w.enroll("A")
			w.clock.add(30 * 24 * time.Hour)
			return leaf
		}, claim("A"), "", ""},
		"the same device, its link withdrawn": {func(w *world) *x509.Certificate {
			i, challenge := w.link(identity.IntentRequest{})
			leaf := w.issue(challenge)
			require.NoError(w.t, w.authenticate(leaf, claim("A")))
			require.NoError(w.t, w.RevokeIntent(w.ctx, mdm.DefaultTenant, i.ID, mdm.Actor{}))
			return leaf
		}, claim("A"), "", ""},
		"a device that enrolls again": {func(w *world) *x509.Certificate {
			w.enroll("A")
			return expecting(identity.IntentRequest{})(w)
		}, claim("A"), "", ""},
		"its renewal":               {func(w *world) *x509.Certificate { w.enroll("A"); return w.renewal("A") }, claim("A"), "", ""},
		"the expected serial":       {expecting(serial), claim("A"), "", ""},
		"the expected hardware id":  {expecting(udid), claim("A"), "", ""},
		"the expected platform":     {expecting(identity.IntentRequest{Platform: mdm.MacOS}), claim("A"), "", ""},
		"another serial":            {expecting(serial), claim("B"), mdm.CodeIdentity, "serial"},
		"no serial":                 {expecting(serial), nameless, mdm.CodeIdentity, "serial"},
		"another hardware id":       {expecting(udid), claim("B"), mdm.CodeIdentity, "hardware_id"},
		"no hardware id":            {expecting(udid), nameless, mdm.CodeIdentity, "hardware_id"},
		"another platform":          {expecting(identity.IntentRequest{Platform: mdm.IOS}), claim("A"), mdm.CodeIdentity, "platform"},
		"an unknown certificate":    {func(w *world) *x509.Certificate { return w.unknown() }, claim("A"), mdm.CodeIdentity, "certificate"},
		"another device's":          {func(w *world) *x509.Certificate { return w.enroll("B") }, claim("A"), mdm.CodeIdentity, "certificate"},
		"another device's, of two":  {func(w *world) *x509.Certificate { w.enroll("A"); return w.enroll("B") }, claim("A"), mdm.CodeIdentity, "certificate"},
		"a user channel of its own": {func(w *world) *x509.Certificate { return w.enroll("A") }, claim("A:USER"), mdm.CodeIdentity, "certificate"},
		"one that was superseded": {func(w *world) *x509.Certificate {
			leaf := w.enroll("A")
			w.enroll("A")
			return leaf
		}, claim("A"), mdm.CodeIdentity, "certificate"},
		"one whose enrollment ended": {func(w *world) *x509.Certificate {
			leaf := w.enroll("A")
			w.leave("A")
			return leaf
		}, claim("A"), mdm.CodeIdentity, "certificate"},
		"the renewal of another":       {func(w *world) *x509.Certificate { w.enroll("A"); w.enroll("B"); return w.renewal("B") }, claim("A"), mdm.CodeIdentity, "certificate"},
		"a renewal, of nobody":         {func(w *world) *x509.Certificate { w.enroll("B"); return w.renewal("B") }, claim("A"), mdm.CodeIdentity, "certificate"},
		"the renewal of an ended life": {func(w *world) *x509.Certificate { w.enroll("A"); r := w.renewal("A"); w.leave("A"); return r }, claim("A"), mdm.CodeIdentity, "certificate"},
		"the renewal of an old life":   {func(w *world) *x509.Certificate { w.enroll("A"); r := w.renewal("A"); w.enroll("A"); return r }, claim("A"), mdm.CodeIdentity, "certificate"},
		"a link that expired": {func(w *world) *x509.Certificate {
			leaf := expecting(identity.IntentRequest{})(w)
			w.clock.add(7 * 24 * time.Hour)
			return leaf
		}, claim("A"), mdm.CodeChallenge, "intent"},
		"a link that was withdrawn": {func(w *world) *x509.Certificate {
			i, challenge := w.link(identity.IntentRequest{})
			leaf := w.issue(challenge)
			require.NoError(w.t, w.RevokeIntent(w.ctx, mdm.DefaultTenant, i.ID, mdm.Actor{}))
			return leaf
		}, claim("A"), mdm.CodeChallenge, "intent"},
		"a link that another used": {func(w *world) *x509.Certificate {
			_, challenge := w.link(identity.IntentRequest{})
			leaf := w.issue(challenge)
			require.NoError(w.t, w.authenticate(w.issue(challenge), claim("B")))
			return leaf
		}, claim("A"), mdm.CodeChallenge, "intent"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			leaf := c.leaf(w)
			before := w.dump()
			a, err := w.Admit(w.ctx, mdm.DefaultTenant, leaf, c.claim)
			require.Equal(t, before, w.dump(), "it only reads")
			_, e := w.Admit(w.ctx, other, leaf, c.claim)
			require.ErrorIs(t, e, mdm.CodeIdentity, "in another tenant")
			if c.code == "" {
				require.NoError(t, err)
				require.NotNil(t, a)
				return
			}
			require.ErrorIs(t, err, c.code)
			require.Equal(t, c.field, field(t, err))
			require.Nil(t, a)
			answer := mdm.CodeOf(err).Answer()
			require.Equal(t, 400, answer.Device)
			require.False(t, answer.Transient)
		})
	}
}

func TestBind(t *testing.T) {
	w := newWorld(t, nil)
	i, challenge := w.link(identity.IntentRequest{Person: "ada", Team: 7, Quota: 2})
	leaf := w.issue(challenge)
	cl := claim("A")
	a, err := w.Admit(w.ctx, mdm.DefaultTenant, leaf, cl)
	require.NoError(t, err)
	b, err := w.Admit(w.ctx, mdm.DefaultTenant, leaf, claim("B"))
	require.NoError(t, err, "nobody is bound yet")
	bind := func(a *identity.Admitted) (auth mdm.Authenticated, err error) {
		err = w.do(func(ctx context.Context, tx mdm.Tx) error {
			auth, err = w.Bind(ctx, tx, a)
			return err
		})
		return auth, err
	}
	first, err := bind(a)
	require.NoError(t, err)
	c := w.stored(leaf)
	require.Equal(t, mdm.Authenticated{
		Natural: cl.Natural, Protocol: cl.Protocol, Channel: cl.Channel, Facts: cl.Facts, Intent: i.ID, Team: 7,
		Next: mdm.NextLife{ID: c.Enrollment, Generation: c.Generation, Pin: identity.HashOf(leaf), Person: "ada"},
	}, first)
	require.Equal(t, identity.Bound, c.State)
	require.Equal(t, cl.Natural, c.Natural)

	before := w.dump()
	again, err := bind(a)
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.Equal(t, before, w.dump())
	_, err = bind(b)
	require.ErrorIs(t, err, mdm.CodeIdentity, "it was given to A meanwhile")
	require.Equal(t, before, w.dump())

	stored, err := w.store.Identity().Intent(w.ctx, mdm.DefaultTenant, i.ID)
	require.NoError(t, err)
	require.Equal(t, 1, stored.Used)

	require.NoError(t, w.authenticate(leaf, cl))
	w.confirm(leaf, cl)
	renewed := w.renewal("A")
	a, err = w.Admit(w.ctx, mdm.DefaultTenant, renewed, cl)
	require.NoError(t, err)
	auth, err := bind(a)
	require.NoError(t, err)
	require.True(t, auth.Renewal)
	require.Equal(t, c.Enrollment, auth.Next.ID)
	require.Equal(t, c.Generation, auth.Next.Generation)
}

func TestRetire(t *testing.T) {
	w := newWorld(t, nil)
	first := w.enroll("A")
	bystander := w.enroll("B")
	second := w.enroll("A")
	require.Equal(t, identity.Superseded, w.stored(first).State)
	require.Equal(t, identity.Bound, w.stored(second).State)
	w.leave("A")
	require.Equal(t, identity.Superseded, w.stored(second).State)
	require.Equal(t, identity.Bound, w.stored(bystander).State)
}

// admitter is an application's word.
type admitter func(context.Context, mdm.Admission) error

func (a admitter) Admit(ctx context.Context, m mdm.Admission) error { return a(ctx, m) }

func TestAdmitter(t *testing.T) {
	plain := errors.New("the application's database is down")
	for name, c := range map[string]struct {
		admit  admitter
		strict mdm.Code // by default
		loose  mdm.Code // with AdmitOnFailure
		logged bool
	}{
		"lets in":    {func(context.Context, mdm.Admission) error { return nil }, "", "", false},
		"refuses":    {func(context.Context, mdm.Admission) error { return mdm.Errorf(mdm.CodeNotAdmitted, "", "no") }, mdm.CodeNotAdmitted, mdm.CodeNotAdmitted, false},
		"bare code":  {func(context.Context, mdm.Admission) error { return mdm.CodeNotAdmitted }, mdm.CodeNotAdmitted, mdm.CodeNotAdmitted, false},
		"wrapped":    {func(context.Context, mdm.Admission) error { return fmt.Errorf("policy: %w", mdm.CodeNotAdmitted) }, mdm.CodeNotAdmitted, mdm.CodeNotAdmitted, false},
		"fails":      {func(context.Context, mdm.Admission) error { return plain }, mdm.CodeUnavailable, "", true},
		"other code": {func(context.Context, mdm.Admission) error { return mdm.CodeInvalid }, mdm.CodeUnavailable, "", true},
		"times out":  {func(ctx context.Context, _ mdm.Admission) error { <-ctx.Done(); return ctx.Err() }, mdm.CodeUnavailable, "", true},
		"panics":     {func(context.Context, mdm.Admission) error { panic("hunter2") }, mdm.CodeUnavailable, "", true},
		"panics with nothing": {func(context.Context, mdm.Admission) error {
			var m map[string]int
			m["x"] = 1 //lint:ignore SA5000 the panic is wanted
			return nil
		}, mdm.CodeUnavailable, "", true},
	} {
		for onFailure, code := range map[bool]mdm.Code{false: c.strict, true: c.loose} {
			t.Run(fmt.Sprintf("%s/%t", name, onFailure), func(t *testing.T) {
				var log bytes.Buffer
				w := newWorld(t, func(f *identity.Config) {
					f.Admitter, f.AdmitOnFailure, f.AdmitTimeout = c.admit, onFailure, time.Millisecond
					f.Log = slog.New(slog.NewTextHandler(&log, nil))
				})
				_, challenge := w.link(identity.IntentRequest{})
				leaf := w.issue(challenge)
				before := w.dump()
				_, err := w.Admit(w.ctx, mdm.DefaultTenant, leaf, claim("A"))
				_, _, issued := w.IssueTo(w.ctx, mdm.DefaultTenant, "ada", claim("A"), 0, &newKey(t).PublicKey)
				require.Equal(t, c.logged, log.Len() > 0)
				require.NotContains(t, log.String(), "hunter2")
				if code == "" {
					require.NoError(t, err)
					require.NoError(t, issued)
					return
				}
				for _, err := range []error{err, issued} {
					require.Equal(t, code, mdm.CodeOf(err))
					require.Equal(t, code == mdm.CodeUnavailable, mdm.Transient(err))
				}
				require.Equal(t, before, w.dump())
			})
		}
	}
}

func TestAdmitterIsTold(t *testing.T) {
	var told []mdm.Admission
	w := newWorld(t, func(c *identity.Config) {
		c.Admitter = admitter(func(ctx context.Context, a mdm.Admission) error {
			deadline, ok := ctx.Deadline()
			require.True(t, ok)
			require.LessOrEqual(t, time.Until(deadline), 5*time.Second)
			told = append(told, a)
			return nil
		})
	})
	i, challenge := w.link(identity.IntentRequest{Person: "ada"})
	leaf := w.issue(challenge)
	cl := claim("A")
	require.NoError(t, w.authenticate(leaf, cl))
	want := mdm.Admission{
		Tenant: mdm.DefaultTenant, Natural: cl.Natural, Protocol: cl.Protocol, Facts: cl.Facts,
		Intent: i.ID, Person: "ada", Certificate: leaf,
	}
	require.Equal(t, want, told[0])
	w.confirm(leaf, cl)
	j, challenge := w.link(identity.IntentRequest{})
	leaf = w.issue(challenge)
	require.NoError(t, w.authenticate(leaf, cl))
	want.Intent, want.Person, want.Certificate, want.Known = j.ID, "", leaf, w.enrollment("A").HostID
	require.Equal(t, want, told[1], "it takes a known host's place")
	require.NotEmpty(t, want.Known)
}

func TestNew(t *testing.T) {
	w := newWorld(t, nil)
	good := identity.Config{Store: w.store.Identity(), Transactor: w.store, CA: w.ca, Clock: w.clock, Rand: rand.Reader}
	_, err := identity.New(good)
	require.NoError(t, err)
	for name, change := range map[string]func(*identity.Config){
		"Store":        func(c *identity.Config) { c.Store = nil },
		"Transactor":   func(c *identity.Config) { c.Transactor = nil },
		"CA":           func(c *identity.Config) { c.CA = nil },
		"Clock":        func(c *identity.Config) { c.Clock = nil },
		"Rand":         func(c *identity.Config) { c.Rand = nil },
		"AdmitTimeout": func(c *identity.Config) { c.AdmitTimeout = -1 },
	} {
		c := good
		change(&c)
		_, err := identity.New(c)
		require.ErrorIs(t, err, mdm.CodeInvalid, name)
	}
}
