package windows

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"math/big"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/windows/mde"
)

// provisioning makes the document that enrolls a device. Sessions are
// authenticated by the certificate alone: the two digest credentials, which a
// document cannot be without, are random and forgotten.
func (s *Server) provisioning(t mdm.TenantID, req *mde.TokenRequest, id mdm.EnrollmentID, leaf *x509.Certificate, roots []*x509.Certificate) ([]byte, error) {
	device, err := mde.NewAppAuth(string(id), s.c.Rand)
	if err != nil {
		return nil, err
	}
	server, err := mde.NewAppAuth("", s.c.Rand)
	if err != nil {
		return nil, err
	}
	user := ""
	if p := req.Credential.Password; p != nil {
		user = plain(p.Username)
	}
	doc, err := mde.NewProvisioningDoc(mde.Provisioning{
		Type: req.Context.EnrollmentType(), Roots: roots, Leaf: leaf, ProviderID: s.c.ProviderID,
		ManagementURL: s.address(t, "manage"), EntDMID: string(id), Device: device, Server: server,
	}, &mde.ProvisioningOptions{
		Renewal: s.renewal(leaf), Name: s.c.Name, UPN: user, DeviceName: plain(req.Context.DeviceName()), Poll: s.c.Poll,
	})
	if err != nil {
		return nil, err
	}
	return doc.Encode()
}

// renewal is when a certificate is renewed: as configured, but in the last third
// of its life. One that is due from its first day would be renewed for ever.
func (s *Server) renewal(leaf *x509.Certificate) mde.Renewal {
	r := s.c.Renewal
	if life := leaf.NotAfter.Sub(s.c.Clock.Now()); life > 0 {
		r.Days = min(r.Days, max(int(life/(3*24*time.Hour)), 1))
		r.RetryDays = min(r.RetryDays, r.Days)
	}
	return r
}

// rehearse makes a document for nobody, so that what is wrong with the
// configuration is found at the start and not at the first enrollment.
func (s *Server) rehearse() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("rehearse an enrollment: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "nobody"},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return fmt.Errorf("rehearse an enrollment: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return fmt.Errorf("rehearse an enrollment: %w", err)
	}
	req := &mde.TokenRequest{Context: mde.AdditionalContext{{Name: "EnrollmentType", Value: string(mde.EnrollmentFull)}}}
	_, err = s.provisioning(mdm.DefaultTenant, req, "nobody", leaf, []*x509.Certificate{leaf})
	return err
}

// renewedDoc is the document that answers a renewal: the new certificate, and
// the account that it is for ([MS-MDE2] 3.5.4.1.1.2).
func (s *Server) renewedDoc(e mde.EnrollmentType, leaf *x509.Certificate) ([]byte, error) {
	store := "User"
	if e == mde.EnrollmentDevice {
		store = "System"
	}
	node := func(typ string, kids ...mde.Characteristic) mde.Characteristic {
		return mde.Characteristic{Type: typ, Characteristics: kids}
	}
	cert := node(mde.Thumbprint(leaf))
	cert.Parms = []mde.Parm{{Name: "EncodedCertificate", Value: base64.StdEncoding.EncodeToString(leaf.Raw)}}
	app := node("APPLICATION")
	app.Parms = []mde.Parm{{Name: "PROVIDER-ID", Value: s.c.ProviderID}}
	doc := mde.ProvisioningDoc{Characteristics: []mde.Characteristic{
		node("CertificateStore", node("My", node(store, cert, node("PrivateKeyContainer")))), app,
	}}
	return doc.Encode()
}
