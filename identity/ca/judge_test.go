package ca_test

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/keelson-mdm/keelson/identity/ca"
)

// TestJudgeSpan: a verdict stands in all of its span: at both ends, and at every
// time between them, the same leaf passes again, whatever the authorities'
// validities.
func TestJudgeSpan(t *testing.T) {
	key := ecKey(t, curve)
	u, err := url.Parse(device.String())
	require.NoError(t, err)
	year := func(n int) time.Time { return time.Date(2000+n, 1, 1, 0, 0, 0, 0, time.UTC) }
	rapid.Check(t, func(r *rapid.T) {
		serial := int64(0)
		made := func(what string, parent *x509.Certificate, change func(*x509.Certificate)) *x509.Certificate {
			serial++
			from := rapid.IntRange(0, 20).Draw(r, what+" from")
			tmpl := &x509.Certificate{
				SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "authority"}, BasicConstraintsValid: true,
				NotBefore: year(from), NotAfter: year(from + rapid.IntRange(1, 20).Draw(r, what+" years")),
			}
			change(tmpl)
			if parent == nil {
				parent = tmpl
			}
			der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, key)
			require.NoError(r, err)
			cert, err := x509.ParseCertificate(der)
			require.NoError(r, err)
			return cert
		}
		// The same authority several times, as after renewals.
		var roots []*x509.Certificate
		for range rapid.IntRange(1, 3).Draw(r, "roots") {
			roots = append(roots, made("root", nil, func(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign }))
		}
		leaf := made("leaf", roots[0], func(c *x509.Certificate) {
			c.Subject.CommonName = "device"
			c.URIs = []*url.URL{u}
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		})
		v, err := ca.NewVerifier(roots, nil)
		require.NoError(r, err)
		at := year(rapid.IntRange(0, 40).Draw(r, "at"))
		span, err := v.Judge(leaf, at)
		require.Equal(r, v.Verify(leaf, at), err)
		if err != nil {
			require.Zero(r, span)
			require.False(r, span.Contains(at))
			return
		}
		require.True(r, span.Contains(at))
		months := int(span.To.Sub(span.From) / (30 * 24 * time.Hour))
		between := span.From.Add(time.Duration(rapid.IntRange(0, months).Draw(r, "months")) * 30 * 24 * time.Hour)
		for _, when := range []time.Time{span.From, between, span.To} {
			require.True(r, span.Contains(when))
			require.NoError(r, v.Verify(leaf, when))
		}
		require.False(r, span.Contains(span.From.Add(-1)))
		require.False(r, span.Contains(span.To.Add(1)))
	})
}
