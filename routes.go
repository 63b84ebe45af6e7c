package keelson

import (
	"context"
	"crypto/x509"
	"net/http"
	"strings"
	"time"

	"github.com/keelson-mdm/keelson/apple"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/scep"
)

// base is what every URL that a device remembers begins with, behind the host.
// It cannot be changed later.
const base = "/mdm/v1/"

// windowsDiscovery is the one path that Windows fixes itself.
const windowsDiscovery = "/EnrollmentServer/Discovery.svc"

func (c *Config) appleURLs(t mdm.TenantID) apple.URLs {
	at := c.URL + base + string(t)
	return apple.URLs{CheckIn: at + "/apple/checkin", Server: at + "/apple/server", SCEP: at + "/scep"}
}

// byTenant picks the handler of the tenant that the path names.
func byTenant(h func(mdm.TenantID) http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t := mdm.TenantID(r.PathValue("tenant"))
		if err := t.Validate(); err != nil {
			http.Error(w, "no such address", http.StatusBadRequest)
			return
		}
		h(t).ServeHTTP(w, r)
	})
}

// mount puts one route of every tenant into mux, for the methods that devices use
// and no other: a pattern without a method would conflict with an application's
// own "GET /".
func (m *MDM) mount(mux *http.ServeMux, methods, route string, h func(mdm.TenantID) http.Handler) {
	handle(mux, methods, base+"{tenant}/"+route, m.metered(route, byTenant(h)))
}

func handle(mux *http.ServeMux, methods, path string, h http.Handler) {
	for _, method := range strings.Fields(methods) {
		mux.Handle(method+" "+path, h)
	}
}

func (m *MDM) registerApple(mux *http.ServeMux) {
	m.mount(mux, "PUT", "apple/checkin", m.apple.CheckIn)
	m.mount(mux, "PUT", "apple/server", m.apple.Commands)
	m.mount(mux, "GET", "apple/enroll/{link}", func(t mdm.TenantID) http.Handler {
		return m.apple.Enroll(t, func(r *http.Request) string { return r.PathValue("link") })
	})
	m.mount(mux, "GET POST", "scep", m.scep)
}

func (m *MDM) registerWindows(mux *http.ServeMux) {
	handle(mux, "GET POST", windowsDiscovery, m.metered("windows/discovery", m.windows.Discovery(mdm.DefaultTenant)))
	m.mount(mux, "GET POST", "windows/discovery", m.windows.Discovery)
	m.mount(mux, "POST", "windows/policy", m.windows.Policy)
	m.mount(mux, "POST", "windows/enroll", m.windows.Enroll)
	m.mount(mux, "POST", "windows/manage", m.windows.Manage)
}

// scep is the SCEP endpoint of a tenant.
func (m *MDM) scep(t mdm.TenantID) http.Handler {
	chain, err := m.scepChain(t)
	if err == nil {
		var h *scep.Handler
		if h, err = scep.New(*m.ra, scep.IssuerFunc(m.issue), &scep.Options{
			Tenant: t, Chain: chain, Renewal: renewals{m, t}, Clock: m.c.Clock, Rand: m.c.Rand, Log: m.c.Log,
		}); err == nil {
			return h
		}
	}
	m.c.Log.Error("SCEP cannot be served", "tenant", t, "error", err)
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "unavailable", http.StatusServiceUnavailable)
	})
}

// scepChain is what GetCACert returns beside an RA: its CA, then the roots of the
// tenant. Nil when the RA is the CA.
func (m *MDM) scepChain(t mdm.TenantID) ([]*x509.Certificate, error) {
	if m.authority.Equal(m.ra.Certificate) {
		return nil, nil
	}
	roots, err := m.c.CA.Roots(context.Background(), t)
	if err != nil {
		return nil, err
	}
	chain := []*x509.Certificate{m.authority}
	for _, root := range roots {
		if !root.Equal(m.authority) {
			chain = append(chain, root)
		}
	}
	return chain, nil
}

// issue is the seam from SCEP to identity.
func (m *MDM) issue(ctx context.Context, r scep.Request) (*x509.Certificate, error) {
	if r.Renewal != nil {
		return m.identity.Renew(ctx, r.Tenant, r.Renewal, r.CSR.PublicKey)
	}
	return m.identity.Issue(ctx, r.Tenant, r.Challenge, r.CSR.PublicKey)
}

// renewals judges who signs a renewal request.
type renewals struct {
	m *MDM
	t mdm.TenantID
}

func (v renewals) Verify(leaf *x509.Certificate, _ time.Time) error {
	return v.m.identity.Verify(context.Background(), v.t, leaf)
}
