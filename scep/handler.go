package scep

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	smallscep "github.com/smallstep/scep"

	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/mdm"
)

// MaxMessage bounds a pkiMessage, in bytes of DER or BER. A request with a
// 4096-bit key and its certificate has about 6 KiB.
const MaxMessage = 64 << 10

// maxQuery bounds the query of a GET: MaxMessage in base64, all of it
// percent-encoded, and some room for the rest.
const maxQuery = 4*MaxMessage + 256

// RA is the registration authority of an endpoint: devices encrypt to it, and
// it signs what they are answered. Both fields are required, the key is RSA.
//
// It may be the issuing authority itself, which is the set-up that every client
// knows. When that is on an elliptic curve, or in a module that only signs, it
// is a certificate of its own, issued by the authority: see ca.CA.IssueRA.
type RA struct {
	Certificate *x509.Certificate
	Key         Key
}

// Options are the optional settings of a [Handler]. A nil *Options means all
// zeros.
type Options struct {
	// Tenant is handed on in every [Request]. Zero means mdm.DefaultTenant.
	Tenant mdm.TenantID
	// Chain is what GetCACert returns beside the RA's certificate: the issuing
	// authority first. Nil means that the RA is the issuing authority.
	Chain []*x509.Certificate
	// Renewal judges the signer of a RenewalReq. Nil means that renewals are
	// refused and not advertised; a device then renews by a PKCSReq with a new
	// challenge.
	Renewal Verifier
	// AcceptLegacy lets in requests in DES, 3DES or SHA-1. They are answered
	// in AES and SHA-256 all the same. Zero refuses them with badAlg.
	AcceptLegacy bool
	// Clock tells the time. Nil means the machine's clock.
	Clock mdm.Clock
	// Rand is the source of content keys and nonces. Nil means crypto/rand. It
	// must be safe for concurrent use.
	Rand io.Reader
	// Log receives one record for each PKIOperation; it holds no challenge.
	// Nil is silent.
	Log *slog.Logger
}

// Handler serves one SCEP URL, whatever its path. The URL that a device is given
// has no query: Apple's clients append "?operation=" to it blindly. It is safe
// for concurrent use and holds no state.
type Handler struct {
	ra      RA
	issuer  Issuer
	tenant  mdm.TenantID
	renewal Verifier
	legacy  bool
	clock   mdm.Clock
	rand    io.Reader
	log     *slog.Logger

	caps       string
	caCert     []byte
	caCertType string
}

// New returns the handler of one SCEP URL. It refuses, as a [mdm.CodeInvalid]
// error, an RA whose key is not RSA, does not belong to its certificate, or may
// not be used to decrypt and sign.
func New(ra RA, issuer Issuer, o *Options) (*Handler, error) {
	if o == nil {
		o = &Options{}
	}
	if err := ra.check(); err != nil {
		return nil, err
	}
	if issuer == nil {
		return nil, mdm.Errorf(mdm.CodeInvalid, "issuer", "a SCEP endpoint needs an issuer")
	}
	if slices.Contains(o.Chain, nil) {
		return nil, mdm.Errorf(mdm.CodeInvalid, "chain", "a certificate in the chain is nil")
	}
	h := &Handler{
		ra: ra, issuer: issuer, tenant: o.Tenant, renewal: o.Renewal, legacy: o.AcceptLegacy,
		clock: o.Clock, rand: o.Rand, log: o.Log,
		caps:   "AES\nPOSTPKIOperation\nSCEPStandard\nSHA-256\n",
		caCert: ra.Certificate.Raw, caCertType: "application/x-x509-ca-cert",
	}
	if h.tenant == "" {
		h.tenant = mdm.DefaultTenant
	}
	if h.clock == nil {
		h.clock = mdm.SystemClock{}
	}
	if h.rand == nil {
		h.rand = rand.Reader
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if h.renewal != nil {
		h.caps = "AES\nPOSTPKIOperation\nRenewal\nSCEPStandard\nSHA-256\n"
	}
	if len(o.Chain) > 0 {
		list, err := smallscep.DegenerateCertificates(append([]*x509.Certificate{ra.Certificate}, o.Chain...))
		if err != nil {
			return nil, fmt.Errorf("encode the certificates of GetCACert: %w", err)
		}
		h.caCert, h.caCertType = list, "application/x-x509-ca-ra-cert"
	}
	return h, nil
}

// check refuses what would only fail on the first device.
func (ra RA) check() error {
	if ra.Certificate == nil || ra.Key == nil {
		return mdm.Errorf(mdm.CodeInvalid, "ra", "a SCEP endpoint needs a certificate and its key")
	}
	pub, ok := ra.Key.Public().(*rsa.PublicKey)
	if !ok {
		return mdm.Errorf(mdm.CodeInvalid, "ra.key", "SCEP clients encrypt to RSA only: give the endpoint an RSA certificate of its own")
	}
	if err := ca.CheckKey(pub); err != nil {
		return mdm.WrapError(mdm.CodeInvalid, "ra.key", "the key of a SCEP endpoint is too weak", err)
	}
	if !sameKey(pub, ra.Certificate.PublicKey) {
		return mdm.Errorf(mdm.CodeInvalid, "ra.key", "the private key does not belong to the certificate")
	}
	// RFC 8894, section 2.1.2; authorities that older servers made lack it, and
	// their clients do not mind.
	const both = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
	if usage := ra.Certificate.KeyUsage; !ra.Certificate.IsCA && usage != 0 && usage&both != both {
		return mdm.Errorf(mdm.CodeInvalid, "ra.certificate", "the key usage of a SCEP endpoint has to allow digital signatures and key encipherment")
	}
	return nil
}

// ServeHTTP answers GetCACaps, GetCACert and PKIOperation by GET, and
// PKIOperation by POST.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		h.refuseMethod(w, "GET, POST")
		return
	}
	if len(r.URL.RawQuery) > maxQuery {
		http.Error(w, "the query is too long", http.StatusRequestEntityTooLarge)
		return
	}
	query := r.URL.Query()
	operation := query.Get("operation")
	switch {
	case operation == "PKIOperation" && r.Method == http.MethodPost:
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxMessage))
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			err = mdm.WrapError(mdm.CodeTooLarge, "message", "a message is limited to "+strconv.Itoa(MaxMessage)+" bytes", err)
		} else if err != nil {
			err = mdm.WrapError(mdm.CodeMalformed, "message", "the body could not be read", err)
		}
		h.pkiOperation(w, r, body, err)
	case operation == "PKIOperation":
		body, err := decodeMessage(query.Get("message"))
		h.pkiOperation(w, r, body, err)
	case operation != "GetCACaps" && operation != "GetCACert":
		http.Error(w, "this operation is not served", http.StatusBadRequest)
	case r.Method != http.MethodGet:
		h.refuseMethod(w, "GET")
	case operation == "GetCACaps":
		h.write(w, "text/plain; charset=utf-8", []byte(h.caps))
	default:
		h.write(w, h.caCertType, h.caCert)
	}
}

func (h *Handler) refuseMethod(w http.ResponseWriter, allowed string) {
	w.Header().Set("Allow", allowed)
	http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
}

func (h *Handler) write(w http.ResponseWriter, contentType string, body []byte) {
	header := w.Header()
	header.Set("Content-Type", contentType)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("Cache-Control", "no-store")
	_, _ = w.Write(body) // on an error the device is gone
}

// decodeMessage decodes the message of a GET. Clients differ: a '+' that was not
// percent-encoded arrives as a space, some use the URL alphabet, and some leave
// out the padding.
func decodeMessage(s string) ([]byte, error) {
	s = strings.NewReplacer(" ", "+", "-", "+", "_", "/").Replace(strings.TrimRight(s, "="))
	body, err := base64.RawStdEncoding.DecodeString(s)
	if err != nil {
		return nil, mdm.WrapError(mdm.CodeMalformed, "message", "the message is not base64", err)
	}
	return body, nil
}

// pkiOperation answers one message; bad is why it could not be read.
func (h *Handler) pkiOperation(w http.ResponseWriter, r *http.Request, body []byte, bad error) {
	reply, err := []byte(nil), bad
	if err == nil {
		reply, err = h.operate(r.Context(), body)
	}
	if err == nil {
		h.write(w, "application/x-pki-message", reply)
		return
	}
	if later(err) {
		// One status for all of them; only 200 and "later" mean something here.
		if e := (*mdm.Error)(nil); errors.As(err, &e) && e.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int((e.RetryAfter+time.Second-1)/time.Second)))
		}
		http.Error(w, "try again later", http.StatusServiceUnavailable)
		return
	}
	h.log.WarnContext(r.Context(), "scep: unreadable message", "tenant", h.tenant, "err", err)
	status := http.StatusBadRequest
	if errors.Is(err, mdm.CodeTooLarge) {
		status = http.StatusRequestEntityTooLarge
	}
	http.Error(w, "not a SCEP message that can be answered", status)
}

// operate returns the CertRep for a message. An error means that there is none:
// the bytes are no message, or the fault is transient.
func (h *Handler) operate(ctx context.Context, body []byte) ([]byte, error) {
	m, err := parse(body)
	if err != nil {
		return nil, err
	}
	log := h.log.With("tenant", h.tenant, "transaction", m.transactionID)
	cert, err := h.process(ctx, m)
	var reply []byte
	if err == nil {
		if reply, err = h.success(m, cert); err == nil {
			log.InfoContext(ctx, "scep: certificate issued", "serial", cert.SerialNumber.Text(16), "not_after", cert.NotAfter)
			return reply, nil
		}
	} else if info, refused := failInfoOf(err); refused {
		log.WarnContext(ctx, "scep: request refused", "fail_info", string(info), "err", err)
		if reply, err = h.failure(m, info); err == nil {
			return reply, nil
		}
	}
	log.ErrorContext(ctx, "scep: fault, the device will ask again", "err", err)
	// Whatever code a reply that failed had, the request itself was fine.
	if !later(err) {
		err = mdm.WrapError(mdm.CodeUnavailable, "", "the reply could not be made", err)
	}
	return nil, err
}
