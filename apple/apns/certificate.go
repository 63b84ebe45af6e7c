package apns

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"strings"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// topicPrefix begins every MDM topic (Apple, MDM payload, key Topic).
const topicPrefix = "com.apple.mgmt."

// userID is the attribute UID of a subject (RFC 4519, 2.39), in which a push
// certificate carries its topic.
var userID = asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}

// Topic returns the topic of a push certificate: the UID of its subject. The
// error is an [*mdm.Error] with [mdm.CodeInvalid] and the field
// "certificate.topic" when there is none, or when it is not one of MDM, as in
// a certificate for the notifications of an app.
func Topic(cert *x509.Certificate) (string, error) {
	var topics []string
	for _, name := range cert.Subject.Names {
		if !name.Type.Equal(userID) {
			continue
		}
		if topic, ok := name.Value.(string); ok {
			topics = append(topics, topic)
		}
	}
	switch {
	case len(topics) == 0:
		return "", mdm.Errorf(mdm.CodeInvalid, "certificate.topic",
			"the certificate has no topic: its subject has no UID; upload the MDM push certificate from identity.apple.com")
	case len(topics) > 1:
		return "", mdm.Errorf(mdm.CodeInvalid, "certificate.topic",
			"the certificate has %d topics; an MDM push certificate has one", len(topics))
	case !strings.HasPrefix(topics[0], topicPrefix) || len(topics[0]) == len(topicPrefix) || !headerSafe(topics[0]):
		return "", mdm.Errorf(mdm.CodeInvalid, "certificate.topic",
			"the topic does not begin with %s: this is not an MDM push certificate", topicPrefix)
	}
	return topics[0], nil
}

// headerSafe reports whether s can stand in a header: printable ASCII without
// spaces, at most 255 bytes.
func headerSafe(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return len(s) <= 255
}

// identity is a push certificate that was checked.
type identity struct {
	cert      tls.Certificate
	topic     string
	notBefore time.Time
	notAfter  time.Time
}

// newIdentity checks a push certificate for use at the time now. It does not
// check the chain: what Apple accepts is Apple's to say.
func newIdentity(cert tls.Certificate, now time.Time) (*identity, error) {
	if len(cert.Certificate) == 0 {
		return nil, mdm.Errorf(mdm.CodeInvalid, "certificate", "there is no push certificate")
	}
	// The parsed leaf is not trusted to be that of the bytes.
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		return nil, mdm.WrapError(mdm.CodeMalformed, "certificate", "the push certificate cannot be parsed", err)
	}
	topic, err := Topic(leaf)
	if err != nil {
		return nil, err
	}
	if err := checkKey(leaf, cert.PrivateKey); err != nil {
		return nil, err
	}
	if now.After(leaf.NotAfter) {
		return nil, mdm.Errorf(mdm.CodeInvalid, "certificate.not_after",
			"the push certificate expired on %s; renew it, with the Apple Account that made it, at identity.apple.com",
			leaf.NotAfter.UTC().Format(time.DateOnly))
	}
	if now.Before(leaf.NotBefore) {
		return nil, mdm.Errorf(mdm.CodeInvalid, "certificate.not_before",
			"the push certificate is valid from %s; check the clock", leaf.NotBefore.UTC().Format(time.RFC3339))
	}
	cert.Leaf = leaf
	return &identity{cert: cert, topic: topic, notBefore: leaf.NotBefore, notAfter: leaf.NotAfter}, nil
}

// checkKey reports whether key is the private key of the certificate.
func checkKey(leaf *x509.Certificate, key crypto.PrivateKey) error {
	signer, ok := key.(crypto.Signer)
	if !ok {
		return mdm.Errorf(mdm.CodeInvalid, "certificate.key", "the push certificate comes without its private key")
	}
	public, ok := leaf.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(signer.Public()) {
		return mdm.Errorf(mdm.CodeInvalid, "certificate.key", "the private key is not that of the push certificate")
	}
	return nil
}
