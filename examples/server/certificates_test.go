package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheServersCertificateIsKeptAndRenewed(t *testing.T) {
	d, err := openDataDir(filepath.Join(t.TempDir(), "data"))
	require.NoError(t, err)
	now := time.Now()
	first, root, err := d.selfSigned("mdm.example.com", now)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(root)
	for _, name := range []string{"mdm.example.com", "localhost", "127.0.0.1", "::1"} {
		_, err := first.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: name})
		require.NoError(t, err, name)
	}
	require.LessOrEqual(t, first.Leaf.NotAfter.Sub(first.Leaf.NotBefore), 825*24*time.Hour, "Apple's limit")

	again, sameRoot, err := d.selfSigned("mdm.example.com", now)
	require.NoError(t, err)
	require.Equal(t, first.Leaf.Raw, again.Leaf.Raw, "it is kept")
	require.Equal(t, root.Raw, sameRoot.Raw)

	renamed, sameRoot, err := d.selfSigned("devices.example.com", now)
	require.NoError(t, err)
	require.Equal(t, root.Raw, sameRoot.Raw, "devices trust it")
	require.NoError(t, renamed.Leaf.VerifyHostname("devices.example.com"))

	later, sameRoot, err := d.selfSigned("devices.example.com", now.Add(leafLife-leafRenewal+time.Hour))
	require.NoError(t, err)
	require.Equal(t, root.Raw, sameRoot.Raw)
	require.True(t, later.Leaf.NotAfter.After(renamed.Leaf.NotAfter))
}

func TestFilesOfAnotherAuthorityAreReloaded(t *testing.T) {
	d, err := openDataDir(t.TempDir())
	require.NoError(t, err)
	_, _, err = d.selfSigned("mdm.example.com", time.Now())
	require.NoError(t, err)
	o := &options{tlsCert: d.path("server.pem"), tlsKey: d.path("server.pem")}
	id, err := filesIdentity(o, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.Empty(t, id.anchors, "devices trust it already")
	first, err := id.get()
	require.NoError(t, err)
	require.Equal(t, first.Leaf, id.signer.Certificate)

	r := &reloader{cert: o.tlsCert, key: o.tlsKey, log: slog.New(slog.DiscardHandler), now: first, changed: modified(o.tlsCert)}
	kept, err := r.get()
	require.NoError(t, err)
	require.Same(t, first, kept, "nothing has changed")

	require.NoError(t, os.WriteFile(o.tlsCert, []byte("half a fi"), 0o600))
	require.NoError(t, os.Chtimes(o.tlsCert, time.Time{}, time.Now().Add(time.Minute)))
	r.looked = time.Time{}
	kept, err = r.get()
	require.NoError(t, err)
	require.Same(t, first, kept, "what cannot be read does not replace what works")

	root, key, err := d.authority("server-ca.pem", "", nil)
	require.NoError(t, err)
	b, err := issueServer(root, key, []string{"new.example.com"}, time.Now())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(o.tlsCert, b, 0o600))
	require.NoError(t, os.Chtimes(o.tlsCert, time.Time{}, time.Now().Add(2*time.Minute)))
	r.looked = time.Time{}
	fresh, err := r.get()
	require.NoError(t, err)
	require.NoError(t, fresh.Leaf.VerifyHostname("new.example.com"))
}

func TestWhatIsKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	d, err := openDataDir(dir)
	require.NoError(t, err)
	token, err := d.secret("admin-token")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(token), 40)
	again, err := d.secret("admin-token")
	require.NoError(t, err)
	require.Equal(t, token, again)
	ring, err := d.keyring()
	require.NoError(t, err)
	key, err := ring.Key(ring.Active())
	require.NoError(t, err)
	require.Len(t, key, 32)
	checkModes(t, dir)

	require.NoError(t, d.write("admin-token", []byte("short")))
	_, err = d.secret("admin-token")
	require.ErrorContains(t, err, "shorter")
	require.NoError(t, d.write("storage.key", []byte("not a key")))
	_, err = d.keyring()
	require.ErrorContains(t, err, "backup")
	require.NotContains(t, err.Error(), "not a key")
	require.NoError(t, d.write("device-ca.pem", []byte("not PEM")))
	_, _, err = d.authority("device-ca.pem", "any", nil)
	require.ErrorContains(t, err, "device-ca.pem")
}

// TestKeysOfADatabase: a database goes with its keys, and is not opened with others
// that were made for it silently.
func TestKeysOfADatabase(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	start := func() (int, string) {
		ctx, stop := context.WithCancel(t.Context())
		stop() // if it starts, it stops at once
		var out bytes.Buffer
		code := run(ctx, []string{"-data", data, "-listen", "127.0.0.1:0"}, environment(nil), &out, &out)
		return code, out.String()
	}
	d, err := openDataDir(data)
	require.NoError(t, err)
	// Killed before there was a database, it goes on with the keys that it made.
	_, err = loadKeys(&options{}, d)
	require.NoError(t, err)
	holds := func(spec string) bool {
		b, err := holdsData(spec, d)
		require.NoError(t, err)
		return b
	}
	require.False(t, holds(""))
	db, err := openDatabase(t.Context(), "", d)
	require.NoError(t, err)
	require.NoError(t, db.close())
	require.True(t, holds(""))
	require.True(t, holds("sqlite:"+d.path("keelson.db")))
	require.False(t, holds("sqlite:"+d.path("other.db")))
	require.False(t, holds("memory:"))
	_, err = loadKeys(&options{}, d)
	require.NoError(t, err)

	for _, name := range []string{deviceCAFile, keyringFile} {
		kept, err := d.read(name)
		require.NoError(t, err)
		require.NoError(t, os.Remove(d.path(name)))
		code, out := start()
		require.Equal(t, 1, code)
		require.Contains(t, out, name+" is gone")
		require.NoFileExists(t, d.path(name), "another one was made")
		require.NoFileExists(t, d.path("url"), "a start that was refused is remembered")
		require.NoError(t, d.write(name, kept))
	}
	_, err = loadKeys(&options{}, d)
	require.NoError(t, err)
}
