package mde

import (
	"encoding/base64"
	"strings"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// RequestType is what a [TokenRequest] is for.
type RequestType string

// The request types of WS-Trust that Windows uses.
const (
	Issue RequestType = nsTrust + "/Issue" // an enrollment
	Renew RequestType = nsTrust + "/Renew" // a new certificate for one
)

const (
	tokenType    = "http://schemas.microsoft.com/5.0.0.0/ConfigurationManager/Enrollment/DeviceEnrollmentToken"
	provisionDoc = "http://schemas.microsoft.com/5.0.0.0/ConfigurationManager/Enrollment/DeviceEnrollmentProvisionDoc"
	base64Binary = nsSecurity + "#base64binary"
)

// TokenRequest asks for a certificate and for the provisioning document
// ([MS-WSTEP] 3.1.4.1.1.1, [MS-MDE2] 3.4.4.1.1.1 and 3.5.4.1.1.1).
type TokenRequest struct {
	Header
	Credential  Credential
	RequestType RequestType
	// PKCS10 is the certificate request, in DER, of an Issue; see [ParseCSR].
	PKCS10 []byte
	// PKCS7 is the CMS SignedData of a Renew: a certificate request signed by
	// the key that is to be replaced. Neither of its signatures is verified
	// here.
	PKCS7 []byte
	// Context holds a DeviceID and an EnrollmentType of Full or Device when
	// this is an Issue. A Renew may have neither.
	Context AdditionalContext
}

// DecodeRequestSecurityToken reads the body of a RequestSecurityToken request.
// Errors are as of [DecodeDiscover].
func DecodeRequestSecurityToken(body []byte) (*TokenRequest, error) {
	env, err := openEnvelope(body)
	if err != nil {
		return nil, err
	}
	rst, err := env.payload(nsTrust, "RequestSecurityToken")
	if err != nil {
		return nil, err
	}
	out := &TokenRequest{Header: env.header}
	if out.Credential, err = env.credential(); err != nil {
		return nil, err
	}
	kind, err := rst.value(nsTrust, "RequestType")
	if err != nil {
		return nil, err
	}
	out.RequestType = RequestType(kind)
	if out.RequestType != Issue && out.RequestType != Renew {
		return nil, mdm.Errorf(mdm.CodeUnsupported, "RequestType", "the request type is neither Issue nor Renew")
	}
	if err := out.readRequest(rst); err != nil {
		return nil, err
	}
	context, err := rst.one(nsAuth, "AdditionalContext")
	if err != nil {
		return nil, err
	}
	if out.Context, err = readContext(context); err != nil {
		return nil, err
	}
	if out.RequestType == Issue {
		if err := out.Context.require(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// readRequest reads the certificate request. The value types of PKCS #7 differ
// between Microsoft's pages, so that only what follows the # is looked at.
func (t *TokenRequest) readRequest(rst *element) error {
	bin, err := rst.one(nsSecurity, "BinarySecurityToken")
	if err != nil {
		return err
	}
	if bin == nil {
		return mdm.Errorf(mdm.CodeInvalid, FieldCSR, "the request has no certificate request")
	}
	tok, err := readToken(FieldCSR, bin)
	if err != nil {
		return err
	}
	switch {
	case strings.HasSuffix(tok.ValueType, "#PKCS10") && t.RequestType == Issue:
		t.PKCS10 = tok.Data
	case strings.HasSuffix(tok.ValueType, "#PKCS7") && t.RequestType == Renew:
		t.PKCS7 = tok.Data
	default:
		return mdm.Errorf(mdm.CodeUnsupported, FieldCSR, "an Issue needs a PKCS #10 request and a Renew a PKCS #7 one")
	}
	return nil
}

// TokenReply hands a device its provisioning document.
type TokenReply struct {
	// Document is the bytes of a [ProvisioningDoc]; required.
	Document []byte
	// Now is when the reply is made; required. The reply is good for five
	// minutes from then.
	Now time.Time
}

// Encode writes the reply, a RequestSecurityTokenResponseCollection
// ([MS-MDE2] 3.4.4.1.1.2).
func (t TokenReply) Encode(r Reply) ([]byte, error) {
	if len(t.Document) == 0 {
		return nil, mdm.Errorf(mdm.CodeInvalid, "Document", "the reply has no provisioning document")
	}
	if t.Now.IsZero() {
		return nil, mdm.Errorf(mdm.CodeInvalid, "Now", "the reply has no time")
	}
	doc, head, body := newReply(OpRequestSecurityToken.replyAction(), r)
	doc.Root().CreateAttr("xmlns:u", nsUtility)

	sec := head.CreateElement("o:Security")
	sec.CreateAttr("xmlns:o", nsSecurity)
	sec.CreateAttr("s:mustUnderstand", "1")
	stamp := sec.CreateElement("u:Timestamp")
	stamp.CreateAttr("u:Id", "_0")
	addText(stamp, "u:Created", wireTime(t.Now))
	addText(stamp, "u:Expires", wireTime(t.Now.Add(5*time.Minute)))

	all := body.CreateElement("RequestSecurityTokenResponseCollection")
	all.CreateAttr("xmlns", nsTrust)
	one := all.CreateElement("RequestSecurityTokenResponse")
	addText(one, "TokenType", tokenType)
	one.CreateElement("DispositionMessage").CreateAttr("xmlns", nsEnroll)
	bin := one.CreateElement("RequestedSecurityToken").CreateElement("BinarySecurityToken")
	bin.CreateAttr("xmlns", nsSecurity)
	bin.CreateAttr("ValueType", provisionDoc)
	bin.CreateAttr("EncodingType", base64Binary)
	bin.SetText(base64.StdEncoding.EncodeToString(t.Document))
	id := one.CreateElement("RequestID")
	id.CreateAttr("xmlns", nsEnroll)
	id.SetText("0")
	return doc.WriteToBytes()
}

func wireTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
