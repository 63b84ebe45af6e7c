package mdmtest

import (
	"encoding/base64"
	"strconv"
	"strings"
)

// pcHeaderStatus returns the code and the challenge of our SyncHdr; 0 without.
func pcHeaderStatus(m *pcMessage) (int, *pcMeta) {
	for _, s := range m.statuses {
		if s.cmd == "SyncHdr" {
			code, _ := strconv.Atoi(s.data) // judged
			return code, s.chal
		}
	}
	return 0, nil
}

// challenged repeats package 1 in full, with a credential.
func (r *pcRun) challenged(m *pcMessage, code int, chal *pcMeta) (*pcOut, error) {
	r.challenges++
	if chal == nil || r.challenges > 2 {
		return nil, &PCRefusedError{Code: code}
	}
	r.cred = true
	r.remember(chal)
	return r.packageOne(m.msgID, 200), nil
}

// usedNonce is that of the credential in our last message; nil without one.
func (r *pcRun) usedNonce() []byte {
	if !r.cred {
		return nil
	}
	r.d.mu.Lock()
	defer r.d.mu.Unlock()
	return r.d.id.Server.Nonce
}

// remember keeps the nonce and the kind of credential of a challenge.
func (r *pcRun) remember(chal *pcMeta) {
	if chal == nil {
		return
	}
	r.d.mu.Lock()
	defer r.d.mu.Unlock()
	switch chal.kind {
	case "syncml:auth-basic":
		r.d.id.Server.Type = "BASIC"
	case "syncml:auth-md5":
		r.d.id.Server.Type = "DIGEST"
	}
	if nonce, err := base64.StdEncoding.DecodeString(chal.nextNonce); err == nil && len(nonce) > 0 {
		r.d.id.Server.Nonce = nonce
	}
}

// pcJudgeRefusal checks a message that refuses our credential: it takes nothing
// that we said.
func pcJudgeRefusal(m *pcMessage, f *pcFindings) {
	if len(m.commands) > 0 {
		f.add(PCRuleCommand, "commands in a message that refuses our credentials")
	}
	for _, s := range m.statuses {
		if s.cmd != "SyncHdr" && s.data < "300" {
			f.add(PCRuleStatus, "status %s takes our %s with %s, in a message that refuses our credentials", s.cmdID, s.cmd, s.data)
		}
	}
}

// pcJudgeChal checks a challenge (OMA DM Security 5.3): the device answers by the
// nonce, and a nonce that was used is worth nothing. Nil is no challenge.
func pcJudgeChal(chal *pcMeta, used []byte, f *pcFindings) {
	if chal == nil {
		return
	}
	nonce, err := base64.StdEncoding.Strict().DecodeString(chal.nextNonce)
	switch {
	case chal.kind == "syncml:auth-basic":
	case chal.kind != "syncml:auth-md5" && chal.kind != "syncml:auth-MAC":
		f.add(PCRuleStatus, "Chal asks for the credential %q, which no device has", chal.kind)
	case !strings.EqualFold(chal.format, "b64") || err != nil || len(nonce) == 0:
		f.add(PCRuleStatus, "Chal has the nonce %q in the format %q, not padded base64 in b64", chal.nextNonce, chal.format)
	case string(nonce) == string(used):
		f.add(PCRuleStatus, "Chal gives the nonce that we have just used")
	}
}
