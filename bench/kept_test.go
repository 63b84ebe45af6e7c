package bench

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/mdm"
)

// kept checks that NanoMDM has taken the answer. Its store has no way to read
// one: that the command is not handed out any more must do.
func (p *peer) kept(t *testing.T, d *device, _ string, _ []byte) {
	c, err := p.store.RetrieveNextCommand(request(t.Context(), d.udid), false)
	require.NoError(t, err)
	require.Nil(t, c)
}

// kept checks that Keelson has the answer, byte for byte.
func (o *ours) kept(t *testing.T, _ *device, id string, want []byte) {
	c, err := o.queue.Get(t.Context(), tenant, mdm.CommandID(id))
	require.NoError(t, err)
	require.Equal(t, mdm.OutcomeAcknowledged, c.Outcome)
	require.Equal(t, string(want), string(c.Body))
}

// strangerTo makes an identity of the same name and key size by another
// authority.
func strangerTo(t *testing.T, d *device) (*x509.Certificate, *rsa.PrivateKey) {
	t.Helper()
	root, rootKey, err := ca.NewSelfSigned("Another authority", nil)
	require.NoError(t, err)
	foreign, err := ca.New(root, rootKey, nil)
	require.NoError(t, err)
	name, ok, err := ca.ParseName(d.cert)
	require.NoError(t, err)
	require.True(t, ok)
	key, err := keys.Key(context.Background(), 2048)
	require.NoError(t, err)
	leaf, err := foreign.Issue(context.Background(), mdm.IssueRequest{
		Tenant: name.Tenant, Enrollment: name.Enrollment, Generation: name.Generation,
		PublicKey: &key.PublicKey, CommonName: d.cert.Subject.CommonName,
	})
	require.NoError(t, err)
	return leaf, key
}
