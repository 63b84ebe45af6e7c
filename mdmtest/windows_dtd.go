package mdmtest

import (
	"fmt"
	"slices"
	"strings"
)

// The namespaces of SyncML 1.2.
const (
	pcNSSyncML  = "SYNCML:SYNCML1.2"
	pcNSMetInf  = "syncml:metinf"
	pcNSMSFT    = "http://schemas.microsoft.com/MobileDevice/MDM"
	pcDMCommand = "Alert|Atomic|Copy|Exec|Get|Map|Put|Results|Search|Sequence|Status|Sync|Add|Move|Replace|Delete"
)

// pcDTD returns the content model of an element of the SyncML representation
// protocol 1.2: names in order, with the DTD's '?', '*' and '+', and '|'
// between alternatives. "#" is text. Unknown elements have none.
func pcDTD(element string) string {
	switch element {
	case "SyncML":
		return "SyncHdr SyncBody"
	case "SyncHdr":
		return "VerDTD VerProto SessionID MsgID Target Source RespURI? NoResp? Cred? Meta?"
	case "SyncBody":
		return pcDMCommand + "+ Final?"
	case "Target":
		return "LocURI LocName? Filter?"
	case "Source":
		return "LocURI LocName?"
	case "TargetParent", "SourceParent":
		return "LocURI"
	case "Cred":
		return "Meta? Data"
	case "Chal":
		return "Meta"
	case "Status":
		return "CmdID MsgRef CmdRef Cmd TargetRef* SourceRef* Cred? Chal? Data? Item*"
	case "Results":
		return "CmdID MsgRef? CmdRef Meta? TargetRef? SourceRef? Item+"
	case "Alert":
		return "CmdID NoResp? Cred? Data? Correlator? Item*"
	case "Add", "Replace", "Copy", "Move":
		return "CmdID NoResp? Cred? Meta? Item+"
	case "Exec":
		return "CmdID NoResp? Cred? Meta? Correlator? Item+"
	case "Get", "Put":
		return "CmdID NoResp? Lang? Cred? Meta? Item+"
	case "Delete":
		return "CmdID NoResp? Archive? SftDel? Cred? Meta? Item+"
	case "Atomic", "Sequence":
		return "CmdID NoResp? Meta? " + pcDMCommand + "+"
	case "Item":
		return "Target? Source? SourceParent? TargetParent? Meta? Data? MoreData?"
	case "Meta":
		return "%" // MetInf, in any order
	case "VerDTD", "VerProto", "SessionID", "MsgID", "MsgRef", "CmdID", "CmdRef", "Cmd", "TargetRef", "SourceRef",
		"LocURI", "LocName", "Data", "Lang", "RespURI", "Correlator":
		return "#"
	case "Final", "NoResp", "MoreData", "Archive", "SftDel":
		return ""
	}
	return "!"
}

// pcMetInf are the elements that a Meta may hold.
var pcMetInf = []string{
	"Format", "Type", "Mark", "Size", "Anchor", "Version", "NextNonce", "MaxMsgSize", "MaxObjSize", "EMI", "Mem", "FieldLevel",
}

// pcCheckDTD returns the first thing in e that the DTD does not allow, or nil.
// A device that meets one rejects the whole message.
func pcCheckDTD(e *pcElem) error {
	if e.name.Space != pcNSSyncML {
		return fmt.Errorf("element %s is in the namespace %q, want %s", e.name.Local, e.name.Space, pcNSSyncML)
	}
	model := pcDTD(e.name.Local)
	switch model {
	case "!":
		return fmt.Errorf("element %s is not part of SyncML", e.name.Local)
	case "#":
		if len(e.kids) > 0 {
			return fmt.Errorf("element %s holds the element %s; markup in it must be escaped", e.name.Local, e.kids[0].name.Local)
		}
		return nil
	case "%":
		return pcCheckMeta(e)
	}
	if strings.TrimSpace(e.text) != "" {
		return fmt.Errorf("text in element %s", e.name.Local)
	}
	if err := pcCheckOrder(e, strings.Fields(model)); err != nil {
		return err
	}
	for _, k := range e.kids {
		if err := pcCheckDTD(k); err != nil {
			return err
		}
	}
	return nil
}

func pcCheckOrder(e *pcElem, model []string) error {
	i := 0
	for _, particle := range model {
		names := strings.Split(strings.TrimRight(particle, "?*+"), "|")
		least, most := 1, 1
		switch particle[len(particle)-1] {
		case '?':
			least = 0
		case '*':
			least, most = 0, len(e.kids)
		case '+':
			most = len(e.kids)
		}
		n := 0
		for n < most && i < len(e.kids) && slices.Contains(names, e.kids[i].name.Local) {
			n, i = n+1, i+1
		}
		if n < least {
			if len(names) > 1 {
				names = []string{"a command"}
			}
			return fmt.Errorf("%s: %s is missing, or not in its place", e.name.Local, names[0])
		}
	}
	if i < len(e.kids) {
		return fmt.Errorf("%s: %s is unknown, or not in its place", e.name.Local, e.kids[i].name.Local)
	}
	return nil
}

func pcCheckMeta(e *pcElem) error {
	var seen []string
	for _, k := range e.kids {
		switch {
		case k.name.Space != pcNSMetInf:
			return fmt.Errorf("in Meta, %s is in the namespace %q, want %s", k.name.Local, k.name.Space, pcNSMetInf)
		case !slices.Contains(pcMetInf, k.name.Local):
			return fmt.Errorf("in Meta, %s is unknown", k.name.Local)
		case slices.Contains(seen, k.name.Local):
			return fmt.Errorf("in Meta, %s occurs twice", k.name.Local)
		}
		seen = append(seen, k.name.Local)
	}
	return nil
}
