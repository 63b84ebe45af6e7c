package mdmtest

import (
	"encoding/asn1"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// checkIdentity finds the payload that IdentityCertificateUUID names.
func (e *enrollment) checkIdentity() error {
	want := str(e.mdm, "IdentityCertificateUUID")
	if !identityUUIDFormat.MatchString(want) {
		return refuse(domainMDM, 12011, "IdentityCertificateUUID %q is not a UUID", want)
	}
	i := slices.IndexFunc(e.profile.payloads, func(pl map[string]any) bool { return str(pl, "PayloadUUID") == want })
	if i < 0 {
		return refuse(domainMDM, 12016, "IdentityCertificateUUID %q names no payload of the profile", want)
	}
	payload := e.profile.payloads[i]
	if t := str(payload, "PayloadType"); t != scepPayloadType {
		return refuse(domainMDM, 12016, "IdentityCertificateUUID names a payload of type %s; the simulator gets its identity over SCEP", t)
	}
	content, ok := payload["PayloadContent"].(map[string]any)
	if !ok {
		return refuse(domainProfile, 1002, "%s: PayloadContent is not a dictionary", scepPayloadType)
	}
	unknown, err := checkKeys(content, scepPayloadType, scepKeys)
	if err != nil {
		return err
	}
	e.remark(scepPayloadType, unknown)
	if unknown, err = checkKeys(payload, scepPayloadType, commonKeys, map[string]rule{"PayloadContent": {"dictionary", true}}); err != nil {
		return err
	}
	e.remark(scepPayloadType, unknown)
	e.scep = content
	if u, err := url.Parse(str(content, "URL")); err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" {
		return refuse(domainProfile, 1010, "%s: URL %q is not an HTTP URL", scepPayloadType, str(content, "URL"))
	}
	if t, ok := content["Key Type"]; ok && t != "RSA" {
		return refuse(domainProfile, 1010, "%s: Key Type is %q; only RSA exists", scepPayloadType, t)
	}
	size, given := asInt(content["Keysize"])
	if !given {
		size = 1024 // the schema's default
	}
	if size != 2048 && size != 4096 {
		return refuse(domainProfile, 1010, "%s: a key of %d bits (absent means 1024); set Keysize to 2048 or 4096", scepPayloadType, size)
	}
	if usage, ok := asInt(content["Key Usage"]); ok && usage&^5 != 0 {
		return refuse(domainProfile, 1010, "%s: Key Usage %d is not a sum of 1 and 4", scepPayloadType, usage)
	}
	if _, err := subjectRDN(content["Subject"]); err != nil {
		return err
	}
	if fp, ok := content["CAFingerprint"].([]byte); ok && fingerprint(len(fp), nil) == nil {
		return refuse(domainProfile, 1010, "%s: CAFingerprint of %d bytes is no MD5, SHA-1, SHA-256 or SHA-512", scepPayloadType, len(fp))
	}
	return nil
}

// subjectRDN turns the Subject of a SCEP payload into a DER name; nil if the
// payload has none.
func subjectRDN(v any) ([]byte, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, nil
	}
	malformed := refuse(domainProfile, 1010, "%s: Subject is not an array of arrays of OID and value", scepPayloadType)
	type pair struct {
		Type  asn1.ObjectIdentifier
		Value string
	}
	type set []pair
	var rdns []asn1.RawValue
	for _, rdn := range list {
		pairs, ok := rdn.([]any)
		if !ok || len(pairs) == 0 {
			return nil, malformed
		}
		var s set
		for _, p := range pairs {
			kv, ok := p.([]any)
			if !ok || len(kv) != 2 {
				return nil, malformed
			}
			name, ok1 := kv[0].(string)
			value, ok2 := kv[1].(string)
			oid := attributeOID(name)
			if !ok1 || !ok2 || oid == nil {
				return nil, malformed
			}
			s = append(s, pair{Type: oid, Value: value})
		}
		der, err := asn1.MarshalWithParams(s, "set")
		if err != nil {
			return nil, malformed
		}
		rdns = append(rdns, asn1.RawValue{FullBytes: der})
	}
	der, err := asn1.Marshal(rdns)
	if err != nil {
		return nil, malformed
	}
	return der, nil
}

// attributeOID resolves a shortcut of the schema or a dotted number; nil if
// neither.
func attributeOID(name string) asn1.ObjectIdentifier {
	shortcuts := map[string]int{"CN": 3, "C": 6, "L": 7, "ST": 8, "O": 10, "OU": 11}
	if n, ok := shortcuts[name]; ok {
		return asn1.ObjectIdentifier{2, 5, 4, n}
	}
	var oid asn1.ObjectIdentifier
	for part := range strings.SplitSeq(name, ".") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 {
			return nil
		}
		oid = append(oid, n)
	}
	if len(oid) < 2 {
		return nil
	}
	return oid
}
