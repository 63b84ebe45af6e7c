package mdmtest

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// pcCred is one APPAUTH block.
type pcCred struct {
	Type   string `json:"type"` // DIGEST or BASIC
	Name   string `json:"name"`
	Secret string `json:"secret"`
	Nonce  []byte `json:"nonce"`
}

// pcProvisioning is what a provisioning document sets.
type pcProvisioning struct {
	roots, intermediates []pcStoreCert
	leaf                 pcStoreCert
	store                string // "User" or "System"
	renew                map[string]string
	app                  map[string]string
	client, server       pcCred // AAUTHLEVEL CLIENT: what the server shows us; APPSRV: what we show it
	dmNode               string // DMClient/Provider/<this>
	dm                   map[string]string
	poll                 map[string]string
	hasDM                bool
}

// pcStoreCert is one certificate of the document, still undecoded.
type pcStoreCert struct {
	thumbprint string
	der        []byte
}

// pcReadProvisioning parses a provisioning document strictly ([MS-MDE2]
// 2.2.9.1 and the w7 APPLICATION and DMClient pages). Without findings the
// result is complete. A renewal's holds the certificate and an APPLICATION
// block that names the provider, and nothing else.
func pcReadProvisioning(doc []byte, renewal bool, f *pcFindings) *pcProvisioning {
	root, err := pcParseXML(doc)
	if err != nil {
		f.add(PCRuleXML, "the provisioning document: %v", err)
		return nil
	}
	p := &pcProvisioning{}
	if v, _ := root.attr("version"); root.name.Local != "wap-provisioningdoc" || v != "1.1" {
		f.add(PCRuleProvisioning, "the root is %s version %q, want wap-provisioningdoc 1.1", root.name.Local, v)
	}
	seen := map[string]int{}
	for _, c := range pcCharacteristics(root, "the document", f) {
		seen[c.kind]++
		switch c.kind {
		case "CertificateStore":
			p.readStores(c, f)
		case "APPLICATION":
			p.readApplication(c, renewal, f)
		case "DMClient":
			p.readDMClient(c, f)
		default:
			f.add(PCRuleProvisioning, "the top-level characteristic %q makes Windows refuse the document (0x83750005)", c.kind)
		}
	}
	need := []string{"CertificateStore", "APPLICATION", "DMClient"}
	if renewal {
		need = need[:2]
		for name := range p.app {
			if p.hasDM || name != "PROVIDER-ID" && name != "APPID" {
				f.add(PCRuleProvisioning, "a renewal sets the certificate and names the provider, and nothing else")
				break
			}
		}
	}
	for _, kind := range need {
		if seen[kind] == 0 {
			f.add(PCRuleProvisioning, "the characteristic %s is missing", kind)
		}
	}
	for kind, n := range seen {
		if n > 1 && kind != "CertificateStore" { // Microsoft's sample has two
			f.add(PCRuleProvisioning, "the characteristic %s occurs %d times", kind, n)
		}
	}
	if p.leaf.der == nil {
		f.add(PCRuleProvisioning, "no certificate in CertificateStore/My")
	}
	if len(p.roots) != 1 && !renewal || len(p.roots) > 1 || len(p.intermediates) > 1 {
		f.add(PCRuleProvisioning, "%d roots and %d intermediates; Windows takes one root and at most one intermediate", len(p.roots), len(p.intermediates))
	}
	if p.hasDM && p.dmNode != p.app["PROVIDER-ID"] {
		f.add(PCRuleProvisioning, "DMClient/Provider is %q, but PROVIDER-ID is %q", p.dmNode, p.app["PROVIDER-ID"])
	}
	return p
}

func (p *pcProvisioning) readStores(c pcChar, f *pcFindings) {
	for _, store := range pcCharacteristics(c.elem, "CertificateStore", f) {
		for _, sub := range pcCharacteristics(store.elem, store.kind, f) {
			switch store.kind + "/" + sub.kind {
			case "Root/System":
				p.roots = append(p.roots, pcCerts(sub, false, f)...)
			case "CA/System":
				p.intermediates = append(p.intermediates, pcCerts(sub, false, f)...)
			case "My/User", "My/System":
				certs := pcCerts(sub, true, f)
				if len(certs) != 1 || p.leaf.der != nil {
					f.add(PCRuleProvisioning, "CertificateStore/My needs exactly one certificate")
				}
				for _, cert := range certs {
					p.leaf, p.store = cert, sub.kind
				}
			case "My/WSTEP":
				p.readRenew(sub, f)
			default:
				f.add(PCRuleProvisioning, "unknown store %s/%s", store.kind, sub.kind)
			}
		}
	}
}

// pcCerts reads the certificates of a store; identity is set for My, where the
// private key waits for its certificate.
func pcCerts(store pcChar, identity bool, f *pcFindings) []pcStoreCert {
	var out []pcStoreCert
	container := false
	for _, c := range pcCharacteristics(store.elem, store.kind, f) {
		// Microsoft's own samples have it beside the certificate and inside it.
		if c.kind == "PrivateKeyContainer" && identity {
			container = true
			continue
		}
		for _, inner := range pcCharacteristics(c.elem, c.kind, f) {
			if inner.kind == "PrivateKeyContainer" && identity {
				container = true
			} else {
				f.add(PCRuleProvisioning, "unknown characteristic %s in a certificate", inner.kind)
			}
		}
		c.only(f, "EncodedCertificate")
		der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(c.parms["EncodedCertificate"]), ""))
		if err != nil || len(der) == 0 {
			f.add(PCRuleProvisioning, "EncodedCertificate of %s is not base64", c.kind)
			continue
		}
		out = append(out, pcStoreCert{thumbprint: c.kind, der: der})
	}
	if identity && !container {
		f.add(PCRuleProvisioning, "PrivateKeyContainer is missing")
	}
	return out
}

func (p *pcProvisioning) readRenew(wstep pcChar, f *pcFindings) {
	for _, c := range pcCharacteristics(wstep.elem, "WSTEP", f) {
		if c.kind != "Renew" {
			f.add(PCRuleProvisioning, "unknown characteristic WSTEP/%s", c.kind)
			continue
		}
		c.only(f, "ROBOSupport", "RenewPeriod", "RetryInterval", "ServerURL")
		c.typed(f, "boolean", "ROBOSupport")
		c.typed(f, "integer", "RenewPeriod", "RetryInterval")
		if v, ok := c.parms["ROBOSupport"]; ok && v != "true" {
			f.add(PCRuleProvisioning, "ROBOSupport is %q; automatic renewal cannot be turned off", v)
		}
		period, retry := pcIntOr(c.parms["RenewPeriod"], 42), pcIntOr(c.parms["RetryInterval"], 7)
		if period < 1 || retry < 1 || retry > 1000 || retry > period {
			f.add(PCRuleProvisioning, "RenewPeriod %d and RetryInterval %d: the interval is 1 to 1000 and not above the period", period, retry)
		}
		p.renew = c.parms
	}
}

func pcIntOr(s string, or int) int {
	if s == "" {
		return or
	}
	n, _ := strconv.Atoi(s) // a wrong one was reported, and is 0
	return n
}

func (p *pcProvisioning) readApplication(c pcChar, renewal bool, f *pcFindings) {
	p.app = c.parms
	c.only(f, "APPID", "PROVIDER-ID", "NAME", "ADDR", "CONNRETRYFREQ", "INITIALBACKOFFTIME", "MAXBACKOFFTIME",
		"BACKCOMPATRETRYDISABLED", "DEFAULTENCODING", "SSLCLIENTCERTSEARCHCRITERIA", "PROTOVER", "USEHWDEVID")
	c.need(f, "PROVIDER-ID")
	if strings.ContainsAny(c.parms["PROVIDER-ID"], " \t\r\n/") {
		f.add(PCRuleProvisioning, "PROVIDER-ID %q has a space or a slash", c.parms["PROVIDER-ID"])
	}
	if id := c.parms["APPID"]; id != "w7" && (id != "" || !renewal) {
		f.add(PCRuleProvisioning, "APPID is %q, want w7", id)
	}
	for _, n := range []string{"CONNRETRYFREQ", "INITIALBACKOFFTIME", "MAXBACKOFFTIME"} {
		if v, ok := c.parms[n]; ok {
			if i, err := strconv.Atoi(v); err != nil || i < 0 {
				f.add(PCRuleProvisioning, "parm APPLICATION/%s is %q, not a number", n, v)
			}
		}
	}
	auths := pcCharacteristics(c.elem, "APPLICATION", f)
	if renewal {
		return
	}
	c.need(f, "NAME", "ADDR", "DEFAULTENCODING", "SSLCLIENTCERTSEARCHCRITERIA")
	if u, err := url.Parse(c.parms["ADDR"]); err != nil || u.Scheme != "https" || u.Host == "" {
		f.add(PCRuleProvisioning, "ADDR is %q, not an https URL", c.parms["ADDR"])
	}
	if e := c.parms["DEFAULTENCODING"]; e != pcMediaDM {
		f.add(PCRuleProvisioning, "DEFAULTENCODING is %q, want %s", e, pcMediaDM)
	}
	levels := map[string]int{}
	for _, a := range auths {
		levels[p.readAuth(a, f)]++
	}
	if len(auths) != 2 || levels["CLIENT"] != 1 || levels["APPSRV"] != 1 {
		f.add(PCRuleProvisioning, "APPLICATION needs two APPAUTH, one CLIENT and one APPSRV")
	} else if string(p.client.Nonce) == string(p.server.Nonce) {
		f.add(PCRuleProvisioning, "both APPAUTH have the same nonce")
	}
}

// readAuth reads one APPAUTH and returns its level.
func (p *pcProvisioning) readAuth(a pcChar, f *pcFindings) string {
	if a.kind != "APPAUTH" {
		f.add(PCRuleProvisioning, "unknown characteristic APPLICATION/%s", a.kind)
		return ""
	}
	a.only(f, "AAUTHLEVEL", "AAUTHTYPE", "AAUTHNAME", "AAUTHSECRET", "AAUTHDATA")
	level := a.parms["AAUTHLEVEL"]
	nonce, err := base64.StdEncoding.Strict().DecodeString(a.parms["AAUTHDATA"])
	if err != nil || len(nonce) == 0 {
		f.add(PCRuleProvisioning, "AAUTHDATA of %s is %q, not a padded base64 nonce (0x80180023)", level, a.parms["AAUTHDATA"])
	}
	cred := pcCred{Type: a.parms["AAUTHTYPE"], Name: a.parms["AAUTHNAME"], Secret: a.parms["AAUTHSECRET"], Nonce: nonce}
	a.need(f, "AAUTHSECRET")
	switch level {
	case "CLIENT":
		p.client = cred
		if cred.Type != "DIGEST" {
			f.add(PCRuleProvisioning, "AAUTHTYPE of CLIENT is %q, want DIGEST", cred.Type)
		}
	case "APPSRV":
		p.server = cred
		a.need(f, "AAUTHNAME")
		if cred.Type != "DIGEST" && cred.Type != "BASIC" {
			f.add(PCRuleProvisioning, "AAUTHTYPE of APPSRV is %q, want DIGEST or BASIC", cred.Type)
		}
	}
	return level
}

func (p *pcProvisioning) readDMClient(c pcChar, f *pcFindings) {
	p.hasDM = true
	for _, providers := range pcCharacteristics(c.elem, "DMClient", f) {
		if providers.kind != "Provider" {
			f.add(PCRuleProvisioning, "unknown characteristic DMClient/%s", providers.kind)
			continue
		}
		for _, p1 := range pcCharacteristics(providers.elem, "Provider", f) {
			if p.dmNode != "" {
				f.add(PCRuleProvisioning, "DMClient has more than one provider")
			}
			p.dmNode, p.dm = p1.kind, p1.parms
			p.readProvider(p1, f)
		}
	}
	if p.dmNode == "" {
		f.add(PCRuleProvisioning, "DMClient names no provider")
	}
	if p.poll == nil {
		f.add(PCRuleProvisioning, "DMClient/Provider/%s has no Poll", p.dmNode)
	}
}

// readProvider reads what is set below DMClient/Provider. One name that is no node
// there makes the whole document fail.
func (p *pcProvisioning) readProvider(c pcChar, f *pcFindings) {
	c.only(f, "UPN", "EntDeviceName", "EntDMID", "SignedEntDMID", "CertRenewTimeStamp", "PublisherDeviceID", "ManagementServiceAddress",
		"HelpPhoneNumber", "HelpWebsite", "HelpEmailAddress", "RequireMessageSigning", "SyncApplicationVersion", "AADResourceID",
		"AADSendDeviceToken", "EnableOmaDmKeepAliveMessage", "CommercialID", "ManagementServerAddressList",
		"ManagementServerToUpgradeTo", "NumberOfDaysAfterLostContactToUnenroll", "ForceAadToken")
	c.need(f, "EntDMID")
	c.typed(f, "boolean", "RequireMessageSigning", "EnableOmaDmKeepAliveMessage", "AADSendDeviceToken")
	c.typed(f, "integer", "NumberOfDaysAfterLostContactToUnenroll")
	for _, sub := range pcCharacteristics(c.elem, c.kind, f) {
		switch sub.kind {
		case "Poll":
			p.readPoll(sub, f)
		case "FirstSyncStatus", "CustomEnrollmentCompletePage", "EnhancedAppLayerSecurity", "ConfigLock", "ConfigRefresh",
			"LinkedEnrollment", "MultipleSession", "Recovery": // have their own pages
		case "Push":
			f.add(PCRuleProvisioning, "Push cannot be set at enrollment")
		default:
			f.add(PCRuleProvisioning, "unknown characteristic DMClient/Provider/%s/%s", c.kind, sub.kind)
		}
	}
}

func (p *pcProvisioning) readPoll(c pcChar, f *pcFindings) {
	counts := []string{
		"NumberOfFirstRetries", "IntervalForFirstSetOfRetries", "NumberOfSecondRetries",
		"IntervalForSecondSetOfRetries", "NumberOfRemainingScheduledRetries", "IntervalForRemainingScheduledRetries",
	}
	flags := []string{"PollOnLogin", "AllUsersPollOnFirstLogin"}
	c.only(f, append(slices.Clone(counts), flags...)...)
	c.need(f, counts...)
	c.typed(f, "integer", counts...)
	c.typed(f, "boolean", flags...)
	for _, n := range counts {
		if i, err := strconv.Atoi(c.parms[n]); err != nil || i < 0 {
			f.add(PCRuleProvisioning, "Poll/%s is %q, not a number of retries or minutes", n, c.parms[n])
		}
	}
	p.poll = c.parms
}
