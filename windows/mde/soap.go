package mde

import (
	"strings"

	"github.com/beevik/etree"

	"github.com/keelson-mdm/keelson/mdm"
)

// ContentType is the media type of every request and reply of the protocol.
// A reply must have a Content-Length and must not be chunked ([MS-MDE2]
// clients do not read a chunked one).
const ContentType = "application/soap+xml; charset=utf-8"

// The namespaces of [MS-MDE2] 2.2.1 and of what it builds on.
const (
	nsSOAP       = "http://www.w3.org/2003/05/soap-envelope"
	nsSOAP11     = "http://schemas.xmlsoap.org/soap/envelope/"
	nsAddressing = "http://www.w3.org/2005/08/addressing"
	nsSecurity   = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
	nsUtility    = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
	nsTrust      = "http://docs.oasis-open.org/ws-sx/ws-trust/200512"
	nsAuth       = "http://schemas.xmlsoap.org/ws/2006/12/authorization"
	nsEnroll     = "http://schemas.microsoft.com/windows/pki/2009/01/enrollment"
	nsPolicy     = "http://schemas.microsoft.com/windows/pki/2009/01/enrollmentpolicy"
	nsManagement = "http://schemas.microsoft.com/windows/management/2012/01/enrollment"
	nsDiag       = "http://schemas.microsoft.com/2004/09/ServiceModel/Diagnostics"
	nsXSI        = "http://www.w3.org/2001/XMLSchema-instance"
	nsXSD        = "http://www.w3.org/2001/XMLSchema"
)

// Operation is one of the three operations, as the action URI of its request.
type Operation string

// The operations.
const (
	OpDiscover             Operation = nsManagement + "/IDiscoveryService/Discover"
	OpGetPolicies          Operation = nsPolicy + "/IPolicy/GetPolicies"
	OpRequestSecurityToken Operation = nsEnroll + "/RST/wstep"
)

// replyAction is the action URI of the operation's reply.
func (o Operation) replyAction() string {
	switch o {
	case OpDiscover, OpGetPolicies:
		return string(o) + "Response"
	default:
		return nsEnroll + "/RSTRC/wstep"
	}
}

// Header is what every request carries in its SOAP header.
type Header struct {
	// Action is the action URI that the device named. It is not compared with
	// the body, which decides what a request is.
	Action string
	// MessageID is to be echoed in [Reply.RelatesTo] and is good for nothing
	// else: Windows sends the same one from every device.
	MessageID string
	// To is the URL that the device called, in the letter case that it used and
	// sometimes with the port :443.
	To string
}

// Reply returns what a reply to this request says in its header. The activity
// id, a UUID or "", is what the device writes in its event log; a server logs
// the same one.
func (h Header) Reply(activityID string) Reply {
	return Reply{RelatesTo: h.MessageID, ActivityID: activityID}
}

// Reply is the header of a reply. Empty fields are left out.
type Reply struct {
	RelatesTo  string // the request's [Header.MessageID]
	ActivityID string // a UUID of our own, for two logs to be joined by
}

// MessageID returns the message id of a request, or "" when it cannot be read.
// It is for the fault that answers a body which did not decode.
func MessageID(body []byte) string {
	env, err := openEnvelope(body)
	if err != nil {
		return ""
	}
	return env.header.MessageID
}

// envelope is a SOAP envelope that was read, 1.2 or 1.1.
type envelope struct {
	space  string
	header Header
	head   *element // nil when the envelope has no header
	body   *element
}

func openEnvelope(b []byte) (*envelope, error) {
	root, err := parseTree(b)
	if err != nil {
		return nil, err
	}
	env := &envelope{space: nsSOAP}
	if root.is(nsSOAP11, "Envelope") {
		env.space = nsSOAP11
	} else if !root.is(nsSOAP, "Envelope") {
		return nil, mdm.Errorf(mdm.CodeUnsupported, "Envelope", "the document is not a SOAP 1.2 envelope")
	}
	if env.head, err = root.one(env.space, "Header"); err != nil {
		return nil, err
	}
	if env.body, err = root.one(env.space, "Body"); err != nil {
		return nil, err
	}
	if env.body == nil {
		return nil, mdm.Errorf(mdm.CodeMalformed, "Body", "the SOAP envelope has no body")
	}
	h := &env.header
	if err := env.head.values(nsAddressing, field{"Action", &h.Action}, field{"MessageID", &h.MessageID}, field{"To", &h.To}); err != nil {
		return nil, err
	}
	return env, nil
}

// payload returns the one element of the body that the operation is.
func (e *envelope) payload(space, local string) (*element, error) {
	p, err := e.body.one(space, local)
	if err != nil {
		return nil, err
	}
	if p == nil {
		return nil, mdm.Errorf(mdm.CodeUnsupported, local, "the body has no %s; was the request sent to the wrong URL?", local)
	}
	return p, nil
}

// newReply starts the envelope of a reply, and returns its header and body.
func newReply(action string, r Reply) (doc *etree.Document, head, body *etree.Element) {
	doc = newDocument()
	env := doc.CreateElement("s:Envelope")
	env.CreateAttr("xmlns:s", nsSOAP)
	env.CreateAttr("xmlns:a", nsAddressing)
	head = env.CreateElement("s:Header")
	a := head.CreateElement("a:Action")
	a.CreateAttr("s:mustUnderstand", "1")
	a.SetText(action)
	if r.ActivityID != "" {
		id := head.CreateElement("ActivityId")
		id.CreateAttr("CorrelationId", r.ActivityID)
		id.CreateAttr("xmlns", nsDiag)
		id.SetText(r.ActivityID)
	}
	if r.RelatesTo != "" {
		addText(head, "a:RelatesTo", r.RelatesTo)
	}
	return doc, head, env.CreateElement("s:Body")
}

// newDocument returns a document that escapes what a reader would otherwise
// normalize away: line ends in text, line ends and tabs in attributes.
func newDocument() *etree.Document {
	doc := etree.NewDocument()
	doc.WriteSettings.CanonicalText = true
	doc.WriteSettings.CanonicalAttrVal = true
	return doc
}

func addText(parent *etree.Element, tag, text string) {
	parent.CreateElement(tag).SetText(text)
}

// checkText refuses what XML cannot carry and what no value of this protocol
// has: control characters, invalid UTF-8, more than 1,024 bytes.
func checkText(field, s string) error {
	if len(s) > 1024 {
		return mdm.Errorf(mdm.CodeTooLarge, field, "%s has %d bytes; the limit is 1024", field, len(s))
	}
	if s != plainText(s) {
		return mdm.Errorf(mdm.CodeInvalid, field, "%s has a control character or is not UTF-8", field)
	}
	return nil
}

// plainText drops what [checkText] refuses but length.
func plainText(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || (r >= 0x7f && r < 0xa0) || r == 0xfffe || r == 0xffff || r == '\ufffd' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}
