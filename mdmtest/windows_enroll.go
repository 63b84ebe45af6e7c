package mdmtest

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// Errors of a PC that does not reach the network or has nothing to do there.
var (
	// ErrPCOffline is the answer to everything while [PCQuirks].Offline is set.
	ErrPCOffline = errors.New("the PC is offline")
	// ErrPCNotEnrolled is the answer to a session without an enrollment.
	ErrPCNotEnrolled = errors.New("the PC is not enrolled")
	// ErrPCReplyLost is the end of a session whose reply was dropped on demand.
	ErrPCReplyLost = errors.New("the server's reply was lost on demand")
)

// Enroll enrolls the PC: probe, Discover, GetPolicies, RequestSecurityToken,
// and the provisioning document. It may be called again, which is a
// re-enrollment with a new key: the tree starts afresh. A refusal is a
// [*PCSOAPFault] or a [*PCHTTPError]; anything the server does wrong is a
// [PCViolation] and leaves the PC as it was. No management session follows by
// itself: call [PCDevice.Sync].
func (d *PCDevice) Enroll(ctx context.Context) error {
	done, err := d.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	c := d.client(nil)
	defer c.close()
	if err := d.probe(ctx, c); err != nil {
		return err
	}
	disc, err := d.discover(ctx, c)
	if err != nil {
		return err
	}
	security, err := d.credential(ctx, disc)
	if err != nil {
		return err
	}
	if err := d.policies(ctx, c, disc.policyURL, security); err != nil {
		return err
	}
	key, err := d.newKey()
	if err != nil {
		return err
	}
	csr, err := pcCSR(strings.ToUpper(d.opts.DeviceID), d.opts.Rand, key, d.opts.OddCSR)
	if err != nil {
		return err
	}
	token := `<wsse:BinarySecurityToken ValueType="` + pcNSEnroll + `#PKCS10" EncodingType="` + pcNSWsse + `#base64binary">` +
		pcBase64Lines(csr) + `</wsse:BinarySecurityToken>`
	op := pcTokenOp("enroll")
	doc, err := d.requestToken(ctx, c, op, disc.enrollURL, security, "Issue", token)
	if err != nil {
		return err
	}
	var f pcFindings
	p := pcReadProvisioning(doc, false, &f)
	var id *pcIdentity
	if p != nil && p.leaf.der != nil {
		id = p.judgeIdentity(key, nil, d.store(), "", d.now(), &f)
	}
	if err := d.note(op.where, "", 0, f); err != nil {
		return err
	}
	if id == nil {
		return errors.New("the provisioning document gave no identity")
	}
	id.PolicyURL, id.EnrollURL = disc.policyURL, disc.enrollURL
	d.adopt(id, p)
	return nil
}

// adopt makes an identity the PC's own.
func (d *PCDevice) adopt(id *pcIdentity, p *pcProvisioning) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.previous, d.id, d.state = pcIdentity{}, *id, PCEnrolled
	d.alerts, d.wipe, d.reboots, d.renewNow, d.epoch = nil, "", 0, false, d.seq
	d.tree = d.freshTree()
	d.tree.provision(d.opts.HWDevID, id, p)
}

// store is the certificate store that the enrollment type asks for.
func (d *PCDevice) store() string {
	if d.opts.DeviceEnrollment {
		return "System"
	}
	return "User"
}

func (d *PCDevice) newKey() (*rsa.PrivateKey, error) {
	if d.opts.Key != nil {
		return d.opts.Key()
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("make the key of a PC: %w", err)
	}
	return key, nil
}

func pcEnrollHeader() http.Header {
	return http.Header{
		"Content-Type":  {pcMediaSOAP + "; charset=utf-8"},
		"User-Agent":    {"ENROLLClient"},
		"Cache-Control": {"no-cache"},
		"Pragma":        {"no-cache"},
	}
}

// probe asks whether anything is there: any 200 will do.
func (d *PCDevice) probe(ctx context.Context, c *pcClient) error {
	h := pcEnrollHeader()
	h.Del("Content-Type")
	r, err := c.do(ctx, http.MethodGet, d.opts.DiscoveryURL, h, nil)
	if err != nil {
		return fmt.Errorf("probe the discovery service: %w", err)
	}
	if r.status != http.StatusOK {
		return r.fail()
	}
	return nil
}

// call sends one SOAP request and returns what the reply's body holds.
func (d *PCDevice) call(ctx context.Context, c *pcClient, op pcOperation, to string, body []byte, f *pcFindings) (header, reply *pcElem, err error) {
	r, err := c.do(ctx, http.MethodPost, to, pcEnrollHeader(), body)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", op.where, err)
	}
	soap := strings.HasPrefix(r.header.Get("Content-Type"), pcMediaSOAP)
	if r.status != http.StatusOK && !soap {
		return nil, nil, r.fail()
	}
	header, reply, fault := pcOpenEnvelope(r, op, f)
	if fault != nil {
		return nil, nil, errors.Join(fault, d.note(op.where, "", 0, *f))
	}
	if reply != nil && r.status != http.StatusOK {
		f.add(PCRuleHTTP, "a reply that is no fault came with HTTP %d", r.status)
	}
	if reply == nil {
		return nil, nil, errors.Join(d.note(op.where, "", 0, *f), errors.New("the reply could not be read"))
	}
	return header, reply, nil
}

// pcDiscovery is what Discover told.
type pcDiscovery struct {
	policy, policyURL, enrollURL, signInURL string
}

func (d *PCDevice) discover(ctx context.Context, c *pcClient) (*pcDiscovery, error) {
	op := pcDiscoverOp()
	body := `<Discover xmlns="` + pcNSMgmt + `"><request xmlns:i="` + pcNSXSI + `">` +
		`<EmailAddress>` + pcEscape(d.user) + `</EmailAddress>` +
		`<RequestVersion>` + pcEscape(d.opts.RequestVersion) + `</RequestVersion>` +
		`<DeviceType>CIMClient_Windows</DeviceType>` +
		`<ApplicationVersion>` + pcEscape(d.opts.OSVersion) + `</ApplicationVersion>` +
		`<OSEdition>` + strconv.Itoa(d.opts.Edition) + `</OSEdition>` +
		`<AuthPolicies><AuthPolicy>OnPremise</AuthPolicy><AuthPolicy>Federated</AuthPolicy></AuthPolicies>` +
		`</request></Discover>`
	var f pcFindings
	_, reply, err := d.call(ctx, c, op, d.opts.DiscoveryURL, pcEnvelope(op, d.opts.DiscoveryURL, "", body), &f)
	if err != nil {
		return nil, err
	}
	if reply.name.Space != pcNSMgmt || reply.name.Local != "DiscoverResponse" {
		f.add(PCRuleDiscovery, "the body holds {%s}%s, not DiscoverResponse", reply.name.Space, reply.name.Local)
	}
	result := reply.child(pcNSMgmt, "DiscoverResult")
	if result == nil {
		f.add(PCRuleDiscovery, "DiscoverResult is missing")
	}
	get := func(name string) string { return result.child(pcNSMgmt, name).value() }
	out := &pcDiscovery{
		policy: get("AuthPolicy"), policyURL: get("EnrollmentPolicyServiceUrl"),
		enrollURL: get("EnrollmentServiceUrl"), signInURL: get("AuthenticationServiceUrl"),
	}
	if !slices.Contains([]string{"OnPremise", "Federated"}, out.policy) {
		f.add(PCRuleDiscovery, "AuthPolicy is %q, we offered OnPremise and Federated", out.policy)
	}
	version, err := strconv.ParseFloat(get("EnrollmentVersion"), 64)
	asked, _ := strconv.ParseFloat(d.opts.RequestVersion, 64) // an odd request version compares as 0
	if err != nil || version < 1 || version > max(asked, 1) {
		f.add(PCRuleDiscovery, "EnrollmentVersion is %q, we asked with %s", get("EnrollmentVersion"), d.opts.RequestVersion)
	}
	policyHost, policyErr := pcHost(out.policyURL)
	enrollHost, enrollErr := pcHost(out.enrollURL)
	if err := errors.Join(policyErr, enrollErr); err != nil {
		f.add(PCRuleDiscovery, "%v", err)
	} else if policyHost != enrollHost {
		f.add(PCRuleDiscovery, "policy and enrollment service are on different hosts, %s and %s", policyHost, enrollHost)
	}
	if out.policy == "Federated" {
		if _, err := pcHost(out.signInURL); err != nil {
			f.add(PCRuleDiscovery, "AuthenticationServiceUrl: %v", err)
		}
	} else if out.signInURL != "" {
		f.add(PCRuleDiscovery, "AuthenticationServiceUrl is for Federated only")
	}
	if err := d.note(op.where, "", 0, f); err != nil {
		return nil, err
	}
	return out, nil
}

func pcHost(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return "", fmt.Errorf("%q is not an https URL", s)
	}
	return strings.ToLower(u.Host), nil
}

// credential returns the content of wsse:Security for what the server chose.
func (d *PCDevice) credential(ctx context.Context, disc *pcDiscovery) (string, error) {
	if disc.policy != "Federated" {
		return `<wsse:UsernameToken u:Id="uuid-cc1ccc1f-2fba-4bcf-b063-ffc0cac77917-4"><wsse:Username>` + pcEscape(d.user) +
			`</wsse:Username><wsse:Password wsse:Type="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText">` +
			pcEscape(d.password) + `</wsse:Password></wsse:UsernameToken>`, nil
	}
	if d.opts.SignIn == nil {
		return "", mdm.Errorf(mdm.CodeUnsupported, "SignIn", "the server asks for a web sign-in at %s; give PCOptions.SignIn", disc.signInURL)
	}
	u, err := url.Parse(disc.signInURL)
	if err != nil {
		return "", fmt.Errorf("the sign-in URL: %w", err)
	}
	q := u.Query()
	q.Set("appru", "ms-app://windows.immersivecontrolpanel")
	q.Set("login_hint", d.user)
	u.RawQuery = q.Encode()
	token, err := d.opts.SignIn(ctx, u.String())
	if err != nil {
		return "", fmt.Errorf("the web sign-in: %w", err)
	}
	return `<wsse:BinarySecurityToken ValueType="http://schemas.microsoft.com/5.0.0.0/ConfigurationManager/Enrollment/DeviceEnrollmentUserToken" EncodingType="` +
		pcNSWsse + `#base64binary">` + base64.StdEncoding.EncodeToString([]byte(token)) + `</wsse:BinarySecurityToken>`, nil
}

// requestToken sends a RequestSecurityToken and returns the provisioning
// document of the answer, decoded.
func (d *PCDevice) requestToken(ctx context.Context, c *pcClient, op pcOperation, to, security, kind, token string) ([]byte, error) {
	body := `<wst:RequestSecurityToken>` +
		`<wst:TokenType>http://schemas.microsoft.com/5.0.0.0/ConfigurationManager/Enrollment/DeviceEnrollmentToken</wst:TokenType>` +
		`<wst:RequestType>` + pcNSWst + `/` + kind + `</wst:RequestType>` + token +
		`<ac:AdditionalContext>` + d.context() + `</ac:AdditionalContext></wst:RequestSecurityToken>`
	var f pcFindings
	header, reply, err := d.call(ctx, c, op, to, pcEnvelope(op, to, security, body), &f)
	if err != nil {
		return nil, err
	}
	d.judgeTimestamp(header, &f)
	if reply.name.Space != pcNSWst || reply.name.Local != "RequestSecurityTokenResponseCollection" {
		f.add(PCRuleSOAP, "the body holds {%s}%s, not RequestSecurityTokenResponseCollection", reply.name.Space, reply.name.Local)
	}
	rstr := reply.child(pcNSWst, "RequestSecurityTokenResponse")
	const tokenType = "http://schemas.microsoft.com/5.0.0.0/ConfigurationManager/Enrollment/DeviceEnrollmentToken"
	if got := rstr.child(pcNSWst, "TokenType").value(); got != tokenType {
		f.add(PCRuleSOAP, "TokenType is %q", got)
	}
	if rstr.child(pcNSEnroll, "DispositionMessage") == nil {
		f.add(PCRuleSOAP, "DispositionMessage is missing")
	}
	if rstr.child(pcNSEnroll, "RequestID") == nil {
		f.add(PCRuleSOAP, "RequestID is missing")
	}
	bst := rstr.child(pcNSWst, "RequestedSecurityToken").child(pcNSWsse, "BinarySecurityToken")
	const docType = "http://schemas.microsoft.com/5.0.0.0/ConfigurationManager/Enrollment/DeviceEnrollmentProvisionDoc"
	if v, _ := bst.attr("ValueType"); v != docType {
		f.add(PCRuleSOAP, "the token's ValueType is %q", v)
	}
	if v, _ := bst.attr("EncodingType"); v != pcNSWsse+"#base64binary" {
		f.add(PCRuleSOAP, "the token's EncodingType is %q", v)
	}
	doc, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(bst.value()), ""))
	if err != nil || len(doc) == 0 {
		f.add(PCRuleSOAP, "the token is not base64")
	}
	if err := d.note(op.where, "", 0, f); err != nil {
		return nil, err
	}
	return doc, nil
}

// judgeTimestamp checks the Security header of an RSTR. Windows was seen to
// accept one that was years old; a server that sends such a one is still wrong.
func (d *PCDevice) judgeTimestamp(header *pcElem, f *pcFindings) {
	stamp := header.child(pcNSWsse, "Security").child(pcNSWsu, "Timestamp")
	created, err1 := time.Parse(time.RFC3339Nano, stamp.child(pcNSWsu, "Created").value())
	expires, err2 := time.Parse(time.RFC3339Nano, stamp.child(pcNSWsu, "Expires").value())
	now := d.now()
	switch {
	case stamp == nil:
		f.add(PCRuleSOAP, "the header has no Security/Timestamp")
	case err1 != nil || err2 != nil:
		f.add(PCRuleSOAP, "the Timestamp's Created and Expires are not times")
	case created.After(now.Add(5*time.Minute)) || expires.Before(now):
		f.add(PCRuleSOAP, "the Timestamp %v to %v does not hold now, %v", created, expires, now)
	}
}

// context is the list of context items, in the order of Windows: several
// network cards with the same address among them.
func (d *PCDevice) context() string {
	d.mu.Lock()
	login := d.opts.LoginStatus == "user"
	d.mu.Unlock()
	kind := "Full"
	if d.opts.DeviceEnrollment {
		kind = "Device"
	}
	id := strings.ToUpper(d.opts.DeviceID)
	mac := "02-" + id[0:2] + "-" + id[2:4] + "-" + id[4:6] + "-" + id[6:8] + "-" + id[8:10]
	var b strings.Builder
	for _, item := range [][2]string{
		{"UXInitiated", "true"}, {"HWDevID", d.opts.HWDevID}, {"Locale", "en-US"},
		{"TargetedUserLoggedIn", strconv.FormatBool(login)}, {"OSEdition", strconv.Itoa(d.opts.Edition)},
		{"DeviceName", d.opts.Name}, {"MAC", mac}, {"MAC", "06" + mac[2:]}, {"MAC", mac},
		{"DeviceID", id}, {"EnrollmentType", kind}, {"DeviceType", "CIMClient_Windows"},
		{"OSVersion", d.opts.OSVersion}, {"ApplicationVersion", d.opts.OSVersion}, {"NotInOobe", "True"},
		{"Manufacturer", d.opts.Manufacturer}, {"DeviceModel", d.opts.Model}, {"SerialNumber", d.opts.Serial},
		{"RequestVersion", d.opts.RequestVersion},
	} {
		b.WriteString(`<ac:ContextItem Name="` + item[0] + `"><ac:Value>` + pcEscape(item[1]) + `</ac:Value></ac:ContextItem>`)
	}
	return b.String()
}

// pcBase64Lines encodes in lines of 64, as Windows does.
func pcBase64Lines(b []byte) string {
	s := base64.StdEncoding.EncodeToString(b)
	var out strings.Builder
	for len(s) > 64 {
		out.WriteString(s[:64] + "\r\n")
		s = s[64:]
	}
	return out.String() + s
}
