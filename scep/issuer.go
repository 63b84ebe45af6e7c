package scep

import (
	"context"
	"crypto"
	"crypto/x509"
	"io"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// Issuer decides on requests and signs certificates.
//
// A device repeats a request whose answer it did not get, so Issue has to be
// idempotent per challenge and public key: the same pair gets the same
// certificate. An error that the table of [mdm.Code] answers devices with 429 or
// 503, which is also one without a code, makes the device ask again; any other
// is a refusal:
//
//	mdm.CodeUnsupported                   badAlg
//	mdm.CodeMalformed                     badMessageCheck
//	mdm.CodeIdentity, mdm.CodeNotFound    badCertId
//	every other                           badRequest
//
// Nothing else of an error reaches the device; it does reach the log, so it
// holds no secret. Implementations are safe for concurrent use.
type Issuer interface {
	Issue(ctx context.Context, r Request) (*x509.Certificate, error)
}

// IssuerFunc makes a function an [Issuer].
type IssuerFunc func(ctx context.Context, r Request) (*x509.Certificate, error)

// Issue calls f.
func (f IssuerFunc) Issue(ctx context.Context, r Request) (*x509.Certificate, error) {
	return f(ctx, r)
}

// Request is a request whose signatures hold: the requester has the private key
// of the CSR. What the CSR claims beyond the key is unproven.
type Request struct {
	// Tenant is [Options.Tenant].
	Tenant mdm.TenantID
	// CSR has a key that ca.CheckKey accepts. Its signature was checked.
	CSR *x509.CertificateRequest
	// Challenge is the challengePassword, "" when there is none. Compare it in
	// constant time.
	Challenge string
	// Renewal is the certificate that signed a RenewalReq, after
	// [Options.Renewal] has verified it. Nil for a first request, and then the
	// challenge alone speaks for the requester.
	Renewal *x509.Certificate
	// TransactionID is what the client calls this transaction: printable, at
	// most 256 bytes, not necessarily unique.
	TransactionID string
}

// Verifier judges the certificate that signed a RenewalReq. A nil error lets it
// in; errors are treated as those of an [Issuer]. *ca.Verifier is one.
type Verifier interface {
	Verify(leaf *x509.Certificate, at time.Time) error
}

// Key is the private key of an [RA]: it decrypts requests and signs replies. An
// *rsa.PrivateKey is one. Decrypt has to support PKCS #1 v1.5 with
// SessionKeyLen, as crypto/rsa does. An implementation over the network returns
// a transient mdm error when the key is out of reach; every other error counts
// against the request.
type Key interface {
	crypto.Signer
	Decrypt(rand io.Reader, msg []byte, opts crypto.DecrypterOpts) (plaintext []byte, err error)
}
