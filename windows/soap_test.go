package windows_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smallstep/pkcs7"
	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/windows"
	"github.com/keelson-mdm/keelson/windows/mde"
)

const (
	nsEnv   = "http://www.w3.org/2003/05/soap-envelope"
	nsAddr  = "http://www.w3.org/2005/08/addressing"
	nsSec   = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
	nsTrust = "http://docs.oasis-open.org/ws-sx/ws-trust/200512"
	nsMgmt  = "http://schemas.microsoft.com/windows/management/2012/01/enrollment"
	nsPol   = "http://schemas.microsoft.com/windows/pki/2009/01/enrollmentpolicy"
	nsEnr   = "http://schemas.microsoft.com/windows/pki/2009/01/enrollment"
	nsCtx   = "http://schemas.xmlsoap.org/ws/2006/12/authorization"
)

func envelope(security, body string) string {
	return `<s:Envelope xmlns:s="` + nsEnv + `" xmlns:a="` + nsAddr + `" xmlns:w="` + nsSec + `"><s:Header>` +
		`<a:MessageID>urn:uuid:748132ec-a575-4329-b01b-6171a9cf8478</a:MessageID>` + security + `</s:Header><s:Body>` + body + `</s:Body></s:Envelope>`
}

func signIn(user, password string) string {
	return `<w:Security><w:UsernameToken><w:Username>` + user + `</w:Username><w:Password>` + password + `</w:Password></w:UsernameToken></w:Security>`
}

var goodSignIn = signIn("ada@example.com", "correct horse")

func discover(version string, policies ...string) string {
	return envelope("", `<Discover xmlns="`+nsMgmt+`"><request><EmailAddress>ada@example.com</EmailAddress><RequestVersion>`+version+
		`</RequestVersion><AuthPolicies><AuthPolicy>`+strings.Join(policies, `</AuthPolicy><AuthPolicy>`)+`</AuthPolicy></AuthPolicies></request></Discover>`)
}

func getPolicies(security string) string {
	return envelope(security, `<GetPolicies xmlns="`+nsPol+`"/>`)
}

func token(security, kind, valueType string, der []byte, items map[string]string) string {
	var b strings.Builder
	for name, v := range items {
		b.WriteString(`<c:ContextItem Name="` + name + `"><c:Value>` + v + `</c:Value></c:ContextItem>`)
	}
	return envelope(security, `<t:RequestSecurityToken xmlns:t="`+nsTrust+`" xmlns:c="`+nsCtx+`"><t:RequestType>`+nsTrust+`/`+kind+`</t:RequestType>`+
		`<w:BinarySecurityToken ValueType="`+valueType+`">`+base64.StdEncoding.EncodeToString(der)+`</w:BinarySecurityToken>`+
		`<c:AdditionalContext>`+b.String()+`</c:AdditionalContext></t:RequestSecurityToken>`)
}

func items(deviceID string) map[string]string {
	return map[string]string{
		"DeviceID": deviceID, "EnrollmentType": "Full", "HWDevID": strings.Repeat("3B", 32), "DeviceName": "DESKTOP-1",
		"OSVersion": "10.0.26200.1", "SerialNumber": "SN-1", "DeviceModel": "Book 5",
	}
}

// csr makes a request as newer builds do, with the DeviceID inside.
func csr(t testing.TB, key crypto.Signer, deviceID string) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "whatever"},
		ExtraExtensions: []pkix.Extension{{
			Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 66, 1, 0}, Value: []byte(deviceID + "\x00"),
		}},
	}, key)
	require.NoError(t, err)
	return der
}

// ask posts to a handler, as the holder of leaf.
func ask(h http.Handler, leaf *x509.Certificate, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", mde.ContentType)
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r.WithContext(context.WithValue(r.Context(), peerKey{}, leaf)))
	return rec
}

func TestDiscovery(t *testing.T) {
	w := newWorld(t, nil)
	h := w.server.Discovery(mdm.DefaultTenant)
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/EnrollmentServer/Discovery.svc", nil))
	require.Equal(t, 200, rec.Code)
	require.Empty(t, rec.Body.Bytes())

	rec = ask(h, nil, discover("6.0", "Federated", "OnPremise"))
	require.Equal(t, 200, rec.Code)
	require.Equal(t, strconv.Itoa(rec.Body.Len()), rec.Header().Get("Content-Length"))
	for _, want := range []string{
		"<AuthPolicy>OnPremise</AuthPolicy>", "<EnrollmentVersion>4.0</EnrollmentVersion>",
		"<EnrollmentPolicyServiceUrl>https://mdm.example.com/mdm/v1/default/windows/policy</EnrollmentPolicyServiceUrl>",
		"<EnrollmentServiceUrl>https://mdm.example.com/mdm/v1/default/windows/enroll</EnrollmentServiceUrl>",
		"<a:RelatesTo>urn:uuid:748132ec-a575-4329-b01b-6171a9cf8478</a:RelatesTo>",
	} {
		require.Contains(t, rec.Body.String(), want)
	}
	rec = httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(http.MethodDelete, "/", nil))
	require.Equal(t, 405, rec.Code)
	rec = ask(h, nil, strings.Repeat(" ", mde.MaxRequestBytes+1))
	require.Equal(t, 413, rec.Code)
	require.Empty(t, rec.Body.Bytes())
}

// failing is an identity some of whose methods fail.
type failing struct {
	windows.Identity
	issue error
}

func (f failing) IssueTo(ctx context.Context, t mdm.TenantID, person string, cl identity.Claim, team mdm.TeamKey, key any) (*x509.Certificate, *identity.Admitted, error) {
	if f.issue != nil {
		return nil, nil, f.issue
	}
	return f.Identity.IssueTo(ctx, t, person, cl, team, key)
}

func TestFaults(t *testing.T) {
	good := csr(t, newKey(t), "AB01")
	broken := bytes.Clone(good)
	broken[len(broken)-3] ^= 1
	issue := func(security string, der []byte, change func(map[string]string)) string {
		i := items("AB01")
		if change != nil {
			change(i)
		}
		return token(security, "Issue", nsEnr+"#PKCS10", der, i)
	}
	for _, tt := range []struct {
		name    string
		route   string
		body    string
		issue   error
		subcode string
		detail  string // ErrorType
	}{
		{"no way to sign in", "discovery", discover("4.0", "Federated", "Certificate"), nil, "s:Authentication", ""},
		{"an old Windows", "discovery", discover("1.0", "OnPremise"), nil, "s:MessageFormat", "DeviceNotSupported"},
		{"no SOAP", "discovery", "hello", nil, "s:MessageFormat", ""},
		{"the wrong URL", "discovery", getPolicies(goodSignIn), nil, "s:MessageFormat", "DeviceNotSupported"},
		{"policy without a credential", "policy", getPolicies(""), nil, "s:Authentication", ""},
		{"policy with a wrong password", "policy", getPolicies(signIn("ada@example.com", "wrong")), nil, "s:Authentication", ""},
		{"policy with a token", "policy", getPolicies(`<w:Security><w:BinarySecurityToken ValueType="x">eA==</w:BinarySecurityToken></w:Security>`), nil, "s:Authentication", ""},
		{"a directory that is down", "policy", getPolicies(signIn("broken@example.com", "x")), nil, "s:EnrollmentServer", "InMaintenance"},
		{"enrollment without a credential", "enroll", issue("", good, nil), nil, "s:Authentication", ""},
		{"enrollment with a wrong password", "enroll", issue(signIn("ada@example.com", "battery"), good, nil), nil, "s:Authentication", ""},
		{"enrollment with an empty password", "enroll", issue(signIn("ada@example.com", ""), good, nil), nil, "s:Authentication", ""},
		{"no certificate request", "enroll", issue(goodSignIn, []byte("x"), nil), nil, "s:CertificateRequest", ""},
		{"a certificate request with a wrong signature", "enroll", issue(goodSignIn, broken, nil), nil, "s:CertificateRequest", ""},
		{"a certificate request of another device", "enroll", issue(goodSignIn, good, func(i map[string]string) { i["DeviceID"] = "CD02" }), nil, "s:CertificateRequest", ""},
		{"no DeviceID", "enroll", issue(goodSignIn, good, func(i map[string]string) { delete(i, "DeviceID") }), nil, "s:MessageFormat", ""},
		{"refused by the application", "enroll", issue(goodSignIn, good, nil), mdm.Errorf(mdm.CodeNotAdmitted, "", "not this one"), "s:Authorization", "CustomServerError"},
		{"a store that is away", "enroll", issue(goodSignIn, good, nil), mdm.Errorf(mdm.CodeUnavailable, "", "later"), "s:EnrollmentServer", "InMaintenance"},
		{"a renewal without a certificate", "enroll", token("", "Renew", nsEnr+"#PKCS7", good, nil), nil, "s:Authentication", ""},
	} {
		for _, status := range []int{500, 200} {
			t.Run(tt.name+" "+strconv.Itoa(status), func(t *testing.T) {
				w := newWorld(t, func(c *windows.Config) {
					c.FaultStatus = status
					c.Identity = failing{c.Identity, tt.issue}
				})
				h := map[string]http.Handler{
					"discovery": w.server.Discovery(mdm.DefaultTenant), "policy": w.server.Policy(mdm.DefaultTenant), "enroll": w.server.Enroll(mdm.DefaultTenant),
				}[tt.route]
				rec := ask(h, nil, tt.body)
				require.Equal(t, status, rec.Code)
				require.Equal(t, mde.ContentType, rec.Header().Get("Content-Type"))
				require.Equal(t, strconv.Itoa(rec.Body.Len()), rec.Header().Get("Content-Length"))
				require.Contains(t, rec.Body.String(), `<s:Subcode><s:Value>`+tt.subcode+`</s:Value>`)
				if tt.detail == "" {
					require.NotContains(t, rec.Body.String(), "ErrorType")
				} else {
					require.Contains(t, rec.Body.String(), `<ErrorType>`+tt.detail+`</ErrorType>`)
				}
				require.NotContains(t, rec.Body.String(), "directory is down")
				require.Empty(t, w.sink.signals)
			})
		}
	}
}

func TestPolicy(t *testing.T) {
	w := newWorld(t, nil)
	rec := ask(w.server.Policy(mdm.DefaultTenant), nil, getPolicies(goodSignIn))
	require.Equal(t, 200, rec.Code)
	require.Contains(t, rec.Body.String(), "<minimalKeyLength>2048</minimalKeyLength>")
}

// document returns the provisioning document of a reply.
func document(t testing.TB, rec *httptest.ResponseRecorder) *mde.ProvisioningDoc {
	t.Helper()
	require.Equal(t, 200, rec.Code, rec.Body.String())
	_, rest, _ := strings.Cut(rec.Body.String(), "<BinarySecurityToken")
	_, rest, _ = strings.Cut(rest, ">")
	text, _, _ := strings.Cut(rest, "<")
	raw, err := base64.StdEncoding.DecodeString(text)
	require.NoError(t, err)
	doc, err := mde.ParseProvisioningDoc(raw)
	require.NoError(t, err)
	return doc
}

// issued returns the certificate of a provisioning document.
func issued(t testing.TB, doc *mde.ProvisioningDoc, store string) *x509.Certificate {
	t.Helper()
	my := doc.Find("CertificateStore", "My", store)
	require.NotNil(t, my)
	text, _ := my.Characteristics[0].Parm("EncodedCertificate")
	der, err := base64.StdEncoding.DecodeString(text)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	require.Equal(t, mde.Thumbprint(leaf), my.Characteristics[0].Type)
	return leaf
}

func TestEnroll(t *testing.T) {
	w := newWorld(t, nil)
	h := w.server.Enroll(mdm.DefaultTenant)
	key := newKey(t)
	doc := document(t, ask(h, nil, token(goodSignIn, "Issue", nsEnr+"#PKCS10", csr(t, key, "ab01"), items("AB01"))))
	leaf := issued(t, doc, "User")
	require.True(t, key.PublicKey.Equal(leaf.PublicKey))
	app := doc.Find("APPLICATION")
	for name, want := range map[string]string{
		"PROVIDER-ID": "Keelson", "ADDR": "https://mdm.example.com/mdm/v1/default/windows/manage",
		"SSLCLIENTCERTSEARCHCRITERIA": "Subject=CN%3D" + leaf.Subject.CommonName + "&Stores=My%5CUser",
	} {
		have, _ := app.Parm(name)
		require.Equal(t, want, have)
	}
	dm, _ := doc.Find("DMClient", "Provider", "Keelson").Parm("EntDMID")
	require.Equal(t, leaf.Subject.CommonName, dm)
	days, _ := doc.Find("CertificateStore", "My", "WSTEP", "Renew").Parm("RenewPeriod")
	require.Equal(t, "60", days)

	auth := w.sink.of(mdm.SignalAuthenticated)[0].Data.(mdm.Authenticated)
	require.Equal(t, mdm.HostFacts{
		Platform: mdm.Windows, HardwareID: "AB01", Name: "DESKTOP-1", OSVersion: "10.0.26200.1", Serial: "SN-1", Model: "Book 5",
	}, auth.Facts)
	require.Equal(t, "ada@example.com", auth.Next.Person)
	require.Equal(t, identity.HashOf(leaf), auth.Next.Pin)

	d := &pc{w: w, t: t, leaf: leaf, natural: auth.Natural, deviceID: "AB01"}
	require.Equal(t, mdm.EnrollmentAuthenticating, d.enrollment().State)
	d.begin("1")
	d.packageOne()
	require.Equal(t, mdm.EnrollmentEnrolled, d.enrollment().State)
	require.NoError(t, w.store.InTx(context.Background(), mdm.DefaultTenant, func(ctx context.Context, tx mdm.Tx) error {
		dev, err := w.store.Windows().DeviceTx(ctx, tx, d.enrollmentIn(ctx, tx).Key)
		require.Equal(t, windows.Device{
			Enrollment: d.enrollmentIn(ctx, tx).Key, DeviceID: "AB01", HWDevID: strings.Repeat("3B", 32), User: "ada@example.com",
			OSVersion: "10.0.26200.1", At: w.clock.Now(),
		}, dev)
		return err
	}))
}

func TestEnrollDeviceStore(t *testing.T) {
	w := newWorld(t, func(c *windows.Config) { c.ProviderID, c.Name = "Example-MDM", "Example" })
	i := items("AB01")
	i["EnrollmentType"] = "Device"
	doc := document(t, ask(w.server.Enroll(mdm.DefaultTenant), nil, token(goodSignIn, "Issue", nsEnr+"#PKCS10", csr(t, newKey(t), "AB01"), i)))
	issued(t, doc, "System")
	name, _ := doc.Find("APPLICATION").Parm("NAME")
	require.Equal(t, "Example", name)
	require.NotNil(t, doc.Find("DMClient", "Provider", "Example-MDM"))
}

// A fault at any write of an enrollment leaves no channel behind that is known
// without its device, and the device is told to come again.
func TestEnrollFaultAtEveryWrite(t *testing.T) {
	w := newWorld(t, nil)
	h := w.server.Enroll(mdm.DefaultTenant)
	body := token(goodSignIn, "Issue", nsEnr+"#PKCS10", csr(t, newKey(t), "AB01"), items("AB01"))
	for n := 1; ; n++ {
		left := n
		w.fault = func(string) error {
			if left--; left == 0 {
				return mdm.Errorf(mdm.CodeUnavailable, "", "the disk is full")
			}
			return nil
		}
		rec := ask(h, nil, body)
		w.fault = nil
		if rec.Code == 200 {
			require.Greater(t, n, 8)
			break
		}
		require.Equal(t, 500, rec.Code)
		require.Contains(t, rec.Body.String(), "InMaintenance")
		require.Empty(t, w.sink.signals, "nothing has committed that announced the device")
	}
	require.Len(t, w.sink.signals, 1)
}

// rsaKeys are made once: they are slow to make.
var rsaKeys = sync.OnceValue(func() [2]*rsa.PrivateKey {
	var keys [2]*rsa.PrivateKey
	for i := range keys {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		keys[i] = k
	}
	return keys
})

// signed wraps a request as a renewal does.
func signed(t testing.TB, content []byte, leaf *x509.Certificate, key crypto.Signer) []byte {
	t.Helper()
	s, err := pkcs7.NewSignedData(content)
	require.NoError(t, err)
	s.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	require.NoError(t, s.AddSigner(leaf, key, pkcs7.SignerInfoConfig{}))
	out, err := s.Finish()
	require.NoError(t, err)
	return out
}

func TestRenew(t *testing.T) {
	w := newWorld(t, nil)
	h := w.server.Enroll(mdm.DefaultTenant)
	key, next := rsaKeys()[0], rsaKeys()[1]
	doc := document(t, ask(h, nil, token(goodSignIn, "Issue", nsEnr+"#PKCS10", csr(t, key, "AB01"), items("AB01"))))
	old := issued(t, doc, "User")
	natural := w.sink.of(mdm.SignalAuthenticated)[0].Data.(mdm.Authenticated).Natural
	d := &pc{w: w, t: t, leaf: old, natural: natural, deviceID: "AB01"}
	request := func(leaf *x509.Certificate, key crypto.Signer) string {
		return token("", "Renew", nsSec+"#PKCS7", signed(t, csr(t, next, "AB01"), leaf, key), nil)
	}
	require.Equal(t, 500, ask(h, old, request(old, key)).Code, "before the enrollment is confirmed there is nothing to renew")
	d.begin("1")
	d.packageOne()
	before := d.enrollment()

	other := w.managed("CD02")
	wifi := newKey(t)
	for name, refused := range map[string]*httptest.ResponseRecorder{
		"by another device":          ask(h, other.leaf, request(old, key)),
		"without a certificate":      ask(h, nil, request(old, key)),
		"signed by nobody we know":   ask(h, old, request(selfSigned(t, wifi), wifi)),
		"with bytes that are no CMS": ask(h, old, token("", "Renew", nsSec+"#PKCS7", []byte("x"), nil)),
		"with a wrong signature":     ask(h, old, token("", "Renew", nsSec+"#PKCS7", flipped(signed(t, csr(t, next, "AB01"), old, key)), nil)),
		"around no request":          ask(h, old, token("", "Renew", nsSec+"#PKCS7", signed(t, []byte("x"), old, key), nil)),
	} {
		require.Equal(t, 500, refused.Code, name)
	}
	require.Equal(t, before, d.enrollment())

	doc = document(t, ask(h, old, request(old, key)))
	require.Len(t, doc.Characteristics, 2, "the certificate and the account, and nothing else")
	renewed := issued(t, doc, "User")
	require.True(t, next.PublicKey.Equal(renewed.PublicKey))
	provider, _ := doc.Find("APPLICATION").Parm("PROVIDER-ID")
	require.Equal(t, "Keelson", provider)

	d.begin("2")
	d.packageOne() // the old one is good until the new one was seen
	id := d.enqueue(write("Replace", base+"A", "1"))[0]
	d.leaf = renewed
	require.Equal(t, [][]string{{"A"}}, d.sync("3"))
	e := d.enrollment()
	require.Equal(t, identity.HashOf(renewed), e.Pin)
	require.Equal(t, before.Generation, e.Generation)
	require.True(t, d.done(id).Outcome.OK())

	d.leaf = old
	d.begin("4")
	require.Equal(t, "0 SyncHdr 401", statuses(d.send(d.message(d.hello()...)))[0])
	require.Equal(t, 500, ask(h, old, request(old, key)).Code, "and renews nothing")

	w.clock.advance(366 * 24 * time.Hour)
	rec := ask(h, renewed, token("", "Renew", nsSec+"#PKCS7", signed(t, csr(t, key, "AB01"), renewed, next), nil))
	require.Equal(t, 500, rec.Code, "too late")
	require.Contains(t, rec.Body.String(), "s:Authentication")
}

func flipped(b []byte) []byte {
	b[len(b)-1] ^= 1
	return b
}

// anyone takes every password, as a directory does that binds without one.
type anyone struct{ windows.Identity }

func (anyone) CheckPassword(_ context.Context, _ mdm.TenantID, user, _ string) (string, error) {
	return user, nil
}

func TestEmptyCredentials(t *testing.T) {
	w := newWorld(t, func(c *windows.Config) { c.Identity = anyone{c.Identity} })
	h := w.server.Policy(mdm.DefaultTenant)
	require.Equal(t, 200, ask(h, nil, getPolicies(signIn("ada@example.com", "x"))).Code)
	require.Equal(t, 500, ask(h, nil, getPolicies(signIn("ada@example.com", ""))).Code)
	require.Equal(t, 500, ask(h, nil, getPolicies(signIn("", "x"))).Code)
}

func selfSigned(t testing.TB, key *ecdsa.PrivateKey) *x509.Certificate {
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: bigOne}, &x509.Certificate{SerialNumber: bigOne}, &key.PublicKey, key)
	require.NoError(t, err)
	c, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return c
}
