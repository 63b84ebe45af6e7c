package keelson_test

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/mdmtest"
	"github.com/keelson-mdm/keelson/scep"
)

// moodyCA is a CA that does not always say what its roots are.
type moodyCA struct {
	*ca.CA
	roots func() ([]*x509.Certificate, error)
}

func (c *moodyCA) Roots(context.Context, mdm.TenantID) ([]*x509.Certificate, error) { return c.roots() }

// An authority on an elliptic curve has a registration authority beside it, which
// a device takes by the fingerprint of the authority.
func TestRegistrationAuthority(t *testing.T) {
	root, key, err := ca.NewSelfSigned("Elliptic authority", &ca.RootOptions{Key: ca.P256})
	require.NoError(t, err)
	own, err := ca.New(root, key, nil)
	require.NoError(t, err)
	_, raKey := authority()
	leaf, err := own.IssueRA(t.Context(), &raKey.PublicKey, "SCEP")
	require.NoError(t, err)
	retired, _ := authority()
	both := &moodyCA{CA: own}
	both.roots = func() ([]*x509.Certificate, error) { return []*x509.Certificate{retired, root}, nil }

	w := serve(t, newInmem(), func(c *keelson.Config) {
		c.CA, c.RA = both, scep.RA{Certificate: leaf, Key: raKey}
	})
	mac := w.mac(w.link()).Enroll()
	require.NoError(t, mac.Identity().CheckSignatureFrom(root))
	require.IsType(t, &rsa.PublicKey{}, mac.Identity().PublicKey)

	t.Run("the CA does not answer", func(t *testing.T) {
		both.roots = func() ([]*x509.Certificate, error) { return nil, errors.New("away") }
		var se *mdmtest.StatusError
		require.ErrorAs(t, w.mac(w.link()).Apple.Enroll(t.Context()), &se)
		require.Equal(t, http.StatusServiceUnavailable, se.Status, "better than an RA alone, which is no CA")
	})
	t.Run("of another authority", func(t *testing.T) {
		_, err := keelson.New(keelson.Config{
			URL: w.url, Store: newInmem(), CA: testCA(t), Keyring: keyring, Topic: topic, RA: scep.RA{Certificate: leaf, Key: raKey},
		})
		require.ErrorIs(t, err, mdm.CodeInvalid)
		require.ErrorContains(t, err, "RA")
	})
}

// An identity that lives shortly is renewed late in its life, and not all the
// time: the PC judges that.
func TestShortLivedIdentities(t *testing.T) {
	w := serve(t, newInmem(), func(c *keelson.Config) {
		cert, key := authority()
		short, err := ca.New(cert, key, &ca.Options{Validity: 22 * 24 * time.Hour})
		require.NoError(t, err)
		c.CA = short
	})
	pc := w.pc()
	require.False(t, pc.RenewalDue())
	period, ok := pc.Node("./Device/Vendor/MSFT/CertificateStore/My/WSTEP/Renew/RenewPeriod")
	require.True(t, ok)
	require.Equal(t, "7", period.Value)
	pc.Sync()
	pc.Renew()
	require.False(t, pc.RenewalDue())
	w.mac(w.link()).Enroll()
}
