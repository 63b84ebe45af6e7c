package ca

import (
	"crypto/x509"
	"net/url"
	"strconv"
	"strings"

	"github.com/keelson-mdm/keelson/mdm"
)

// The beginnings of the two URIs. They stand in issued certificates and cannot
// be changed.
const (
	scheme     = "keelson"
	mdmPrefix  = "keelson://mdm/v1/"
	leafPrefix = "keelson://leaf/v1/"
)

// Name is the life of an enrollment, as an MDM identity carries it.
type Name struct {
	Tenant     mdm.TenantID
	Enrollment mdm.EnrollmentID // 1 to 64 of a–z, 0–9 and '-'
	Generation mdm.Generation   // at least 1
}

// Validate reports, as a [mdm.CodeInvalid] error, that n cannot stand in a
// certificate.
func (n Name) Validate() error {
	if err := n.Tenant.Validate(); err != nil {
		return err
	}
	if !isLabel(string(n.Enrollment), 64) {
		return mdm.Errorf(mdm.CodeInvalid, "enrollment", "an enrollment id in a certificate has 1 to 64 of a-z, 0-9 and '-'")
	}
	if n.Generation < 1 {
		return mdm.Errorf(mdm.CodeInvalid, "generation", "the generation of an enrollment that has begun is at least 1")
	}
	return nil
}

// path is the canonical form; the alphabets need no escaping.
func (n Name) path() string {
	return string(n.Tenant) + "/" + string(n.Enrollment) + "/" + strconv.FormatInt(int64(n.Generation), 10)
}

// String returns the URI of an MDM identity.
func (n Name) String() string { return mdmPrefix + n.path() }

// ParseName reads the name of an MDM identity. It returns false when the
// certificate carries none, and a [mdm.CodeIdentity] error when it carries one
// that is malformed, more than one, or one beside that of another leaf. It does
// not say who signed the certificate: see [Verifier].
func ParseName(cert *x509.Certificate) (Name, bool, error) {
	uri, err := ownURI(cert)
	if err != nil {
		return Name{}, false, err
	}
	path, ok := strings.CutPrefix(uri, mdmPrefix)
	if !ok {
		return Name{}, false, nil
	}
	n, err := parsePath(path)
	if err != nil {
		return Name{}, false, err
	}
	return n, true, nil
}

// ParseLeaf reads what a leaf of another purpose carries; the name is zero when
// it carries none. It returns false and errors as [ParseName] does.
func ParseLeaf(cert *x509.Certificate) (Purpose, Name, bool, error) {
	uri, err := ownURI(cert)
	if err != nil {
		return "", Name{}, false, err
	}
	path, ok := strings.CutPrefix(uri, leafPrefix)
	if !ok {
		return "", Name{}, false, nil
	}
	purpose, rest, named := strings.Cut(path, "/")
	p := Purpose(purpose)
	if p == MDM || p.Validate() != nil {
		return "", Name{}, false, mdm.Errorf(mdm.CodeIdentity, "certificate", "the certificate names no purpose that we issue for")
	}
	var n Name
	if named {
		if n, err = parsePath(rest); err != nil {
			return "", Name{}, false, err
		}
	}
	return p, n, true, nil
}

// ownURI returns the one URI of our scheme, or "" when there is none.
func ownURI(cert *x509.Certificate) (string, error) {
	if cert == nil {
		return "", nil
	}
	var own *url.URL
	for _, u := range cert.URIs {
		if u == nil || u.Scheme != scheme {
			continue
		}
		if own != nil {
			return "", mdm.Errorf(mdm.CodeIdentity, "certificate", "the certificate carries more than one name")
		}
		own = u
	}
	if own == nil {
		return "", nil
	}
	uri := own.String()
	if !strings.HasPrefix(uri, mdmPrefix) && !strings.HasPrefix(uri, leafPrefix) {
		return "", mdm.Errorf(mdm.CodeIdentity, "certificate", "the certificate carries a name of a form that we do not know")
	}
	return uri, nil
}

func parsePath(path string) (Name, error) {
	tenant, rest, _ := strings.Cut(path, "/")
	enrollment, gen, _ := strings.Cut(rest, "/")
	g, err := strconv.ParseInt(gen, 10, 64)
	n := Name{Tenant: mdm.TenantID(tenant), Enrollment: mdm.EnrollmentID(enrollment), Generation: mdm.Generation(g)}
	// One name has one spelling: "07", "+7" and trailing parts are none.
	if err != nil || n.Validate() != nil || n.path() != path {
		return Name{}, mdm.Errorf(mdm.CodeIdentity, "certificate", "the certificate carries a malformed name")
	}
	return n, nil
}

// isLabel reports whether s has 1 to limit of a–z, 0–9 and '-'.
func isLabel(s string, limit int) bool {
	if len(s) == 0 || len(s) > limit {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}
