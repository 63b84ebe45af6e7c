package mde

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"io"
	"strings"

	"github.com/keelson-mdm/keelson/mdm"
)

// AppAuth is a credential of OMA-DM authentication by digest. It is as secret
// as a password.
type AppAuth struct {
	Name   string // sent with the digest; of a [Provisioning.Server] not used
	Secret string
	Nonce  [16]byte // goes into the first digest, as these bytes
}

// String hides the secret.
func (a AppAuth) String() string { return "AppAuth(" + a.Name + ")" }

// GoString hides the secret.
func (a AppAuth) GoString() string { return a.String() }

// NewAppAuth makes a secret of 192 bits and a nonce. A nil random is
// [crypto/rand.Reader]; its errors are [mdm.CodeInternal].
func NewAppAuth(name string, random io.Reader) (AppAuth, error) {
	if random == nil {
		random = rand.Reader
	}
	var b [24 + 16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return AppAuth{}, mdm.WrapError(mdm.CodeInternal, "", "no random bytes could be had", err)
	}
	a := AppAuth{Name: name, Secret: base64.RawURLEncoding.EncodeToString(b[:24])}
	copy(a.Nonce[:], b[24:])
	return a, nil
}

// application is the OMA-DM account (the w7 APPLICATION provider). ROLE is left
// out: the enrollment client sets it.
func (p Provisioning) application(o *ProvisioningOptions) (Characteristic, error) {
	name := o.Name
	if name == "" {
		name = p.ProviderID
	}
	if err := checkText("Name", name); err != nil {
		return Characteristic{}, err
	}
	subject := o.Subject
	if subject == "" {
		var err error
		if subject, err = commonName(p.Leaf); err != nil {
			return Characteristic{}, err
		}
	}
	if err := checkText("Subject", subject); err != nil {
		return Characteristic{}, err
	}
	return Characteristic{
		Type: "APPLICATION",
		Parms: []Parm{
			{Name: "APPID", Value: "w7"},
			{Name: "PROVIDER-ID", Value: p.ProviderID},
			{Name: "NAME", Value: name},
			{Name: "ADDR", Value: p.ManagementURL},
			{Name: "CONNRETRYFREQ", Value: "6"},
			{Name: "INITIALBACKOFFTIME", Value: "30000"},
			{Name: "MAXBACKOFFTIME", Value: "120000"},
			{Name: "BACKCOMPATRETRYDISABLED", Flag: true},
			{Name: "DEFAULTENCODING", Value: "application/vnd.syncml.dm+xml"},
			{Name: "SSLCLIENTCERTSEARCHCRITERIA", Value: "Subject=" + escapeURI(subject) + "&Stores=" + escapeURI(`My\`+p.store())},
		},
		Characteristics: []Characteristic{
			p.Server.characteristic("CLIENT", ""),
			p.Device.characteristic("APPSRV", p.Device.Name),
		},
	}, nil
}

func (a AppAuth) characteristic(level, name string) Characteristic {
	c := Characteristic{Type: "APPAUTH", Parms: []Parm{
		{Name: "AAUTHLEVEL", Value: level},
		{Name: "AAUTHTYPE", Value: "DIGEST"},
	}}
	if name != "" {
		c.Parms = append(c.Parms, Parm{Name: "AAUTHNAME", Value: name})
	}
	c.Parms = append(c.Parms,
		Parm{Name: "AAUTHSECRET", Value: a.Secret},
		Parm{Name: "AAUTHDATA", Value: base64.StdEncoding.EncodeToString(a.Nonce[:])})
	return c
}

// commonName is the leaf's subject as a search criterion. A longer name is
// refused rather than guessed at: Microsoft's own examples disagree on the
// order of its parts.
func commonName(leaf *x509.Certificate) (string, error) {
	names := leaf.Subject.Names
	if len(names) != 1 || leaf.Subject.CommonName == "" || strings.ContainsAny(leaf.Subject.CommonName, `,+"\<>;=#`) {
		return "", mdm.Errorf(mdm.CodeInvalid, "Leaf", "the subject of the device's certificate is not one plain common name; say in Subject what the device is to look for")
	}
	return "CN=" + leaf.Subject.CommonName, nil
}

// escapeURI escapes all but the unreserved characters of RFC 2396 2.3, as the
// w7 APPLICATION page asks.
func escapeURI(s string) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-_.!~*'()", c) >= 0:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		}
	}
	return b.String()
}
