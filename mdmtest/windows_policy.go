package mdmtest

import (
	"context"
	"slices"
	"strconv"
	"strings"
)

// policies asks for the certificate policy. Windows consumes the key length,
// the hash algorithm and the providers only; the rest of the reply is judged
// against the schema of [MS-XCEP] 3.1.4.1.3.
func (d *PCDevice) policies(ctx context.Context, c *pcClient, to, security string) error {
	op := pcPoliciesOp()
	body := `<GetPolicies xmlns="` + pcNSPolicy + `"><client><lastUpdate xsi:nil="true"/><preferredLanguage xsi:nil="true"/>` +
		`</client><requestFilter xsi:nil="true"/></GetPolicies>`
	var f pcFindings
	_, reply, err := d.call(ctx, c, op, to, pcEnvelope(op, to, security, body), &f)
	if err != nil {
		return err
	}
	pcJudgePolicies(reply, &f)
	return d.note(op.where, "", 0, f)
}

// pcPolicySchema lists the children of the elements of the reply, in order; a
// '?' may be absent.
func pcPolicySchema(element string) string {
	switch element {
	case "GetPoliciesResponse":
		return "response cAs oIDs"
	case "response":
		return "policyID policyFriendlyName nextUpdateHours policiesNotChanged policies"
	case "policy":
		return "policyOIDReference cAs attributes"
	case "attributes":
		return "commonName? policySchema certificateValidity permission privateKeyAttributes revision supersededPolicies " +
			"privateKeyFlags subjectNameFlags enrollmentFlags generalFlags hashAlgorithmOIDReference rARequirements " +
			"keyArchivalAttributes extensions"
	case "certificateValidity":
		return "validityPeriodSeconds renewalPeriodSeconds"
	case "permission":
		return "enroll autoEnroll"
	case "privateKeyAttributes":
		return "minimalKeyLength keySpec keyUsageProperty permissions algorithmOIDReference cryptoProviders"
	case "revision":
		return "majorRevision minorRevision"
	case "oID":
		return "value group oIDReferenceID defaultName"
	}
	return ""
}

func pcJudgePolicies(reply *pcElem, f *pcFindings) {
	if reply.name.Space != pcNSPolicy || reply.name.Local != "GetPoliciesResponse" {
		f.add(PCRulePolicy, "the body holds {%s}%s, not GetPoliciesResponse", reply.name.Space, reply.name.Local)
		return
	}
	pcJudgePolicyElement(reply, f)
	policies := reply.child(pcNSPolicy, "response").child(pcNSPolicy, "policies").all(pcNSPolicy, "policy")
	if len(policies) == 0 {
		f.add(PCRulePolicy, "the reply has no policy")
		return
	}
	oids := map[string]string{} // by reference id
	for _, o := range reply.child(pcNSPolicy, "oIDs").all(pcNSPolicy, "oID") {
		oids[o.child(pcNSPolicy, "oIDReferenceID").value()] = o.child(pcNSPolicy, "value").value()
	}
	attributes := policies[0].child(pcNSPolicy, "attributes")
	length := attributes.child(pcNSPolicy, "privateKeyAttributes").child(pcNSPolicy, "minimalKeyLength").value()
	if n, err := strconv.Atoi(length); err != nil || n < 1024 || n > 2048 {
		f.add(PCRulePolicy, "minimalKeyLength is %q, Windows makes RSA-2048", length)
	}
	ref := attributes.child(pcNSPolicy, "hashAlgorithmOIDReference")
	if hash := oids[ref.value()]; !slices.Contains([]string{"2.16.840.1.101.3.4.2.1", "1.3.14.3.2.29"}, hash) {
		f.add(PCRulePolicy, "hashAlgorithmOIDReference %q leads to the algorithm %q, want SHA-256", ref.value(), hash)
	}
	if enroll := attributes.child(pcNSPolicy, "permission").child(pcNSPolicy, "enroll").value(); enroll != "true" {
		f.add(PCRulePolicy, "permission/enroll is %q", enroll)
	}
}

// pcJudgePolicyElement checks the order of children and the form of nil, all
// the way down.
func pcJudgePolicyElement(e *pcElem, f *pcFindings) {
	for _, a := range e.attrs {
		if a.Name.Local == "nil" && a.Name.Space != pcNSXSI {
			f.add(PCRulePolicy, "the nil of %s is not in the XMLSchema-instance namespace", e.name.Local)
		}
	}
	if v, ok := e.attr("nil"); ok {
		if v != "true" && v != "1" || len(e.kids) > 0 || e.value() != "" {
			f.add(PCRulePolicy, "%s is nil=%q and must be empty then", e.name.Local, v)
		}
		return
	}
	if schema := pcPolicySchema(e.name.Local); schema != "" {
		i := 0
		for _, want := range strings.Fields(schema) {
			name, optional := strings.CutSuffix(want, "?")
			if i < len(e.kids) && e.kids[i].name.Local == name {
				i++
			} else if !optional {
				f.add(PCRulePolicy, "%s is missing in %s, or not in its place", name, e.name.Local)
				return
			}
		}
		if i < len(e.kids) {
			f.add(PCRulePolicy, "%s has the unknown element %s", e.name.Local, e.kids[i].name.Local)
		}
	}
	for _, k := range e.kids {
		if k.name.Space != pcNSPolicy {
			f.add(PCRulePolicy, "%s is not in the policy namespace", k.name.Local)
			continue
		}
		pcJudgePolicyElement(k, f)
	}
}
