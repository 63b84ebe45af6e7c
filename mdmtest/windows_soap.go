package mdmtest

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// The namespaces of MS-MDE2.
const (
	pcNSSoap   = "http://www.w3.org/2003/05/soap-envelope"
	pcNSAddr   = "http://www.w3.org/2005/08/addressing"
	pcNSWsse   = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
	pcNSWsu    = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
	pcNSWst    = "http://docs.oasis-open.org/ws-sx/ws-trust/200512"
	pcNSAC     = "http://schemas.xmlsoap.org/ws/2006/12/authorization"
	pcNSEnroll = "http://schemas.microsoft.com/windows/pki/2009/01/enrollment"
	pcNSPolicy = "http://schemas.microsoft.com/windows/pki/2009/01/enrollmentpolicy"
	pcNSMgmt   = "http://schemas.microsoft.com/windows/management/2012/01/enrollment"
	pcNSXSI    = "http://www.w3.org/2001/XMLSchema-instance"
	pcNSXSD    = "http://www.w3.org/2001/XMLSchema"
)

// pcOperation is one of the three SOAP operations. The message ids are the
// constants that every Windows device sends.
type pcOperation struct {
	where, action, reply, messageID string
}

func pcDiscoverOp() pcOperation {
	return pcOperation{
		"discover", pcNSMgmt + "/IDiscoveryService/Discover",
		pcNSMgmt + "/IDiscoveryService/DiscoverResponse", "urn:uuid:748132ec-a575-4329-b01b-6171a9cf8478",
	}
}

func pcPoliciesOp() pcOperation {
	return pcOperation{
		"policies", pcNSPolicy + "/IPolicy/GetPolicies",
		pcNSPolicy + "/IPolicy/GetPoliciesResponse", "urn:uuid:72048B64-0F19-448F-8C2E-B4C661860AA0",
	}
}

func pcTokenOp(where string) pcOperation {
	return pcOperation{where, pcNSEnroll + "/RST/wstep", pcNSEnroll + "/RSTRC/wstep", "urn:uuid:0d5a1441-5891-453b-becf-a2e5f6ea3749"}
}

// pcEnvelope writes a request. security is the content of wsse:Security, or
// empty; body is XML that uses the prefixes declared here.
func pcEnvelope(op pcOperation, to, security, body string) []byte {
	if security != "" {
		security = `<wsse:Security s:mustUnderstand="1">` + security + `</wsse:Security>`
	}
	return []byte(`<s:Envelope xmlns:s="` + pcNSSoap + `" xmlns:a="` + pcNSAddr + `" xmlns:u="` + pcNSWsu +
		`" xmlns:wsse="` + pcNSWsse + `" xmlns:wst="` + pcNSWst + `" xmlns:ac="` + pcNSAC + `"><s:Header>` +
		`<a:Action s:mustUnderstand="1">` + op.action + `</a:Action>` +
		`<a:MessageID>` + op.messageID + `</a:MessageID>` +
		`<a:ReplyTo><a:Address>http://www.w3.org/2005/08/addressing/anonymous</a:Address></a:ReplyTo>` +
		`<a:To s:mustUnderstand="1">` + pcEscape(pcToHeader(to)) + `</a:To>` + security +
		`</s:Header><s:Body xmlns:xsi="` + pcNSXSI + `" xmlns:xsd="` + pcNSXSD + `">` + body + `</s:Body></s:Envelope>`)
}

// pcToHeader is the address as Windows writes it into a:To: with a mixed-case
// host and the port, even the default one.
func pcToHeader(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.Hostname() == "" {
		return to
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	host := u.Hostname()
	u.Host = strings.ToUpper(host[:1]) + host[1:] + ":" + port
	if strings.Contains(host, ":") {
		u.Host = "[" + host + "]:" + port
	}
	return u.String()
}

// PCSOAPFault is the fault with which an enrollment service declined
// ([MS-MDE2] 2.2.9).
type PCSOAPFault struct {
	HTTPStatus int
	Code       string // local name, such as "Receiver"
	Subcode    string // local name, such as "Authentication"
	Reason     string
	ErrorType  string // of the detail, such as "DeviceCapReached"; often empty
	Message    string // of the detail
	TraceID    string // of the detail
}

// Error implements error.
func (f *PCSOAPFault) Error() string {
	s := fmt.Sprintf("the server answered the fault %s/%s: %s", f.Code, f.Subcode, f.Reason)
	if f.ErrorType != "" {
		s += " (" + f.ErrorType + ")"
	}
	return s
}

// pcSubcodes are the subcodes that the Windows client knows.
var pcSubcodes = []string{
	"MessageFormat", "Authentication", "Authorization", "CertificateRequest", "EnrollmentServer",
	"InternalServiceFault", "InvalidSecurity", "ActionMismatch", "EndpointUnavailable",
}

// pcErrorTypes are the detail types that the Windows client knows.
var pcErrorTypes = []string{
	"", "DeviceCapReached", "DeviceNotSupported", "NotSupported", "NotEligibleToRenew", "InMaintenance",
	"UserLicense", "InvalidEnrollmentData", "CustomServerError",
}

// pcOpenEnvelope judges the envelope of a reply and returns what the body
// holds: the one element, or a fault, or neither when it cannot be read.
func pcOpenEnvelope(r *pcReply, op pcOperation, f *pcFindings) (header, body *pcElem, fault *PCSOAPFault) {
	r.judge(pcMediaSOAP, f)
	root, err := pcParseXML(r.body)
	if err != nil {
		f.add(PCRuleXML, "%v", err)
		return nil, nil, nil
	}
	if root.name.Space != pcNSSoap || root.name.Local != "Envelope" {
		f.add(PCRuleSOAP, "the root is {%s}%s, not a SOAP 1.2 Envelope", root.name.Space, root.name.Local)
		return nil, nil, nil
	}
	header, content := root.child(pcNSSoap, "Header"), root.child(pcNSSoap, "Body")
	if content == nil || len(content.kids) != 1 {
		f.add(PCRuleSOAP, "the Body does not hold exactly one element")
		return nil, nil, nil
	}
	if got := header.child(pcNSAddr, "RelatesTo").value(); got != op.messageID {
		f.add(PCRuleSOAP, "RelatesTo is %q, want our MessageID %q", got, op.messageID)
	}
	for _, k := range header.children() {
		must, _ := k.attr("mustUnderstand")
		if (must == "1" || must == "true") && !slices.Contains([]string{"Action", "RelatesTo", "To", "Security"}, k.name.Local) {
			f.add(PCRuleSOAP, "the header %s must be understood, and no client understands it", k.name.Local)
		}
	}
	action := header.child(pcNSAddr, "Action").value()
	body = content.kids[0]
	if body.name.Space == pcNSSoap && body.name.Local == "Fault" {
		if action == "" {
			f.add(PCRuleSOAP, "the fault's header has no Action")
		}
		return header, nil, pcReadFault(body, r.status, f)
	}
	if action != op.reply {
		f.add(PCRuleSOAP, "Action is %q, want %q", action, op.reply)
	}
	return header, body, nil
}

func pcReadFault(e *pcElem, status int, f *pcFindings) *PCSOAPFault {
	code := e.child(pcNSSoap, "Code")
	detail := e.child(pcNSSoap, "Detail").child(pcNSEnroll, "DeviceEnrollmentServiceError")
	reason := e.child(pcNSSoap, "Reason").child(pcNSSoap, "Text")
	fault := &PCSOAPFault{
		HTTPStatus: status,
		Code:       pcLocal(code.child(pcNSSoap, "Value").value()),
		Subcode:    pcLocal(code.child(pcNSSoap, "Subcode").child(pcNSSoap, "Value").value()),
		Reason:     reason.value(),
		ErrorType:  detail.child(pcNSEnroll, "ErrorType").value(),
		Message:    detail.child(pcNSEnroll, "Message").value(),
		TraceID:    detail.child(pcNSEnroll, "TraceId").value(),
	}
	if fault.Code != "Receiver" && fault.Code != "Sender" {
		f.add(PCRuleSOAP, "the fault's code is %q, want Receiver or Sender", fault.Code)
	}
	if !slices.Contains(pcSubcodes, fault.Subcode) {
		f.add(PCRuleSOAP, "the fault's subcode is %q, which no client knows", fault.Subcode)
	}
	if !slices.Contains(pcErrorTypes, fault.ErrorType) {
		f.add(PCRuleSOAP, "the fault's ErrorType is %q, which no client knows", fault.ErrorType)
	}
	if _, ok := reason.attr("lang"); !ok || fault.Reason == "" {
		f.add(PCRuleSOAP, "the fault needs a Reason/Text with xml:lang")
	}
	if status != 500 && status != 200 {
		f.add(PCRuleHTTP, "a fault came with HTTP %d, want 500", status)
	}
	return fault
}

// pcLocal returns the local part of a qualified name in text.
func pcLocal(qname string) string {
	if _, local, ok := strings.Cut(qname, ":"); ok {
		return local
	}
	return qname
}
