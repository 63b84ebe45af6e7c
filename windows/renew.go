package windows

import (
	"context"
	"crypto/x509"

	"github.com/smallstep/pkcs7"

	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/internal/ber"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/windows/mde"
)

// renew gives a device the next certificate of the same life ([MS-MDE2] 3.5).
// It is let in by the current one, twice: over TLS, and by its signature around
// the new request. The old certificate stays good until a session is held with
// the new one, so that a lost reply costs nothing.
func (s *Server) renew(ctx context.Context, t mdm.TenantID, peer *x509.Certificate, req *mde.TokenRequest) ([]byte, error) {
	if peer == nil {
		return nil, mdm.Errorf(mdm.CodeUnauthenticated, "certificate", "a renewal is asked for with the device's current certificate")
	}
	if err := s.c.Identity.Verify(ctx, t, peer); err != nil {
		return nil, err
	}
	csr, err := signedRequest(req.PKCS7, peer)
	if err != nil {
		return nil, err
	}
	leaf, err := s.c.Identity.Renew(ctx, t, peer, csr.PublicKey)
	if err != nil {
		return nil, err
	}
	natural, err := s.natural(ctx, t, peer)
	if err != nil {
		return nil, err
	}
	admitted, err := s.c.Identity.Admit(ctx, t, leaf, identity.Claim{
		Natural: natural, Protocol: mdm.WindowsProtocol, Channel: mdm.DeviceChannel,
		Facts: mdm.HostFacts{Platform: mdm.Windows},
	})
	if err != nil {
		return nil, err
	}
	doc, err := s.renewedDoc(req.Context.EnrollmentType(), leaf)
	if err != nil {
		return nil, err
	}
	return doc, s.c.Transactor.InTx(ctx, t, func(ctx context.Context, tx mdm.Tx) error {
		_, err := s.announce(ctx, tx, admitted)
		return err
	})
}

// signedRequest opens the CMS around a renewal: signed once, by the certificate
// that the device presents, and around a request that proves its own key.
func signedRequest(der []byte, peer *x509.Certificate) (*x509.CertificateRequest, error) {
	der, err := ber.Definite(der)
	if err != nil {
		return nil, mdm.WrapError(mdm.CodeMalformed, mde.FieldCSR, "the renewal is not signed data in CMS", err)
	}
	p7, err := pkcs7.Parse(der)
	if err != nil {
		return nil, mdm.WrapError(mdm.CodeMalformed, mde.FieldCSR, "the renewal is not signed data in CMS", err)
	}
	signer := p7.GetOnlySigner()
	if signer == nil || !signer.Equal(peer) {
		return nil, mdm.Errorf(mdm.CodeIdentity, "certificate", "the renewal is not signed with the certificate that the device presents")
	}
	if err := p7.Verify(); err != nil {
		return nil, mdm.WrapError(mdm.CodeIdentity, "certificate", "the signature of the renewal is wrong", err)
	}
	return mde.ParseCSR(p7.Content)
}
