package keelson_test

import (
	"context"
	"crypto/x509"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/mdm"
)

// judge refuses everything that is not on its list, and remembers who asked.
type judge struct {
	allow map[mdm.Action]bool
	asked []mdm.Action
	who   []mdm.Actor
}

func (j *judge) Authorize(_ context.Context, who mdm.Actor, _ mdm.TenantID, a mdm.Action, _ string) error {
	j.asked, j.who = append(j.asked, a), append(j.who, who)
	if !j.allow[a] {
		return mdm.Errorf(mdm.CodeForbidden, "", "not you")
	}
	return nil
}

// TestAuthorizerSeesEverythingFirst calls every administrative method with an
// authorizer that refuses: each must ask, and nothing must happen.
func TestAuthorizerSeesEverythingFirst(t *testing.T) {
	j := &judge{}
	w := serve(t, newInmem(), func(c *keelson.Config) { c.Authorizer = j })
	ada := mdm.Actor{Kind: "user", Name: "ada", Reason: "a test"}
	ctx := mdm.WithActor(t.Context(), ada)
	name := "n"
	calls := map[mdm.Action][]func() error{
		"profiles.write": {
			func() error { _, err := w.Profiles().Create(ctx, keelson.ProfileUpload{}); return err },
			func() error { _, err := w.Profiles().Update(ctx, "x", keelson.ProfileChange{Name: &name}); return err },
			func() error { return w.Profiles().Delete(ctx, "x") },
		},
		"profiles.read": {
			func() error { _, err := w.Profiles().Get(ctx, "x"); return err },
			func() error { _, err := w.Profiles().List(ctx, nil); return err },
			func() error { _, err := w.Profiles().Hosts(ctx, "x", "", keelson.Page{}); return err },
		},
		"profiles.content": {func() error { _, err := w.Profiles().Content(ctx, "x"); return err }},
		"hosts.read": {
			func() error { _, err := w.Hosts().List(ctx, keelson.HostFilter{}, keelson.Page{}); return err },
			func() error { _, err := w.Hosts().Get(ctx, "x"); return err },
			func() error { _, err := w.Hosts().Counts(ctx); return err },
			func() error { _, err := w.Hosts().Explain(ctx, "x", "y"); return err },
		},
		"hosts.write": {
			func() error { _, err := w.Hosts().Ensure(ctx, "x", mdm.HostFacts{}, ""); return err },
			func() error { return w.Hosts().SetTeam(ctx, "x", "") },
		},
		"hosts.unenroll": {func() error { return w.Hosts().Unenroll(ctx, "x") }},
		"hosts.delete":   {func() error { return w.Hosts().Delete(ctx, "x") }},
		"commands.write": {
			func() error { _, err := w.Commands().Send(ctx, "x", keelson.CommandRequest{}); return err },
			func() error { _, err := w.Commands().Cancel(ctx, "x"); return err },
		},
		"commands.read": {
			func() error { _, err := w.Commands().Get(ctx, "x"); return err },
			func() error { _, err := w.Commands().List(ctx, "x", "", 0); return err },
		},
		"commands.answer": {func() error { _, err := w.Commands().Answer(ctx, "x"); return err }},
		"teams.write": {
			func() error { _, err := w.Teams().Create(ctx, "x"); return err },
			func() error { return w.Teams().Delete(ctx, "x") },
		},
		"teams.read": {func() error { _, err := w.Teams().List(ctx); return err }},
		"labels.write": {
			func() error { _, err := w.Labels().Create(ctx, "x", keelson.No); return err },
			func() error { return w.Labels().Delete(ctx, "x") },
			func() error { return w.Labels().Set(ctx, "x", "y", keelson.Yes) },
		},
		"labels.read": {func() error { _, err := w.Labels().List(ctx); return err }},
		"enrollments.write": {
			func() error { _, err := w.Enrollments().Link(ctx, keelson.LinkRequest{}); return err },
			func() error { return w.Enrollments().Revoke(ctx, "x") },
		},
		"enrollments.read": {
			func() error { _, err := w.Enrollments().List(ctx, keelson.LinkFilter{}, "", 0); return err },
		},
		"tenants.write": {func() error { return w.CreateTenant(ctx, "acme") }},
	}
	for action, fs := range calls {
		for i, f := range fs {
			j.asked, j.who = nil, nil
			require.ErrorIs(t, f(), mdm.CodeForbidden, "%s %d", action, i)
			require.Equal(t, []mdm.Action{action}, j.asked)
			require.Equal(t, ada, j.who[0])
		}
	}
}

// Who may see profiles and no hosts does not see them on a profile's page.
func TestHostsOfAProfileAreHosts(t *testing.T) {
	j := &judge{allow: map[mdm.Action]bool{"profiles.read": true}}
	w := serve(t, newInmem(), func(c *keelson.Config) { c.Authorizer = j })
	_, err := w.Profiles().Hosts(t.Context(), "x", "", keelson.Page{})
	require.ErrorIs(t, err, mdm.CodeForbidden)
	require.Equal(t, []mdm.Action{"profiles.read", "hosts.read"}, j.asked)
}

// An authorizer's own error is for the log; the caller is told that it may not.
func TestAuthorizersErrorIsNotShown(t *testing.T) {
	w := serve(t, newInmem(), func(c *keelson.Config) { c.Authorizer = broken{} })
	_, err := w.Teams().List(t.Context())
	var e *mdm.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, mdm.CodeForbidden, e.Code)
	require.NotContains(t, e.Message, "ldap")
}

type broken struct{}

func (broken) Authorize(context.Context, mdm.Actor, mdm.TenantID, mdm.Action, string) error {
	return errors.New("ldap: bind failed")
}

func TestNewFailsLoudly(t *testing.T) {
	cert, _ := authority()
	good := func() keelson.Config {
		return keelson.Config{URL: "https://mdm.example.com", Store: newInmem(), CA: testCA(t), Keyring: keyring}
	}
	_, err := keelson.New(good())
	require.NoError(t, err)
	for field, spoil := range map[string]func(*keelson.Config){
		"URL":     func(c *keelson.Config) { c.URL = "http://mdm.example.com" },
		"Store":   func(c *keelson.Config) { c.Store = nil },
		"CA":      func(c *keelson.Config) { c.CA = nil },
		"Keyring": func(c *keelson.Config) { c.Keyring = nil },
		"keyring": func(c *keelson.Config) { c.Keyring = mdm.LocalKeyring{Current: "x", Keys: map[string][]byte{"x": {1}}} },
		"Signer":  func(c *keelson.Config) { c.Signer.Certificate = cert },
		"Topic":   func(c *keelson.Config) { c.Topic = "com.example.app" },
		"RA":      func(c *keelson.Config) { c.CA, c.Topic = outside{c.CA}, topic },
	} {
		c := good()
		spoil(&c)
		_, err := keelson.New(c)
		var e *mdm.Error
		require.ErrorAs(t, err, &e, field)
		require.Equal(t, field, e.Field)
		require.NotEmpty(t, e.Message)
	}
	for _, u := range []string{"", "mdm.example.com", "https://", "https://a/b", "https://a?x", "https://a#b"} {
		c := good()
		c.URL = u
		_, err := keelson.New(c)
		require.ErrorIs(t, err, mdm.CodeInvalid, u)
	}
}

// outside is a CA whose key we do not have.
type outside struct{ mdm.CA }

func (o outside) Roots(ctx context.Context, t mdm.TenantID) ([]*x509.Certificate, error) {
	return o.CA.Roots(ctx, t)
}
