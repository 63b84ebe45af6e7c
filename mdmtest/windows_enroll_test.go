package mdmtest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
)

// pcFakeTB is a test that may fail.
type pcFakeTB struct {
	ctx     context.Context
	errors  []string
	fatal   string
	cleanup []func()
}

func (f *pcFakeTB) Helper()                  {}
func (f *pcFakeTB) Context() context.Context { return f.ctx }
func (f *pcFakeTB) Cleanup(fn func())        { f.cleanup = append(f.cleanup, fn) }
func (f *pcFakeTB) Errorf(format string, args ...any) {
	f.errors = append(f.errors, format)
}
func (f *pcFakeTB) Fatalf(format string, args ...any) { f.fatal = format }

func TestPCEnrollsInOneLine(t *testing.T) {
	s := pcNewServer(t)
	// No roots: the certificate of a server on this machine is trusted.
	pc := PC(t, s.URL, "ada@example.com", "it's <secret> & long").Enroll()
	require.Equal(t, PCEnrolled, pc.State())
	require.Empty(t, pc.Violations())
	e := pc.Enrollment()
	require.Equal(t, "TestMDM", e.ProviderID)
	require.Equal(t, s.URL+"/manage", e.Address)
	require.Equal(t, "ent-1", e.EntDMID)
	require.Equal(t, 1560*time.Minute, e.Poll)

	discover := s.requests["discover"][0]
	require.Contains(t, discover, "<AuthPolicy>OnPremise</AuthPolicy><AuthPolicy>Federated</AuthPolicy>")
	require.Contains(t, discover, "urn:uuid:748132ec-a575-4329-b01b-6171a9cf8478")
	rst := s.requests["enroll"][0]
	root, err := pcParseXML([]byte(rst))
	require.NoError(t, err)
	token := root.child(pcNSSoap, "Header").child(pcNSWsse, "Security").child(pcNSWsse, "UsernameToken")
	require.Equal(t, "it's <secret> & long", token.child(pcNSWsse, "Password").value())
	context := root.child(pcNSSoap, "Body").kids[0].child(pcNSAC, "AdditionalContext")
	items := map[string][]string{}
	for _, i := range context.all(pcNSAC, "ContextItem") {
		name, _ := i.attr("Name")
		items[name] = append(items[name], i.child(pcNSAC, "Value").value())
	}
	require.Equal(t, []string{pc.DeviceID()}, items["DeviceID"])
	require.Equal(t, []string{pc.HWDevID()}, items["HWDevID"])
	require.Equal(t, []string{"Full"}, items["EnrollmentType"])
	require.Len(t, items["MAC"], 3)

	n, ok := pc.Node("./Vendor/MSFT/DMClient/Provider/TestMDM/EntDMID")
	require.True(t, ok)
	require.Equal(t, "ent-1", n.Value)
}

func TestPCDoesNotTrustAnotherServer(t *testing.T) {
	s := pcNewServer(t)
	o := s.options()
	o.Roots = x509.NewCertPool()
	err := NewPC(s.URL, "ada", "secret", o).Enroll(t.Context())
	var unknown x509.UnknownAuthorityError
	require.ErrorAs(t, err, &unknown)
	// First contact pins: what else presents itself later is refused.
	trust := pcLoopbackTrust(s.URL, time.Now)
	require.NoError(t, trust.verify(tlsState(s.Certificate(), "127.0.0.1")))
	require.Error(t, trust.verify(tlsState(s.ca, "127.0.0.1")))
	require.Error(t, trust.verify(tlsState(s.Certificate(), "other.example")))
	require.Nil(t, pcLoopbackTrust("https://mdm.example.com", time.Now))
}

func tlsState(c *x509.Certificate, name string) tls.ConnectionState {
	return tls.ConnectionState{PeerCertificates: []*x509.Certificate{c}, ServerName: name}
}

func TestPCOptionsAreChecked(t *testing.T) {
	for field, o := range map[string]*PCOptions{
		"DeviceID":     {DeviceID: "abc"},
		"HWDevID":      {HWDevID: strings.Repeat("x", 64)},
		"PolicyStatus": {PolicyStatus: 500},
		"LoginStatus":  {LoginStatus: "nobody"},
	} {
		err := NewPC("https://127.0.0.1", "ada", "secret", o).Enroll(t.Context())
		var e *mdm.Error
		require.ErrorAs(t, err, &e, field)
		require.Equal(t, field, e.Field)
	}
	_, err := NewPC("http://127.0.0.1", "ada", "secret", nil).Sync(t.Context())
	require.ErrorIs(t, err, mdm.CodeInvalid)
}

func TestPCSignInForFederated(t *testing.T) {
	s := pcNewServer(t)
	s.on("discover", func(r string) string {
		r = strings.Replace(r, "OnPremise", "Federated", 1)
		return strings.Replace(r, "</DiscoverResult>", "<AuthenticationServiceUrl>"+s.URL+"/auth?tenant=1</AuthenticationServiceUrl></DiscoverResult>", 1)
	})
	o := s.options()
	require.ErrorIs(t, NewPC(s.URL, "ada@example.com", "", o).Enroll(t.Context()), mdm.CodeUnsupported)
	var asked string
	o.SignIn = func(_ context.Context, u string) (string, error) {
		asked = u
		return "opaque token", nil
	}
	PCWith(t, s.URL, "ada@example.com", "", o).Enroll()
	require.Contains(t, asked, "appru=ms-app%3A%2F%2F")
	require.Contains(t, asked, "login_hint=ada%40example.com")
	require.Contains(t, asked, "tenant=1")
	require.Contains(t, s.requests["policies"][0], ">"+base64.StdEncoding.EncodeToString([]byte("opaque token"))+"<")
}

func TestPCCSRs(t *testing.T) {
	s := pcNewServer(t)
	for _, odd := range []bool{false, true} {
		o := s.options()
		o.OddCSR = odd
		pc := PCWith(t, s.URL, "ada", "secret", o).Enroll()
		require.NotNil(t, pc.Certificate())

		der, err := pcCSR(pc.DeviceID(), pc.opts.Rand, pcKeys()[1], odd)
		require.NoError(t, err)
		_, err = pcCSRKey(der) // the signature holds
		require.NoError(t, err)
		parsed, err := x509.ParseCertificateRequest(der)
		if odd {
			require.Error(t, err, "the standard library refuses the request of build 19043")
			require.Contains(t, string(der), pc.DeviceID()+"\x00")
			continue
		}
		require.NoError(t, err)
		require.NoError(t, parsed.CheckSignature())
		require.Len(t, parsed.Subject.CommonName, 64)
		require.Equal(t, "!"+pc.DeviceID()+"\x00", parsed.Subject.CommonName[30:])
		found := false
		for _, e := range parsed.Extensions {
			if e.Id.Equal(pcDeviceIDExtension()) {
				found = true
				require.Equal(t, pc.DeviceID()+"\x00", string(e.Value))
			}
		}
		require.True(t, found)
	}
}

// TestPCJudgesEnrollment breaks one thing at a time.
func TestPCJudgesEnrollment(t *testing.T) {
	swap := func(old, with string) func(string) string {
		return func(s string) string {
			if !strings.Contains(s, old) {
				return "the test's own mistake: nothing to swap"
			}
			return strings.Replace(s, old, with, 1)
		}
	}
	cases := []struct {
		name, op string
		mangle   func(string) string
		rule     PCRule
		detail   string
	}{
		{"action", "discover", swap("/DiscoverResponse<", "/Discover<"), PCRuleSOAP, "Action"},
		{"relates to", "discover", swap("748132ec", "748132ed"), PCRuleSOAP, "RelatesTo"},
		{"a header that nobody understands", "discover", swap("<a:RelatesTo>", `<a:Session s:mustUnderstand="1">x</a:Session><a:RelatesTo>`), PCRuleSOAP, "must be understood"},
		{"soap 1.1", "discover", swap(`"http://www.w3.org/2003/05/soap-envelope"`, `"http://schemas.xmlsoap.org/soap/envelope/"`), PCRuleSOAP, "not a SOAP 1.2 Envelope"},
		{"a DTD", "discover", func(s string) string { return "<!DOCTYPE x>" + s }, PCRuleXML, "document type"},
		{"unbound prefix", "discover", swap("<DiscoverResult>", `<DiscoverResult q:x="1">`), PCRuleXML, "prefix"},
		{"cut", "discover", func(s string) string { return s[:len(s)-3] }, PCRuleXML, ""},
		{"not offered", "discover", swap("OnPremise", "Certificate"), PCRuleDiscovery, "AuthPolicy"},
		{"version above ours", "discover", swap("4.0", "7.0"), PCRuleDiscovery, "EnrollmentVersion"},
		{"plain http", "discover", swap("<EnrollmentServiceUrl>https", "<EnrollmentServiceUrl>http"), PCRuleDiscovery, "not an https URL"},
		{"two hosts", "discover", swap("<EnrollmentServiceUrl>https://127.0.0.1", "<EnrollmentServiceUrl>https://localhost"), PCRuleDiscovery, "different hosts"},
		{"sign-in without federated", "discover", swap("</DiscoverResult>", "<AuthenticationServiceUrl>https://x/</AuthenticationServiceUrl></DiscoverResult>"), PCRuleDiscovery, "Federated only"},
		{"no policies", "policies", swap("<enroll>true", "<enroll>false"), PCRulePolicy, "permission"},
		{"nil without namespace", "policies", swap(`xsi:nil`, `nil`), PCRulePolicy, "XMLSchema-instance"},
		{"order", "policies", swap(`<cAs xsi:nil="true"/>
<oIDs>`, `<oIDs>`), PCRulePolicy, "cAs is missing"},
		{"key length", "policies", swap("2048<", "4096<"), PCRulePolicy, "minimalKeyLength"},
		{"hash", "policies", swap("2.16.840.1.101.3.4.2.1", "1.2.3"), PCRulePolicy, "SHA-256"},
		{"token type", "enroll", swap("DeviceEnrollmentProvisionDoc", "Other"), PCRuleSOAP, "ValueType"},
		{"no base64", "enroll", swap(`base64binary">`, `base64binary">!`), PCRuleSOAP, "base64"},
		{"stale", "enroll", swap("<u:Expires>20", "<u:Expires>19"), PCRuleSOAP, "Timestamp"},
		{"no timestamp", "enroll", swap("u:Timestamp ", "u:Time "), PCRuleXML, ""},
		{"unknown top level", "document", swap(`<characteristic type="APPLICATION">`, `<characteristic type="RootCATrustedCertificates"/><characteristic type="APPLICATION">`), PCRuleProvisioning, "0x83750005"},
		{"thumbprint", "document", func(s string) string {
			i := strings.Index(s, `My"><characteristic type="User"><characteristic type="`) + len(`My"><characteristic type="User"><characteristic type="`)
			return s[:i] + strings.Repeat("A", 40) + s[i+40:]
		}, PCRuleCertificate, "thumbprint"},
		{"no container", "document", swap(`<characteristic type="PrivateKeyContainer"/>`, ""), PCRuleProvisioning, "PrivateKeyContainer"},
		{"wrong store", "document", swap(`"My"><characteristic type="User"`, `"My"><characteristic type="System"`), PCRuleProvisioning, "want My/User"},
		{"criteria", "document", swap("Subject=CN%3ddevice", "Subject=CN%3dother"), PCRuleProvisioning, "asks for"},
		{"criteria as a form", "document", swap("Subject=CN%3ddevice%20", "Subject=CN%3ddevice+"), PCRuleProvisioning, "not percent-encoded"},
		{"criteria in clear", "document", swap("My%5CUser", `My\User`), PCRuleProvisioning, "not percent-encoded"},
		{"unknown node", "document", swap(`<parm name="UPN"`, `<parm name="EntDeviceNam" value="x"/><parm name="UPN"`), PCRuleProvisioning, "unknown parm"},
		{"read-only node", "document", swap(`<parm name="UPN"`, `<parm name="HWDevID" value="x"/><parm name="UPN"`), PCRuleProvisioning, "unknown parm"},
		{"push", "document", swap(`<characteristic type="Poll">`, `<characteristic type="Push"><parm name="PFN" value="x"/></characteristic><characteristic type="Poll">`), PCRuleProvisioning, "Push cannot"},
		{"not w7", "document", swap(`"w7"`, `"w9"`), PCRuleProvisioning, "APPID"},
		{"provider with space", "document", swap(`name="PROVIDER-ID" value="TestMDM"`, `name="PROVIDER-ID" value="Test MDM"`), PCRuleProvisioning, "space"},
		{"lower case parm", "document", swap(`"ADDR"`, `"Addr"`), PCRuleProvisioning, "unknown parm"},
		{"role", "document", swap(`<parm name="APPID"`, `<parm name="ROLE" value="4294967295"/><parm name="APPID"`), PCRuleProvisioning, "ROLE"},
		{"one auth", "document", swap("APPSRV", "CLIENT"), PCRuleProvisioning, "two APPAUTH"},
		{"nonce no base64", "document", swap("bm9uY2Ux", "nonce"), PCRuleProvisioning, "0x80180023"},
		{"no nonce", "document", swap(`<parm name="AAUTHDATA" value="bm9uY2Ux"/>`, ""), PCRuleProvisioning, "AAUTHDATA"},
		{"same nonce", "document", swap("bm9uY2Ux", "bm9uY2Uy"), PCRuleProvisioning, "same nonce"},
		{"no EntDMID", "document", swap(`<parm name="EntDMID" value="ent-1"/>`, ""), PCRuleProvisioning, "EntDMID"},
		{"other node", "document", swap(`"Provider"><characteristic type="TestMDM"`, `"Provider"><characteristic type="Other"`), PCRuleProvisioning, "PROVIDER-ID is"},
		{"no poll", "document", swap(`type="Poll"`, `type="Push"`), PCRuleProvisioning, "no Poll"},
		{"no datatype", "document", swap(`value="1560" datatype="integer"`, `value="1560"`), PCRuleProvisioning, `needs datatype="integer"`},
		{"bad integer", "document", swap(`value="60" datatype="integer"`, `value="sixty" datatype="integer"`), PCRuleProvisioning, "not an integer"},
		{"bad boolean", "document", swap(`value="true" datatype="boolean"/><parm name="RenewPeriod"`, `value="1" datatype="boolean"/><parm name="RenewPeriod"`), PCRuleProvisioning, "not true or false"},
		{"retry above period", "document", swap(`"RetryInterval" value="4"`, `"RetryInterval" value="400"`), PCRuleProvisioning, "above the period"},
		{"version", "document", swap(`version="1.1"`, `version="1.0"`), PCRuleProvisioning, "wap-provisioningdoc 1.1"},
		{"no document", "document", func(string) string { return "not xml" }, PCRuleXML, "provisioning document"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := pcNewServer(t)
			s.on(c.op, c.mangle)
			d := NewPC(s.URL, "ada", "secret", s.options())
			err := d.Enroll(t.Context())
			var v PCViolation
			require.ErrorAs(t, err, &v)
			require.Equal(t, PCNew, d.State())
			found := false
			for _, v := range d.Violations() {
				found = found || v.Rule == c.rule && strings.Contains(v.Detail, c.detail)
			}
			require.True(t, found, "%v", d.Violations())
			// The very same is fine for a PC that tolerates it, as far as it can be.
			if c.rule == PCRuleDiscovery || c.rule == PCRuleSOAP || c.rule == PCRuleProvisioning || c.rule == PCRulePolicy {
				o := s.options()
				o.Tolerate = []PCRule{c.rule}
				tolerant := NewPC(s.URL, "ada", "secret", o)
				_ = tolerant.Enroll(t.Context()) // may still not work
				for _, v := range tolerant.Violations() {
					require.NotEqual(t, c.rule, v.Rule)
				}
			}
		})
	}
}

func TestPCJudgesCertificates(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*pcServer)
		detail string
	}{
		"server certificate": {func(s *pcServer) { s.leafKU = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }, "as a client"},
		"no usage":           {func(s *pcServer) { s.leafKU = nil }, "clientAuth"},
		"expired":            {func(s *pcServer) { s.days = -1 }, "does not chain"},
		"too short a life":   {func(s *pcServer) { s.days = 59 }, "again and again"},
		"serial":             {func(s *pcServer) { s.serial = 4 }, "serial number"},
		"another key":        {func(s *pcServer) { s.otherKey = true }, "not for the key"},
	} {
		t.Run(name, func(t *testing.T) {
			s := pcNewServer(t)
			c.change(s)
			o := s.options()
			d := NewPC(s.URL, "ada", "secret", o)
			var v PCViolation
			require.ErrorAs(t, d.Enroll(t.Context()), &v)
			require.Equal(t, PCRuleCertificate, v.Rule)
			require.Contains(t, d.Violations()[0].Detail, c.detail)
		})
	}
}

func TestPCFaults(t *testing.T) {
	fault := func(op pcOperation, subcode, detail string) string {
		return strings.Replace(pcSoapReply(op, "", `<s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>`+subcode+`</s:Value></s:Subcode></s:Code>`+
			`<s:Reason><s:Text xml:lang="en-US">no</s:Text></s:Reason>`+detail+`</s:Fault>`), op.reply, "http://schemas.microsoft.com/fault", 1)
	}
	s := pcNewServer(t)
	reply, status := "", 500
	s.raw["policies"] = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/soap+xml; charset=utf-8")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(reply))
	}
	d := NewPC(s.URL, "ada", "wrong", s.options())
	for _, status = range []int{500, 200} {
		reply = fault(pcPoliciesOp(), "s:Authentication", `<s:Detail><DeviceEnrollmentServiceError xmlns="`+pcNSEnroll+
			`"><ErrorType>DeviceCapReached</ErrorType><Message>many</Message><TraceId>t-1</TraceId></DeviceEnrollmentServiceError></s:Detail>`)
		var f *PCSOAPFault
		require.ErrorAs(t, d.Enroll(t.Context()), &f)
		require.Equal(t, PCSOAPFault{
			HTTPStatus: status, Code: "Receiver", Subcode: "Authentication", Reason: "no",
			ErrorType: "DeviceCapReached", Message: "many", TraceID: "t-1",
		}, *f)
		require.Empty(t, d.Violations())
	}
	reply = fault(pcPoliciesOp(), "s:authentication", "")
	require.Error(t, d.Enroll(t.Context()))
	require.Len(t, d.Violations(), 1)
	require.Contains(t, d.Violations()[0].Detail, "subcode")

	status, reply = 400, fault(pcPoliciesOp(), "s:Authorization", "")
	var f *PCSOAPFault
	require.ErrorAs(t, d.Enroll(t.Context()), &f)
	require.Len(t, d.Violations(), 2)
	require.Equal(t, PCRuleHTTP, d.Violations()[1].Rule)

	s.raw["policies"] = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "30")
		http.Error(w, "later", http.StatusServiceUnavailable)
	}
	var h *PCHTTPError
	require.ErrorAs(t, d.Enroll(t.Context()), &h)
	require.Equal(t, 503, h.Status)
	require.Equal(t, 30*time.Second, h.RetryAfter)
	require.Contains(t, h.Body, "later")

	s.raw["probe"] = http.NotFound
	require.ErrorAs(t, d.Enroll(t.Context()), &h)
	require.Equal(t, 404, h.Status)
}

func TestPCJudgesHTTP(t *testing.T) {
	write := func(s *pcServer, f func(w http.ResponseWriter)) {
		s.raw["discover"] = func(w http.ResponseWriter, _ *http.Request) { f(w) }
	}
	for name, c := range map[string]struct {
		reply  func(w http.ResponseWriter, body string)
		detail string
	}{
		"chunked": {func(w http.ResponseWriter, body string) {
			w.Header().Set("Content-Type", "application/soap+xml; charset=utf-8")
			_, _ = w.Write([]byte(body[:10]))
			w.(http.Flusher).Flush()
			_, _ = w.Write([]byte(body[10:]))
		}, "Content-Length"},
		"media type": {func(w http.ResponseWriter, body string) {
			w.Header().Set("Content-Type", "text/xml; charset=utf-8")
			_, _ = w.Write([]byte(body))
		}, "Content-Type"},
		"charset": {func(w http.ResponseWriter, body string) {
			w.Header().Set("Content-Type", "application/soap+xml; charset=latin1")
			_, _ = w.Write([]byte(body))
		}, "charset"},
		"no charset": {func(w http.ResponseWriter, body string) {
			w.Header().Set("Content-Type", "application/soap+xml")
			_, _ = w.Write([]byte(body))
		}, "charset=utf-8"},
	} {
		for _, h2 := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				s := pcNewServer(t)
				write(s, func(w http.ResponseWriter) { c.reply(w, s.discover()) })
				o := s.options()
				if !h2 {
					o.Transport = func(rt http.RoundTripper) http.RoundTripper {
						rt.(*http.Transport).ForceAttemptHTTP2 = false
						return rt
					}
				}
				d := NewPC(s.URL, "ada", "secret", o)
				var v PCViolation
				require.ErrorAs(t, d.Enroll(t.Context()), &v)
				require.Equal(t, PCRuleHTTP, v.Rule)
				require.Contains(t, v.Detail, c.detail)
			})
		}
	}
}

func TestPCFailsItsTest(t *testing.T) {
	s := pcNewServer(t)
	s.on("discover", func(r string) string { return strings.Replace(r, "OnPremise", "Certificate", 1) })
	f := &pcFakeTB{ctx: t.Context()}
	PCWith(f, s.URL, "ada", "secret", s.options()).Enroll()
	require.NotEmpty(t, f.fatal)
	require.Len(t, f.errors, 1)
	f.cleanup[0]()
	require.Len(t, f.errors, 1, "a violation is reported once")
}

func TestPCIsOffline(t *testing.T) {
	s := pcNewServer(t)
	pc := s.pc()
	pc.Misbehave(PCQuirks{Offline: true})
	_, err := pc.PCDevice.Sync(t.Context())
	require.ErrorIs(t, err, ErrPCOffline)
	require.ErrorIs(t, pc.PCDevice.Enroll(t.Context()), ErrPCOffline)
	require.Empty(t, s.got())
	require.ErrorIs(t, pc.PCDevice.Unenroll(t.Context()), ErrPCOffline)
	require.Equal(t, PCUnenrolled, pc.State(), "the server never learns of it")
	_, err = pc.PCDevice.Sync(t.Context())
	require.True(t, errors.Is(err, ErrPCOffline))
}
