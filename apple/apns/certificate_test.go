package apns_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/apple/apns"
	"github.com/keelson-mdm/keelson/mdm"
)

// subject makes a subject with a UID for each topic.
func subject(topics ...string) pkix.Name {
	name := pkix.Name{CommonName: "APSP:test"}
	for _, topic := range topics {
		name.ExtraNames = append(name.ExtraNames, pkix.AttributeTypeAndValue{
			Type: asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}, Value: topic,
		})
	}
	return name
}

func TestNewChecksTheCertificate(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	otherKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	now := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	const topic = "com.apple.mgmt.External.0e0d1f6c-6f5b-4a60-9f0e-3a0b6a6f5c11"
	certificate := func(name pkix.Name, notBefore, notAfter time.Time) tls.Certificate {
		return issue(t, key, &x509.Certificate{Subject: name, NotBefore: notBefore, NotAfter: notAfter})
	}
	year := 365 * 24 * time.Hour
	good := certificate(subject(topic), now.Add(-time.Hour), now.Add(year))
	for _, c := range []struct {
		name  string
		cert  tls.Certificate
		code  mdm.Code
		field string
	}{
		{"good", good, "", ""},
		{"on its last second", certificate(subject(topic), now.Add(-year), now), "", ""},
		{"nothing", tls.Certificate{}, mdm.CodeInvalid, "certificate"},
		{"not a certificate", tls.Certificate{Certificate: [][]byte{{0x30, 0x03, 1, 2, 3}}, PrivateKey: key, Leaf: good.Leaf}, mdm.CodeMalformed, "certificate"},
		{"expired", certificate(subject(topic), now.Add(-year), now.Add(-time.Second)), mdm.CodeInvalid, "certificate.not_after"},
		{"not yet valid", certificate(subject(topic), now.Add(time.Second), now.Add(year)), mdm.CodeInvalid, "certificate.not_before"},
		{"no topic", certificate(subject(), now, now.Add(year)), mdm.CodeInvalid, "certificate.topic"},
		{"two topics", certificate(subject(topic, topic+"2"), now, now.Add(year)), mdm.CodeInvalid, "certificate.topic"},
		{"of an app", certificate(subject("com.example.app"), now, now.Add(year)), mdm.CodeInvalid, "certificate.topic"},
		{"a prefix only", certificate(subject("com.apple.mgmt."), now, now.Add(year)), mdm.CodeInvalid, "certificate.topic"},
		{"a topic that is no header", certificate(subject("com.apple.mgmt.x\r\nEvil: 1"), now, now.Add(year)), mdm.CodeInvalid, "certificate.topic"},
		{"a topic too long", certificate(subject("com.apple.mgmt."+strings.Repeat("x", 250)), now, now.Add(year)), mdm.CodeInvalid, "certificate.topic"},
		{"no key", tls.Certificate{Certificate: good.Certificate}, mdm.CodeInvalid, "certificate.key"},
		{"another's key", tls.Certificate{Certificate: good.Certificate, PrivateKey: otherKey}, mdm.CodeInvalid, "certificate.key"},
		{"a leaf that is not the certificate", tls.Certificate{Certificate: certificate(subject(), now, now.Add(year)).Certificate, PrivateKey: key, Leaf: good.Leaf}, mdm.CodeInvalid, "certificate.topic"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := apns.New(c.cert, &apns.Options{Clock: &clock{now: now}})
			if c.code == "" {
				require.NoError(t, err)
				require.Equal(t, topic, p.Topic())
				require.True(t, p.NotAfter().After(now) || p.NotAfter().Equal(now))
				require.NoError(t, p.Close())
				return
			}
			require.Nil(t, p)
			requireError(t, err, c.code, c.field)
		})
	}
}

// requireError fails unless err is an [mdm.Error] of code about field.
func requireError(t testing.TB, err error, code mdm.Code, field string) {
	t.Helper()
	var typed *mdm.Error
	require.ErrorAs(t, err, &typed)
	require.Equal(t, code, typed.Code, err)
	require.Equal(t, field, typed.Field, err)
	require.NotEmpty(t, typed.Message)
}

func TestNewChecksTheOptions(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	cert := issue(t, key, &x509.Certificate{Subject: subject("com.apple.mgmt.External.x")})
	for _, c := range []struct {
		field   string
		options apns.Options
	}{
		{"host", apns.Options{Host: "api.push.apple.com"}},
		{"host", apns.Options{Host: "http://api.push.apple.com"}},
		{"host", apns.Options{Host: "https://"}},
		{"host", apns.Options{Host: "https://api.push.apple.com/3/device"}},
		{"host", apns.Options{Host: "https://me@api.push.apple.com"}},
		{"host", apns.Options{Host: "https://api.push.apple.com?x=1"}},
		{"workers", apns.Options{Workers: -1}},
		{"workers", apns.Options{Workers: 4001}},
		{"max_conns", apns.Options{MaxConns: 5}},
		{"max_conns", apns.Options{MaxConns: -1}},
		{"attempts", apns.Options{Attempts: 11}},
		{"timeout", apns.Options{Timeout: -1}},
		{"priority", apns.Options{Priority: 7}},
	} {
		_, err := apns.New(cert, &c.options)
		requireError(t, err, mdm.CodeInvalid, c.field)
	}
	for _, host := range []string{"", apns.ProductionHost, apns.AlternatePortHost, "https://[::1]:8443/"} {
		p, err := apns.New(cert, &apns.Options{Host: host})
		require.NoError(t, err, host)
		require.NoError(t, p.Close())
	}
	p, err := apns.New(cert, nil)
	require.NoError(t, err)
	require.NoError(t, p.Close())
}
