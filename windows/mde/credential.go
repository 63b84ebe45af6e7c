package mde

import (
	"encoding/base64"
	"strings"

	"github.com/keelson-mdm/keelson/mdm"
)

// AuthPolicy is how a device is to prove who its user is ([MS-MDE2]
// 3.1.4.1.3.1).
type AuthPolicy string

// The policies.
const (
	AuthOnPremise   AuthPolicy = "OnPremise"   // a user name and a password
	AuthFederated   AuthPolicy = "Federated"   // a token from a web sign-in, an agent or Entra ID
	AuthCertificate AuthPolicy = "Certificate" // a certificate, and a signature over the message
)

// ChooseAuthPolicy returns the first of accepted, the server's order of
// preference, that the device offered. No common one is
// [mdm.CodeUnauthenticated]. Accept only what the later requests can be judged
// by: a device that was told OnPremise will send a password.
func ChooseAuthPolicy(offered, accepted []AuthPolicy) (AuthPolicy, error) {
	for _, a := range accepted {
		for _, o := range offered {
			if strings.EqualFold(string(a), string(o)) {
				return a, nil
			}
		}
	}
	return "", mdm.Errorf(mdm.CodeUnauthenticated, "AuthPolicies", "the device offers none of the ways to sign in that this server accepts")
}

// The value types of a security token in a header, by which a server knows how
// to judge it.
const (
	// TokenUser is the token of a web sign-in, or what an agent passed to
	// RegisterDeviceWithManagement.
	TokenUser = "http://schemas.microsoft.com/5.0.0.0/ConfigurationManager/Enrollment/DeviceEnrollmentUserToken"
	// TokenJWT is an access token of Entra ID, in its compact form.
	TokenJWT = "urn:ietf:params:oauth:token-type:jwt"
	// TokenX509 is a certificate. By itself it proves nothing: this package
	// does not verify the XML signature that comes with it.
	TokenX509 = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0#X509v3"
)

// Credential is what the header of GetPolicies and RequestSecurityToken says
// about the person enrolling. At most one field is set; none when the header
// has no credential, as in a renewal over mutual TLS.
type Credential struct {
	Password *UsernameToken
	Token    *SecurityToken
}

// UsernameToken is a user name and a password. The password is exactly what
// was sent, spaces included; a renewal sends an empty one.
type UsernameToken struct {
	Username string
	Password string
}

// String hides the password.
func (u UsernameToken) String() string { return "UsernameToken(" + u.Username + ")" }

// GoString hides the password.
func (u UsernameToken) GoString() string { return u.String() }

// SecurityToken is an opaque token.
type SecurityToken struct {
	ValueType string // [TokenUser], [TokenJWT], [TokenX509] or another URI
	Data      []byte // decoded from base64
}

// String hides the token.
func (t SecurityToken) String() string { return "SecurityToken(" + t.ValueType + ")" }

// GoString hides the token.
func (t SecurityToken) GoString() string { return t.String() }

// credential reads the security header. A header with two credentials is
// refused, since it would be unclear which one counts.
func (e *envelope) credential() (Credential, error) {
	var c Credential
	sec, err := e.head.one(nsSecurity, "Security")
	if sec == nil || err != nil {
		return c, err
	}
	user, err := sec.one(nsSecurity, "UsernameToken")
	if err != nil {
		return c, err
	}
	bin, err := sec.one(nsSecurity, "BinarySecurityToken")
	if err != nil {
		return c, err
	}
	switch {
	case user != nil && bin != nil:
		return c, mdm.Errorf(mdm.CodeMalformed, "Security", "the security header has two credentials; send one")
	case user != nil:
		u := &UsernameToken{}
		if u.Username, err = user.value(nsSecurity, "Username"); err != nil {
			return c, err
		}
		pw, err := user.one(nsSecurity, "Password")
		if err != nil {
			return c, err
		}
		if pw != nil {
			if t := pw.attr("Type"); t != "" && !strings.HasSuffix(t, "#PasswordText") {
				return c, mdm.Errorf(mdm.CodeUnsupported, "Password", "the password is not sent as text, which is all that is accepted")
			}
			u.Password = pw.text
		}
		c.Password = u
	case bin != nil:
		t, err := readToken("BinarySecurityToken", bin)
		if err != nil {
			return c, err
		}
		c.Token = t
	}
	return c, nil
}

// readToken decodes a wsse:BinarySecurityToken.
func readToken(field string, e *element) (*SecurityToken, error) {
	b, err := decodeBase64(field, e.text)
	if err != nil {
		return nil, err
	}
	return &SecurityToken{ValueType: e.attr("ValueType"), Data: b}, nil
}

// decodeBase64 accepts line breaks, spaces and missing padding, and nothing
// else that is not base64.
func decodeBase64(field, s string) ([]byte, error) {
	s = strings.Map(func(r rune) rune {
		if r == ' ' || r == '\t' || r == '\r' || r == '\n' {
			return -1
		}
		return r
	}, s)
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
	if err != nil {
		return nil, mdm.WrapError(mdm.CodeMalformed, field, field+" is not base64", err)
	}
	if len(b) == 0 {
		return nil, mdm.Errorf(mdm.CodeMalformed, field, "%s is empty", field)
	}
	return b, nil
}
