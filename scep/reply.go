package scep

import (
	"crypto/x509"
	"fmt"
	"io"

	smallscep "github.com/smallstep/scep"
)

// success returns the CertRep that carries cert, encrypted to the certificate
// that signed the request (RFC 8894, section 3.3.2.1).
func (h *Handler) success(m *pkiMessage, cert *x509.Certificate) ([]byte, error) {
	list, err := smallscep.DegenerateCertificates([]*x509.Certificate{cert})
	if err != nil {
		return nil, fmt.Errorf("encode the certificate: %w", err)
	}
	envelope, err := encrypt(h.rand, list, m.signer)
	if err != nil {
		return nil, err
	}
	return h.certRep(m, envelope, value{oidPKIStatus, string(smallscep.SUCCESS), "printable"})
}

// failure returns the CertRep that refuses m (section 3.3.2.2).
func (h *Handler) failure(m *pkiMessage, info smallscep.FailInfo) ([]byte, error) {
	return h.certRep(m, nil,
		value{oidPKIStatus, string(smallscep.FAILURE), "printable"},
		value{oidFailInfo, string(info), "printable"})
}

func (h *Handler) certRep(m *pkiMessage, content []byte, status ...value) ([]byte, error) {
	nonce := make([]byte, 16)
	if _, err := io.ReadFull(h.rand, nonce); err != nil {
		return nil, fmt.Errorf("make a nonce: %w", err)
	}
	status = append(status,
		value{oidMessageType, string(smallscep.CertRep), "printable"},
		value{oidTransactionID, m.rawID, ""},
		value{oidSenderNonce, nonce, ""})
	if len(m.nonce) > 0 {
		status = append(status, value{oidRecipientNonce, m.nonce, ""})
	}
	attrs, err := values(status...)
	if err != nil {
		return nil, err
	}
	return sign(h.rand, content, h.clock.Now(), h.ra.Certificate, h.ra.Key, attrs...)
}
