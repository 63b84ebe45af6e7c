package mde

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/keelson-mdm/keelson/mdm"
)

// DiscoverRequest is what a device asks first ([MS-MDE2] 3.1.4.1.3.1).
type DiscoverRequest struct {
	Header
	// EmailAddress is what the user typed: an address, DOMAIN\user, or nothing.
	EmailAddress string
	// RequestVersion is the highest version that the device speaks; see
	// [NegotiateVersion].
	RequestVersion     Version
	DeviceType         string // CIMClient_Windows
	ApplicationVersion string // the build, such as 10.0.22621.1
	OSEdition          uint32 // a PRODUCT_ number of Windows; zero when not said
	AuthPolicies       []AuthPolicy
}

// DecodeDiscover reads the body of a Discover request. Errors are [*mdm.Error]
// with [mdm.CodeMalformed], [mdm.CodeTooLarge], [mdm.CodeUnsupported] or
// [mdm.CodeInvalid].
func DecodeDiscover(body []byte) (*DiscoverRequest, error) {
	env, err := openEnvelope(body)
	if err != nil {
		return nil, err
	}
	discover, err := env.payload(nsManagement, "Discover")
	if err != nil {
		return nil, err
	}
	r, err := discover.one(nsManagement, "request")
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, mdm.Errorf(mdm.CodeMalformed, "request", "Discover has no request element")
	}
	out := &DiscoverRequest{Header: env.header}
	var version, edition string
	err = r.values(nsManagement,
		field{"EmailAddress", &out.EmailAddress}, field{"RequestVersion", &version}, field{"DeviceType", &out.DeviceType},
		field{"ApplicationVersion", &out.ApplicationVersion}, field{"OSEdition", &edition})
	if err != nil {
		return nil, err
	}
	if version != "" {
		if out.RequestVersion, err = ParseVersion(version); err != nil {
			return nil, err
		}
	}
	if edition != "" {
		n, err := strconv.ParseUint(edition, 10, 32)
		if err != nil {
			return nil, mdm.Errorf(mdm.CodeInvalid, "OSEdition", "OSEdition is not a number")
		}
		out.OSEdition = uint32(n)
	}
	policies, err := r.one(nsManagement, "AuthPolicies")
	if err != nil {
		return nil, err
	}
	for _, p := range policies.all(nsManagement, "AuthPolicy") {
		out.AuthPolicies = append(out.AuthPolicies, AuthPolicy(strings.TrimSpace(p.text)))
	}
	return out, nil
}

// DiscoverReply tells a device how and where to go on ([MS-MDE2] 3.1.4.1.3.2).
// Every URL is https.
type DiscoverReply struct {
	AuthPolicy AuthPolicy // required; see [ChooseAuthPolicy]
	Version    Version    // required; see [NegotiateVersion]
	// PolicyURL and EnrollmentURL are required and have the same host.
	PolicyURL     string
	EnrollmentURL string
	// AuthenticationURL is the page of the web sign-in: given with
	// [AuthFederated] and with nothing else. Empty is right for devices that
	// bring a token of their own.
	AuthenticationURL string
}

// Encode writes the reply. A value that a device would stumble over is
// [mdm.CodeInvalid], which is a fault of the configuration.
func (d DiscoverReply) Encode(r Reply) ([]byte, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	doc, _, body := newReply(OpDiscover.replyAction(), r)
	resp := body.CreateElement("DiscoverResponse")
	resp.CreateAttr("xmlns", nsManagement)
	res := resp.CreateElement("DiscoverResult")
	addText(res, "AuthPolicy", string(d.AuthPolicy))
	addText(res, "EnrollmentVersion", d.Version.String())
	addText(res, "EnrollmentPolicyServiceUrl", d.PolicyURL)
	addText(res, "EnrollmentServiceUrl", d.EnrollmentURL)
	if d.AuthenticationURL != "" {
		addText(res, "AuthenticationServiceUrl", d.AuthenticationURL)
	}
	return doc.WriteToBytes()
}

func (d DiscoverReply) check() error {
	switch d.AuthPolicy {
	case AuthOnPremise, AuthFederated, AuthCertificate:
	default:
		return mdm.Errorf(mdm.CodeInvalid, "AuthPolicy", "the auth policy %q is none of OnPremise, Federated and Certificate", d.AuthPolicy)
	}
	if d.Version < MinVersion {
		return mdm.Errorf(mdm.CodeInvalid, "Version", "the version %v is below %v", d.Version, MinVersion)
	}
	policy, err := httpsURL("PolicyURL", d.PolicyURL)
	if err != nil {
		return err
	}
	enroll, err := httpsURL("EnrollmentURL", d.EnrollmentURL)
	if err != nil {
		return err
	}
	if !strings.EqualFold(policy.Host, enroll.Host) {
		return mdm.Errorf(mdm.CodeInvalid, "PolicyURL", "the policy and enrollment URLs must have the same host")
	}
	if d.AuthenticationURL == "" {
		return nil
	}
	if d.AuthPolicy != AuthFederated {
		return mdm.Errorf(mdm.CodeInvalid, "AuthenticationURL", "the authentication URL goes with the auth policy Federated only")
	}
	_, err = httpsURL("AuthenticationURL", d.AuthenticationURL)
	return err
}

// httpsURL parses an absolute https URL that a device can be given.
func httpsURL(field, raw string) (*url.URL, error) {
	if err := checkText(field, raw); err != nil {
		return nil, err
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" {
		return nil, mdm.Errorf(mdm.CodeInvalid, field, "%s is not an absolute https URL without user and fragment", field)
	}
	return u, nil
}
