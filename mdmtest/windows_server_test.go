package mdmtest

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/smallstep/pkcs7"
	"github.com/stretchr/testify/require"
)

// pcKeys hands out RSA keys that are made once: the tests need many.
var pcKeys = sync.OnceValue(func() []*rsa.PrivateKey {
	var keys []*rsa.PrivateKey
	for range 3 {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		keys = append(keys, k)
	}
	return keys
})

// pcKeySource returns a PCOptions.Key that walks over the shared keys.
func pcKeySource(first int) func() (*rsa.PrivateKey, error) {
	n := first - 1
	return func() (*rsa.PrivateKey, error) {
		n++
		return pcKeys()[n%len(pcKeys())], nil
	}
}

// pcServer is a tiny MS-MDE2 and OMA-DM server that can be made to do
// everything wrong.
type pcServer struct {
	*httptest.Server
	t      pcServerTB
	caKey  *rsa.PrivateKey
	ca     *x509.Certificate
	serial int64

	mu       sync.Mutex
	mangle   map[string]func(string) string // by operation: reply text before it is sent
	raw      map[string]http.HandlerFunc    // by operation: instead of it
	requests map[string][]string            // bodies, by operation
	batches  []string                       // commands for the next messages, one a message
	messages []pcGot                        // of the device
	cache    map[string][]byte
	syncHdr  int    // status of SyncHdr; 0 means 212
	chal     string // what nonces begin with; empty sends none
	leafKU   []x509.ExtKeyUsage
	days     int
	noCache  bool
	otherKey bool // issue for a key that nobody asked for
	newName  bool // a renewal has another subject
	msgID    int
}

// pcGot is a message of the device, read without any strictness.
type pcGot struct {
	XMLName xml.Name
	Hdr     struct {
		SessionID string
		MsgID     string
		Target    string `xml:"Target>LocURI"`
		Source    string `xml:"Source>LocURI"`
		LocName   string `xml:"Source>LocName"`
		CredType  string `xml:"Cred>Meta>Type"`
		Cred      string `xml:"Cred>Data"`
	} `xml:"SyncHdr"`
	Body struct {
		Cmds []pcGotCmd `xml:",any"`
	} `xml:"SyncBody"`
	peer   string // common name of the client certificate; empty for none
	serial string // of that certificate
	raw    string
}

type pcGotCmd struct {
	XMLName   xml.Name
	CmdID     string
	MsgRef    string
	CmdRef    string
	Cmd       string
	TargetRef []string
	Data      struct {
		Text  string `xml:",chardata"`
		Error string `xml:"http://schemas.microsoft.com/MobileDevice/MDM originalerror,attr"`
	}
	Items []struct {
		Source string `xml:"Source>LocURI"`
		Format string `xml:"Meta>Format"`
		Type   string `xml:"Meta>Type"`
		Data   string
		Size   string    `xml:"Meta>Size"`
		More   *struct{} `xml:"MoreData"`
	} `xml:"Item"`
}

// pcServerTB is what the server needs of a test, or of an example.
type pcServerTB interface {
	PCTB
	FailNow()
	Logf(format string, args ...any)
}

func pcNewServer(t pcServerTB) *pcServer {
	t.Helper()
	s := &pcServer{
		t: t, caKey: pcKeys()[0], serial: 1 << 40, mangle: map[string]func(string) string{}, raw: map[string]http.HandlerFunc{},
		requests: map[string][]string{}, cache: map[string][]byte{}, leafKU: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, days: 365,
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Identity CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(10 * 365 * 24 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &s.caKey.PublicKey, s.caKey)
	require.NoError(t, err)
	s.ca, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /EnrollmentServer/Discovery.svc", func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, "probe") })
	mux.HandleFunc("POST /EnrollmentServer/Discovery.svc", func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, "discover") })
	mux.HandleFunc("POST /policy", func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, "policies") })
	mux.HandleFunc("POST /enroll", func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, "enroll") })
	mux.HandleFunc("POST /manage", func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, "session") })
	s.Server = httptest.NewUnstartedServer(mux)
	s.EnableHTTP2 = true
	s.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// options are those of a PC that trusts the server and makes no keys.
func (s *pcServer) options() *PCOptions {
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return &PCOptions{Roots: pool, Key: pcKeySource(1)}
}

// pc enrolls a PC at the server.
func (s *pcServer) pc() *PCTest {
	s.t.Helper()
	return PCWith(s.t, s.URL, "ada@example.com", "secret", s.options()).Enroll()
}

// queue gives the commands of the next messages.
func (s *pcServer) queue(batches ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batches = append(s.batches, batches...)
}

// on mangles the text of a reply.
func (s *pcServer) on(op string, f func(string) string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mangle[op] = f
}

// got returns the device's messages so far.
func (s *pcServer) got() []pcGot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]pcGot(nil), s.messages...)
}

func (s *pcServer) serve(w http.ResponseWriter, r *http.Request, op string) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests[op] = append(s.requests[op], string(body))
	if h := s.raw[op]; h != nil {
		h(w, r)
		return
	}
	media, reply := pcMediaSOAP+"; charset=utf-8", ""
	switch op {
	case "probe":
		return
	case "discover":
		reply = s.discover()
	case "policies":
		reply = pcSoapReply(pcPoliciesOp(), "", pcPolicyReply)
	case "enroll":
		reply, err = s.issue(body, r.TLS.PeerCertificates)
	case "session":
		media = pcMediaDM
		reply, err = s.manage(body, r)
	}
	if err != nil {
		s.t.Logf("test server: %s: %v", op, err)
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if f := s.mangle[op]; f != nil {
		reply = f(reply)
	}
	w.Header().Set("Content-Type", media)
	w.Header().Set("Content-Length", strconv.Itoa(len(reply)))
	_, _ = io.WriteString(w, reply)
}

func pcSoapReply(op pcOperation, security, body string) string {
	return `<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing"><s:Header>` +
		`<a:Action s:mustUnderstand="1">` + op.reply + `</a:Action><a:RelatesTo>` + op.messageID + `</a:RelatesTo>` + security +
		`</s:Header><s:Body>` + body + `</s:Body></s:Envelope>`
}

func (s *pcServer) discover() string {
	return pcSoapReply(pcDiscoverOp(), "", `<DiscoverResponse xmlns="http://schemas.microsoft.com/windows/management/2012/01/enrollment">`+
		`<DiscoverResult><AuthPolicy>OnPremise</AuthPolicy><EnrollmentVersion>4.0</EnrollmentVersion>`+
		`<EnrollmentPolicyServiceUrl>`+s.URL+`/policy</EnrollmentPolicyServiceUrl>`+
		`<EnrollmentServiceUrl>`+s.URL+`/enroll</EnrollmentServiceUrl></DiscoverResult></DiscoverResponse>`)
}

const pcPolicyReply = `<GetPoliciesResponse xmlns="http://schemas.microsoft.com/windows/pki/2009/01/enrollmentpolicy" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<response><policyID/><policyFriendlyName/><nextUpdateHours xsi:nil="true"/><policiesNotChanged xsi:nil="true"/><policies><policy>
<policyOIDReference>0</policyOIDReference><cAs xsi:nil="true"/><attributes><commonName>Test</commonName><policySchema>3</policySchema>
<certificateValidity><validityPeriodSeconds>1209600</validityPeriodSeconds><renewalPeriodSeconds>172800</renewalPeriodSeconds></certificateValidity>
<permission><enroll>true</enroll><autoEnroll>false</autoEnroll></permission>
<privateKeyAttributes><minimalKeyLength>2048</minimalKeyLength><keySpec xsi:nil="true"/><keyUsageProperty xsi:nil="true"/><permissions xsi:nil="true"/>
<algorithmOIDReference xsi:nil="true"/><cryptoProviders><provider>Microsoft Platform Crypto Provider</provider></cryptoProviders></privateKeyAttributes>
<revision><majorRevision>101</majorRevision><minorRevision>0</minorRevision></revision><supersededPolicies xsi:nil="true"/>
<privateKeyFlags xsi:nil="true"/><subjectNameFlags xsi:nil="true"/><enrollmentFlags xsi:nil="true"/><generalFlags xsi:nil="true"/>
<hashAlgorithmOIDReference>0</hashAlgorithmOIDReference><rARequirements xsi:nil="true"/><keyArchivalAttributes xsi:nil="true"/><extensions xsi:nil="true"/>
</attributes></policy></policies></response><cAs xsi:nil="true"/>
<oIDs><oID><value>2.16.840.1.101.3.4.2.1</value><group>4</group><oIDReferenceID>0</oIDReferenceID><defaultName>szOID_NIST_sha256</defaultName></oID></oIDs>
</GetPoliciesResponse>`

var pcTokenText = regexp.MustCompile(`(?s)<wsse:BinarySecurityToken ValueType="[^"]*#(PKCS10|PKCS7)"[^>]*>([^<]*)<`)

// issue answers a RequestSecurityToken.
func (s *pcServer) issue(body []byte, peers []*x509.Certificate) (string, error) {
	m := pcTokenText.FindSubmatch(body)
	if m == nil {
		return "", fmt.Errorf("no token")
	}
	csr, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(m[2])), ""))
	if err != nil {
		return "", err
	}
	renewal := string(m[1]) == "PKCS7"
	if renewal {
		p7, err := pkcs7.Parse(csr)
		if err != nil {
			return "", err
		}
		if err := p7.Verify(); err != nil {
			return "", err
		}
		if len(peers) == 0 || !peers[0].Equal(p7.GetOnlySigner()) {
			return "", fmt.Errorf("the signer is not the TLS peer")
		}
		csr = p7.Content
	}
	key, err := pcCSRKey(csr)
	if err != nil {
		return "", err
	}
	if s.otherKey {
		key = &pcKeys()[2].PublicKey
	}
	s.serial++
	cn := fmt.Sprintf("device %d", s.serial)
	if renewal && !s.newName {
		cn = peers[0].Subject.CommonName // by which the device finds it
	}
	leaf, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(s.serial), Subject: pkix.Name{CommonName: cn}, ExtKeyUsage: s.leafKU,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Duration(s.days) * 24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}, s.ca, key, s.caKey)
	if err != nil {
		return "", err
	}
	doc := s.provisioning(leaf, cn, renewal)
	if f := s.mangle["document"]; f != nil {
		doc = f(doc)
	}
	now := time.Now().UTC()
	security := `<o:Security s:mustUnderstand="1" xmlns:o="` + pcNSWsse + `" xmlns:u="` + pcNSWsu + `"><u:Timestamp u:Id="_0"><u:Created>` +
		now.Format(time.RFC3339) + `</u:Created><u:Expires>` + now.Add(5*time.Minute).Format(time.RFC3339) + `</u:Expires></u:Timestamp></o:Security>`
	return pcSoapReply(pcTokenOp("enroll"), security, `<RequestSecurityTokenResponseCollection xmlns="`+pcNSWst+`"><RequestSecurityTokenResponse>`+
		`<TokenType>http://schemas.microsoft.com/5.0.0.0/ConfigurationManager/Enrollment/DeviceEnrollmentToken</TokenType>`+
		`<DispositionMessage xmlns="`+pcNSEnroll+`"/><RequestedSecurityToken><BinarySecurityToken xmlns="`+pcNSWsse+`" `+
		`ValueType="http://schemas.microsoft.com/5.0.0.0/ConfigurationManager/Enrollment/DeviceEnrollmentProvisionDoc" EncodingType="`+pcNSWsse+`#base64binary">`+
		base64.StdEncoding.EncodeToString([]byte(doc))+`</BinarySecurityToken></RequestedSecurityToken><RequestID xmlns="`+pcNSEnroll+`">0</RequestID>`+
		`</RequestSecurityTokenResponse></RequestSecurityTokenResponseCollection>`), nil
}

func pcStore(der []byte, extra string) string {
	sum := sha1.Sum(der)
	return `<characteristic type="` + strings.ToUpper(hex.EncodeToString(sum[:])) + `"><parm name="EncodedCertificate" value="` +
		base64.StdEncoding.EncodeToString(der) + `"/></characteristic>` + extra
}

func (s *pcServer) provisioning(leaf []byte, cn string, renewal bool) string {
	my := `<characteristic type="My"><characteristic type="User">` + pcStore(leaf, `<characteristic type="PrivateKeyContainer"/>`) + `</characteristic>`
	if renewal {
		return `<wap-provisioningdoc version="1.1"><characteristic type="CertificateStore">` + my + `</characteristic></characteristic>` +
			`<characteristic type="APPLICATION"><parm name="PROVIDER-ID" value="TestMDM"/></characteristic></wap-provisioningdoc>`
	}
	return `<wap-provisioningdoc version="1.1"><characteristic type="CertificateStore">` +
		`<characteristic type="Root"><characteristic type="System">` + pcStore(s.ca.Raw, "") + `</characteristic></characteristic>` + my +
		`<characteristic type="WSTEP"><characteristic type="Renew"><parm name="ROBOSupport" value="true" datatype="boolean"/>` +
		`<parm name="RenewPeriod" value="60" datatype="integer"/><parm name="RetryInterval" value="4" datatype="integer"/></characteristic></characteristic>` +
		`</characteristic></characteristic>` +
		`<characteristic type="APPLICATION"><parm name="APPID" value="w7"/><parm name="PROVIDER-ID" value="TestMDM"/><parm name="NAME" value="Test"/>` +
		`<parm name="ADDR" value="` + s.URL + `/manage"/><parm name="CONNRETRYFREQ" value="6"/><parm name="INITIALBACKOFFTIME" value="30000"/>` +
		`<parm name="MAXBACKOFFTIME" value="120000"/><parm name="BACKCOMPATRETRYDISABLED"/><parm name="DEFAULTENCODING" value="application/vnd.syncml.dm+xml"/>` +
		`<parm name="SSLCLIENTCERTSEARCHCRITERIA" value="Subject=CN%3d` + strings.ReplaceAll(cn, " ", "%20") + `&amp;Stores=My%5CUser"/>` +
		`<characteristic type="APPAUTH"><parm name="AAUTHLEVEL" value="CLIENT"/><parm name="AAUTHTYPE" value="DIGEST"/><parm name="AAUTHSECRET" value="s1"/><parm name="AAUTHDATA" value="bm9uY2Ux"/></characteristic>` +
		`<characteristic type="APPAUTH"><parm name="AAUTHLEVEL" value="APPSRV"/><parm name="AAUTHTYPE" value="DIGEST"/><parm name="AAUTHNAME" value="client"/><parm name="AAUTHSECRET" value="s2"/><parm name="AAUTHDATA" value="bm9uY2Uy"/></characteristic>` +
		`</characteristic><characteristic type="DMClient"><characteristic type="Provider"><characteristic type="TestMDM">` +
		`<parm name="UPN" value="ada@example.com"/><parm name="EntDMID" value="ent-1"/><characteristic type="Poll">` +
		`<parm name="NumberOfFirstRetries" value="8" datatype="integer"/><parm name="IntervalForFirstSetOfRetries" value="15" datatype="integer"/>` +
		`<parm name="NumberOfSecondRetries" value="5" datatype="integer"/><parm name="IntervalForSecondSetOfRetries" value="3" datatype="integer"/>` +
		`<parm name="NumberOfRemainingScheduledRetries" value="0" datatype="integer"/><parm name="IntervalForRemainingScheduledRetries" value="1560" datatype="integer"/>` +
		`<parm name="PollOnLogin" value="true" datatype="boolean"/></characteristic></characteristic></characteristic></characteristic></wap-provisioningdoc>`
}

// pcCSRKey reads the key of a CSR without judging its subject, and checks the
// signature under either algorithm.
func pcCSRKey(der []byte) (*rsa.PublicKey, error) {
	var csr struct {
		Raw asn1.RawContent
		TBS struct {
			Raw        asn1.RawContent
			Version    int
			Subject    asn1.RawValue
			Key        asn1.RawValue
			Attributes asn1.RawValue `asn1:"optional,tag:0"`
		}
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	if rest, err := asn1.Unmarshal(der, &csr); err != nil || len(rest) > 0 {
		return nil, fmt.Errorf("CSR: %v, %d bytes after it", err, len(rest))
	}
	key, err := x509.ParsePKIXPublicKey(csr.TBS.Key.FullBytes)
	if err != nil {
		return nil, err
	}
	pub, ok := key.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("no RSA key")
	}
	hash, sum := crypto.SHA256, sha256.Sum256(csr.TBS.Raw)
	digest := sum[:]
	if csr.Algorithm.Algorithm.String() == "1.3.14.3.2.29" {
		old := sha1.Sum(csr.TBS.Raw)
		hash, digest = crypto.SHA1, old[:]
	}
	return pub, rsa.VerifyPKCS1v15(pub, hash, digest, csr.Signature.Bytes)
}

// nonce is a new one for each message.
func (s *pcServer) nonce() string {
	return base64.StdEncoding.EncodeToString([]byte(s.chal + strconv.Itoa(s.msgID)))
}

// manage answers a management message.
func (s *pcServer) manage(body []byte, r *http.Request) (string, error) {
	if r.Header.Get("Content-Type") != pcMediaDM {
		return "", fmt.Errorf("media type %s", r.Header.Get("Content-Type"))
	}
	var g pcGot
	if err := xml.NewDecoder(bytes.NewReader(body)).Decode(&g); err != nil {
		return "", err
	}
	g.raw = string(body)
	if len(r.TLS.PeerCertificates) > 0 {
		g.peer, g.serial = r.TLS.PeerCertificates[0].Subject.CommonName, r.TLS.PeerCertificates[0].SerialNumber.String()
	}
	s.messages = append(s.messages, g)
	sum := sha256.Sum256(body)
	cached := g.Hdr.SessionID + "/" + g.Hdr.MsgID + "/" + hex.EncodeToString(sum[:])
	if b, ok := s.cache[cached]; ok && !s.noCache {
		return string(b), nil
	}
	if g.Hdr.MsgID == "1" {
		s.msgID = 0
	}
	s.msgID++
	code := s.syncHdr
	if code == 0 {
		code = 212
	}
	authorized := code < 300 || g.Hdr.Cred != "" && s.chal != ""
	chal := ""
	if s.chal != "" && code >= 300 {
		if authorized {
			code = 200
		}
		chal = `<Chal><Meta><Format xmlns="syncml:metinf">b64</Format><Type xmlns="syncml:metinf">syncml:auth-md5</Type><NextNonce xmlns="syncml:metinf">` + s.nonce() + `</NextNonce></Meta></Chal>`
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<SyncML xmlns="SYNCML:SYNCML1.2"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>%s</SessionID><MsgID>%d</MsgID>`+
		`<Target><LocURI>%s</LocURI></Target><Source><LocURI>%s</LocURI></Source></SyncHdr><SyncBody>`,
		g.Hdr.SessionID, s.msgID, g.Hdr.Source, g.Hdr.Target)
	fmt.Fprintf(&b, `<Status><CmdID>h</CmdID><MsgRef>%s</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd>%s<Data>%d</Data></Status>`, g.Hdr.MsgID, chal, code)
	done := 200
	if !authorized {
		done = code
	}
	for _, c := range g.Body.Cmds {
		switch c.XMLName.Local {
		case "Alert", "Replace", "Results":
			done := done
			if len(c.Items) > 0 && c.Items[0].More != nil {
				done = 213
			}
			fmt.Fprintf(&b, `<Status><CmdID>s%s</CmdID><MsgRef>%s</MsgRef><CmdRef>%s</CmdRef><Cmd>%s</Cmd><Data>%d</Data></Status>`,
				c.CmdID, g.Hdr.MsgID, c.CmdID, c.XMLName.Local, done)
		}
	}
	if authorized && len(s.batches) > 0 && strings.Contains(g.raw, "<Final/>") && !strings.Contains(g.raw, "<Data>1223</Data>") {
		b.WriteString(s.batches[0])
		s.batches = s.batches[1:]
	}
	b.WriteString(`<Final/></SyncBody></SyncML>`)
	clear(s.cache) // only the last reply is kept
	s.cache[cached] = []byte(b.String())
	return b.String(), nil
}

// Commands for a batch.

func pcCmd(verb, id, loc, format, data string) string {
	meta := ""
	if format != "" {
		meta = `<Meta><Format xmlns="syncml:metinf">` + format + `</Format></Meta>`
	}
	if verb != "Get" && verb != "Delete" {
		meta += `<Data>` + pcEscape(data) + `</Data>`
	}
	return `<` + verb + `><CmdID>` + id + `</CmdID><Item><Target><LocURI>` + pcEscape(loc) + `</LocURI></Target>` + meta + `</Item></` + verb + `>`
}

func pcAtomic(id string, inside ...string) string {
	return `<Atomic><CmdID>` + id + `</CmdID>` + strings.Join(inside, "") + `</Atomic>`
}

// statuses of a device message as "CmdRef Cmd code [TargetRef…]".
func (g pcGot) statuses() []string {
	var out []string
	for _, c := range g.Body.Cmds {
		if c.XMLName.Local == "Status" {
			out = append(out, strings.TrimSpace(fmt.Sprintf("%s/%s %s %s %s", c.MsgRef, c.CmdRef, c.Cmd, c.Data.Text, strings.Join(c.TargetRef, ","))))
		}
	}
	return out
}

// names of the commands of a device message.
func (g pcGot) names() []string {
	var out []string
	for _, c := range g.Body.Cmds {
		out = append(out, c.XMLName.Local)
	}
	return out
}

// results of a device message as LocURI -> data.
func (g pcGot) results() map[string]string {
	out := map[string]string{}
	for _, c := range g.Body.Cmds {
		if c.XMLName.Local == "Results" {
			for _, it := range c.Items {
				out[it.Source] = it.Data
			}
		}
	}
	return out
}
