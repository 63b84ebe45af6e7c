package main

import (
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/mdmtest"
)

func TestPushCertificates(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	fake := mdmtest.NewAPNs(t)
	key, err := x509.MarshalPKCS8PrivateKey(fake.Certificate.PrivateKey)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "push.pem")
	content := append(
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: fake.Certificate.Certificate[0]}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
	require.NoError(t, os.WriteFile(file, content, 0o600))

	p, err := openPush(&options{apnsCert: file, apnsKey: file}, log)
	require.NoError(t, err)
	require.Equal(t, fake.Topic, p.topic, "it stands in the certificate")
	require.NotNil(t, p.port())
	require.NoError(t, p.close())

	_, err = openPush(&options{apnsCert: file, apnsKey: file, topic: "com.apple.mgmt.External.another"}, log)
	require.ErrorContains(t, err, "leave -topic out")
	_, err = openPush(&options{apnsCert: file + "x", apnsKey: file}, log)
	require.ErrorContains(t, err, "-apns-cert")

	p, err = openPush(&options{topic: "com.apple.mgmt.External.some"}, log)
	require.NoError(t, err)
	require.Nil(t, p.port(), "a nil that Keelson sees as one")
	require.NoError(t, p.close())
}

func TestCredentials(t *testing.T) {
	c := credentials{"ada", "lovelace"}
	person, err := c.CheckPassword(t.Context(), mdm.DefaultTenant, "ada", "lovelace")
	require.NoError(t, err)
	require.Equal(t, "ada", person)
	for _, wrong := range [][2]string{{"ada", "Lovelace"}, {"ada", ""}, {"", ""}, {"eve", "lovelace"}} {
		_, err := c.CheckPassword(t.Context(), mdm.DefaultTenant, wrong[0], wrong[1])
		require.ErrorIs(t, err, mdm.CodeUnauthenticated)
	}
}
