package mdmtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/smallstep/pkcs7"
)

// Renew renews the certificate by itself, as Windows does inside the renewal
// window ([MS-MDE2], ROBO): a RequestSecurityToken over mutual TLS by the
// current certificate, with a new key's request inside a CMS signature by the
// old one. The old certificate stays at hand for [PCQuirks].OldCertificate.
func (d *PCDevice) Renew(ctx context.Context) error {
	done, err := d.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	d.mu.Lock()
	old, state, q := d.id, d.state, d.quirks
	server := d.tree.nodes["./Device/Vendor/MSFT/CertificateStore/My/WSTEP/Renew/ServerURL"].Value
	period := d.tree.nodes["./Device/Vendor/MSFT/CertificateStore/My/WSTEP/Renew/RenewPeriod"].Value
	d.mu.Unlock()
	if old.Cert == nil || state != PCEnrolled && !q.Zombie {
		return ErrPCNotEnrolled
	}
	key, err := d.newKey()
	if err != nil {
		return err
	}
	csr, err := pcCSR(strings.ToUpper(d.opts.DeviceID), d.opts.Rand, key, d.opts.OddCSR)
	if err != nil {
		return err
	}
	signed, err := pkcs7.NewSignedData(csr)
	if err != nil {
		return fmt.Errorf("sign a renewal: %w", err)
	}
	signed.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	if err := signed.AddSigner(old.Cert, old.Key, pkcs7.SignerInfoConfig{}); err != nil {
		return fmt.Errorf("sign a renewal: %w", err)
	}
	cms, err := signed.Finish()
	if err != nil {
		return fmt.Errorf("sign a renewal: %w", err)
	}
	to := old.EnrollURL
	if server != "" {
		to = server
	}
	now := d.now().UTC()
	security := `<u:Timestamp u:Id="_0"><u:Created>` + now.Format(time.RFC3339Nano) + `</u:Created><u:Expires>` +
		now.Add(5*time.Minute).Format(time.RFC3339Nano) + `</u:Expires></u:Timestamp>` +
		`<wsse:UsernameToken u:Id="uuid-2a734df6-b227-4e60-82a8-ed53c574b718-5"><wsse:Username>` + pcEscape(d.user) +
		`</wsse:Username><wsse:Password wsse:Type="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText"></wsse:Password></wsse:UsernameToken>`
	token := `<wsse:BinarySecurityToken ValueType="` + pcNSWsse + `#PKCS7" EncodingType="` + pcNSWsse + `#base64binary">` +
		pcBase64Lines(cms) + `</wsse:BinarySecurityToken>`
	cert := old.tls()
	switch {
	case q.NoCertificate:
		cert = nil
	case q.Certificate != nil:
		cert = q.Certificate
	}
	c := d.client(cert)
	defer c.close()
	op := pcTokenOp("renew")
	doc, err := d.requestToken(ctx, c, op, to, security, "Renew", token)
	if err != nil {
		return err
	}
	var f pcFindings
	p := pcReadProvisioning(doc, true, &f)
	var id *pcIdentity
	if p != nil && p.leaf.der != nil {
		id = p.judgeIdentity(key, &old, d.store(), period, d.now(), &f)
		if p.app["PROVIDER-ID"] != old.Provider {
			f.add(PCRuleProvisioning, "the renewal is of provider %q, the enrollment of %q", p.app["PROVIDER-ID"], old.Provider)
		}
	}
	if err := d.note(op.where, "", 0, f); err != nil {
		return err
	}
	if id == nil {
		return errors.New("the provisioning document gave no identity")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.previous, d.renewNow = old, false
	d.id.Cert, d.id.Chain, d.id.Roots, d.id.Key = id.Cert, id.Chain, id.Roots, id.Key
	return nil
}

// RenewalDue reports whether the certificate's renewal window is open, or the
// server asked for a renewal by RenewNow.
func (d *PCDevice) RenewalDue() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.id.Cert == nil || d.state != PCEnrolled {
		return false
	}
	period := pcIntOr(d.tree.nodes["./Device/Vendor/MSFT/CertificateStore/My/WSTEP/Renew/RenewPeriod"].Value, 42)
	return d.renewNow || d.now().After(d.id.Cert.NotAfter.Add(-time.Duration(period)*24*time.Hour))
}
