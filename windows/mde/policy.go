package mde

import (
	"strconv"
	"time"

	"github.com/beevik/etree"

	"github.com/keelson-mdm/keelson/mdm"
)

// PoliciesRequest asks for the rules of certificate requests ([MS-XCEP]
// 3.1.4.1.2.1). It already carries the credential of the enrollment, which is
// to be judged here, so that a wrong password is told before a key is made.
type PoliciesRequest struct {
	Header
	Credential Credential
	// What newer builds tell of their TPM; empty otherwise.
	TPMManufacturer, TPMFirmwareVersion string
}

// DecodeGetPolicies reads the body of a GetPolicies request. Errors are as of
// [DecodeDiscover].
func DecodeGetPolicies(body []byte) (*PoliciesRequest, error) {
	env, err := openEnvelope(body)
	if err != nil {
		return nil, err
	}
	get, err := env.payload(nsPolicy, "GetPolicies")
	if err != nil {
		return nil, err
	}
	out := &PoliciesRequest{Header: env.header}
	if out.Credential, err = env.credential(); err != nil {
		return nil, err
	}
	client, err := get.one(nsPolicy, "client")
	if err != nil {
		return nil, err
	}
	err = client.values(nsPolicy,
		field{"TPMManufacturer", &out.TPMManufacturer}, field{"TPMFirmwareVersion", &out.TPMFirmwareVersion})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// The providers of keys that Windows has.
const (
	ProviderTPM      = "Microsoft Platform Crypto Provider"
	ProviderSoftware = "Microsoft Software Key Storage Provider"
)

// PoliciesReply tells a device what certificate request to make: an RSA key of
// 2048 bits, signed with SHA-256. Of the rest a Windows client reads only the
// providers. The zero value is a good reply.
type PoliciesReply struct {
	// CommonName names the policy in the client's log. Empty means "Keelson".
	CommonName string
	// Validity and Renewal are informative: the lifetime of the certificate,
	// and how long before its end it is renewed. Zero means 365 and 42 days.
	Validity, Renewal time.Duration
	// Providers are where the key may live, the most wanted first. Nil means
	// the TPM, then software; empty leaves the choice to the client.
	Providers []string
}

// Encode writes the reply in the order of [MS-XCEP] 3.1.4.1.3.
func (p PoliciesReply) Encode(r Reply) ([]byte, error) {
	if p.CommonName == "" {
		p.CommonName = "Keelson"
	}
	if p.Validity == 0 {
		p.Validity = 365 * 24 * time.Hour
	}
	if p.Renewal == 0 {
		p.Renewal = 42 * 24 * time.Hour
	}
	if p.Providers == nil {
		p.Providers = []string{ProviderTPM, ProviderSoftware}
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	doc, _, body := newReply(OpGetPolicies.replyAction(), r)
	body.CreateAttr("xmlns:xsi", nsXSI)
	body.CreateAttr("xmlns:xsd", nsXSD)
	root := body.CreateElement("GetPoliciesResponse")
	root.CreateAttr("xmlns", nsPolicy)

	resp := root.CreateElement("response")
	resp.CreateElement("policyID")
	addNil(resp, "policyFriendlyName", "nextUpdateHours", "policiesNotChanged")
	policy := resp.CreateElement("policies").CreateElement("policy")
	addText(policy, "policyOIDReference", "0")
	addNil(policy, "cAs")
	p.attributes(policy.CreateElement("attributes"))

	addNil(root, "cAs")
	oid := root.CreateElement("oIDs").CreateElement("oID")
	addText(oid, "value", "2.16.840.1.101.3.4.2.1")
	// [MS-MDE2] 3.3.4.1.1.2 speaks of group 1, its example 4.2.2 for SHA-256
	// of group 4. Devices were seen to accept the example.
	addText(oid, "group", "4")
	addText(oid, "oIDReferenceID", "0")
	addText(oid, "defaultName", "szOID_NIST_sha256")
	return doc.WriteToBytes()
}

func (p PoliciesReply) attributes(at *etree.Element) {
	addText(at, "commonName", p.CommonName)
	addText(at, "policySchema", "3")
	validity := at.CreateElement("certificateValidity")
	addText(validity, "validityPeriodSeconds", strconv.FormatInt(int64(p.Validity/time.Second), 10))
	addText(validity, "renewalPeriodSeconds", strconv.FormatInt(int64(p.Renewal/time.Second), 10))
	permission := at.CreateElement("permission")
	addText(permission, "enroll", "true")
	addText(permission, "autoEnroll", "false")
	key := at.CreateElement("privateKeyAttributes")
	addText(key, "minimalKeyLength", "2048")
	addNil(key, "keySpec", "keyUsageProperty", "permissions", "algorithmOIDReference")
	if len(p.Providers) == 0 {
		addNil(key, "cryptoProviders")
	} else {
		list := key.CreateElement("cryptoProviders")
		for _, name := range p.Providers {
			addText(list, "provider", name)
		}
	}
	revision := at.CreateElement("revision")
	addText(revision, "majorRevision", "101")
	addText(revision, "minorRevision", "0")
	addNil(at, "supersededPolicies", "privateKeyFlags", "subjectNameFlags", "enrollmentFlags", "generalFlags")
	addText(at, "hashAlgorithmOIDReference", "0")
	addNil(at, "rARequirements", "keyArchivalAttributes", "extensions")
}

func (p PoliciesReply) check() error {
	if p.Validity < time.Second || p.Renewal < time.Second || p.Renewal >= p.Validity {
		return mdm.Errorf(mdm.CodeInvalid, "Renewal", "the renewal period must be positive and shorter than the validity")
	}
	for _, name := range p.Providers {
		if name == "" {
			return mdm.Errorf(mdm.CodeInvalid, "Providers", "a provider has no name")
		}
		if err := checkText("Providers", name); err != nil {
			return err
		}
	}
	return checkText("CommonName", p.CommonName)
}

// addNil adds elements that have no value; the xsi prefix must be declared.
func addNil(parent *etree.Element, tags ...string) {
	for _, tag := range tags {
		parent.CreateElement(tag).CreateAttr("xsi:nil", "true")
	}
}
