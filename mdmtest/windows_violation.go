package mdmtest

import (
	"errors"
	"fmt"
	"slices"
)

// PCRule names a rule that a server broke. Rules are stable, so that a test
// can tolerate one by name ([PCOptions].Tolerate).
type PCRule string

// The rules that a [PCDevice] judges.
const (
	PCRuleHTTP         PCRule = "http"         // status, Content-Type, Content-Length, chunking
	PCRuleSize         PCRule = "size"         // a reply, or a limit that the server announced
	PCRuleXML          PCRule = "xml"          // not well-formed, a DTD, an unbound prefix
	PCRuleSOAP         PCRule = "soap"         // Action, RelatesTo, the envelope, a fault's form
	PCRuleDiscovery    PCRule = "discovery"    // DiscoverResponse
	PCRulePolicy       PCRule = "policy"       // GetPoliciesResponse
	PCRuleProvisioning PCRule = "provisioning" // the provisioning document
	PCRuleCertificate  PCRule = "certificate"  // the identity that was issued
	PCRuleSyntax       PCRule = "syntax"       // SyncML that is not what its DTD allows
	PCRuleHeader       PCRule = "header"       // SyncHdr
	PCRuleStatus       PCRule = "status"       // statuses of our commands
	PCRuleCommand      PCRule = "command"      // CmdIDs, items, formats
	PCRuleLocURI       PCRule = "locuri"       // an address that no device takes
	PCRuleAtomic       PCRule = "atomic"       // nesting, Get inside, Add and Replace of one node
	PCRuleFinal        PCRule = "final"        // no Final
	PCRuleReplay       PCRule = "replay"       // the same POST was answered differently
)

// PCViolation is one place where the server did not keep to the protocol. As
// an error it is what makes [PCDevice.Enroll] fail.
type PCViolation struct {
	Rule    PCRule `json:"rule"`
	Where   string `json:"where"`             // "discover", "policies", "enroll", "renew" or "session"
	Session string `json:"session,omitempty"` // SessionID, in a session
	Message int    `json:"message,omitempty"` // our MsgID that was answered so, in a session
	Detail  string `json:"detail"`
}

// Error implements error.
func (v PCViolation) Error() string {
	where := v.Where
	if v.Session != "" {
		where += fmt.Sprintf(" %s message %d", v.Session, v.Message)
	}
	return fmt.Sprintf("the server broke the %s rule in %s: %s", v.Rule, where, v.Detail)
}

// pcMaxViolations bounds what one PC remembers of a server that is wrong in
// every message.
const pcMaxViolations = 1000

// pcFindings gathers what a judge of one reply found.
type pcFindings []PCViolation

func (f *pcFindings) add(rule PCRule, format string, args ...any) {
	*f = append(*f, PCViolation{Rule: rule, Detail: fmt.Sprintf(format, args...)})
}

// Violations returns what the server did wrong, in order, without the rules
// that are tolerated. At most 1000 are kept.
func (d *PCDevice) Violations() []PCViolation {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.violations)
}

// note keeps the findings under the place they belong to, and returns those
// that are not tolerated as one error.
func (d *PCDevice) note(where, session string, message int, found pcFindings) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var errs []error
	for _, v := range found {
		if slices.Contains(d.opts.Tolerate, v.Rule) {
			continue
		}
		v.Where, v.Session, v.Message = where, session, message
		errs = append(errs, v)
		if len(d.violations) < pcMaxViolations {
			d.violations = append(d.violations, v)
		}
	}
	return errors.Join(errs...)
}
