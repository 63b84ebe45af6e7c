package mdmtest

import (
	"maps"
	"slices"
	"sync"
)

// Loss says where on its way something is lost.
type Loss int

// The losses.
const (
	// LossBeforeSend executes the command and never sends the report.
	LossBeforeSend Loss = iota
	// LossAfterSend executes the command and sends the report, but the response
	// to it, with whatever command it holds, is dropped.
	LossAfterSend
	// LossOfCommand drops the response that holds the command, so that the
	// device never acts on it.
	LossOfCommand
)

func (l Loss) String() string {
	switch l {
	case LossBeforeSend:
		return "the report was not sent"
	case LossAfterSend:
		return "the response to the report was dropped"
	default:
		return "the response with the command was dropped"
	}
}

// misbehavior is what the test asked for. Guarded by Apple.mu.
type misbehavior struct {
	notNow     int
	notNowFor  map[string]int // negative means until cleared
	fail       int
	failChain  []ErrorChainItem
	lose       map[Loss]int
	loseCheck  int
	loseSCEP   int
	repeat     int
	offline    bool
	identityOf *Apple
	claim      string
	padding    int
}

func (m *misbehavior) reset() {
	*m = misbehavior{notNowFor: make(map[string]int), lose: make(map[Loss]int)}
}

// forRequest takes what bends the next request.
func (m *misbehavior) forRequest(mu *sync.Mutex) (identityOf *Apple, claim string, padding, copies int) {
	mu.Lock()
	defer mu.Unlock()
	identityOf, claim, padding, copies = m.identityOf, m.claim, m.padding, 1
	m.padding = 0
	if m.repeat > 0 {
		m.repeat--
		copies = 2
	}
	return identityOf, claim, padding, copies
}

// takes uses up one of a counter that is not spent.
func (a *Apple) takes(counter func(*misbehavior) *int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := counter(&a.odd)
	if *n <= 0 {
		return false
	}
	*n--
	return true
}

func (a *Apple) takesLoss(l Loss) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.odd.lose[l] <= 0 {
		return false
	}
	a.odd.lose[l]--
	return true
}

// misbehave changes what is asked for.
func (a *Apple) misbehave(f func(*misbehavior)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f(&a.odd)
}

// Behave ends every misbehavior.
func (a *Apple) Behave() { a.misbehave((*misbehavior).reset) }

// NotNow answers the next n commands with NotNow, whatever they are.
func (a *Apple) NotNow(n int) { a.misbehave(func(m *misbehavior) { m.notNow = n }) }

// NotNowFor answers the next n commands of one request type with NotNow; a
// negative n means all of them, and zero ends it.
func (a *Apple) NotNowFor(requestType string, n int) {
	a.misbehave(func(m *misbehavior) { m.notNowFor[requestType] = n })
}

// FailNext answers the next n commands with Error and executes none of them.
// Without a chain a general one is sent.
func (a *Apple) FailNext(n int, chain ...ErrorChainItem) {
	if len(chain) == 0 {
		chain = refuse(domainMDM, 12010, "failed on request").Chain
	}
	a.misbehave(func(m *misbehavior) { m.fail, m.failChain = n, slices.Clone(chain) })
}

// LoseReply loses the next n reports, or hand-outs, in the given way. Each loss
// ends the [Apple.Poll] that it happens in, without an error.
func (a *Apple) LoseReply(l Loss, n int) { a.misbehave(func(m *misbehavior) { m.lose[l] = n }) }

// LoseCheckInReply drops the responses to the next n check-in messages, which
// then fail with [ErrReplyLost].
func (a *Apple) LoseCheckInReply(n int) { a.misbehave(func(m *misbehavior) { m.loseCheck = n }) }

// LoseSCEPReply drops the responses to the next n SCEP requests. The device
// asks again with the same key, three times at most.
func (a *Apple) LoseSCEPReply(n int) { a.misbehave(func(m *misbehavior) { m.loseSCEP = n }) }

// RepeatPost sends each of the next n messages twice, byte for byte. The device
// acts on the second response only.
func (a *Apple) RepeatPost(n int) { a.misbehave(func(m *misbehavior) { m.repeat = n }) }

// SetOffline takes the device off the network, or brings it back.
func (a *Apple) SetOffline(offline bool) { a.misbehave(func(m *misbehavior) { m.offline = offline }) }

// UseIdentityOf makes the device sign, or present in TLS, with the certificate
// and key that other has at that moment; nil ends it.
func (a *Apple) UseIdentityOf(other *Apple) {
	if other == a {
		other = nil
	}
	a.misbehave(func(m *misbehavior) { m.identityOf = other })
}

// ClaimUDID puts another UDID into every message; empty ends it.
func (a *Apple) ClaimUDID(udid string) { a.misbehave(func(m *misbehavior) { m.claim = udid }) }

// Oversize adds that many bytes to the next message.
func (a *Apple) Oversize(bytes int) { a.misbehave(func(m *misbehavior) { m.padding = bytes }) }

// Erase forgets everything as a wiped device does: identity, enrollment,
// profiles, tokens, what it was waiting for. It sends nothing. UDID, serial
// number, record and misbehavior stay. The device can enroll again, with a new
// key.
func (a *Apple) Erase() {
	a.change(func(st *appleState) {
		*st = appleState{udid: st.udid, serial: st.serial, enrolledTimes: st.enrolledTimes}
	})
	a.Close()
}

// unenroll removes the enrollment profile and all that MDM installed.
func (a *Apple) unenroll() {
	a.change(func(st *appleState) {
		kept := slices.DeleteFunc(slices.Clone(st.profiles), func(p *installed) bool { return p.managed || p.enrollment })
		*st = appleState{udid: st.udid, serial: st.serial, profiles: kept, enrolledTimes: st.enrolledTimes}
	})
	a.Close()
}

// declines decides whether a command is answered NotNow.
func (a *Apple) declines(requestType string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.odd.notNow > 0 {
		a.odd.notNow--
		return true
	}
	n := a.odd.notNowFor[requestType]
	if n > 0 {
		a.odd.notNowFor[requestType] = n - 1
	}
	return n != 0
}

// fails returns the chain that a command is to fail with, nil if it is not to.
func (a *Apple) fails() []ErrorChainItem {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.odd.fail <= 0 {
		return nil
	}
	a.odd.fail--
	return slices.Clone(a.odd.failChain)
}

// Misbehaving lists what is still in force, for messages of tests; empty for an
// honest device.
func (a *Apple) Misbehaving() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	m := &a.odd
	var out []string
	add := func(on bool, name string) {
		if on {
			out = append(out, name)
		}
	}
	add(m.notNow > 0, "NotNow")
	for _, t := range slices.Sorted(maps.Keys(m.notNowFor)) {
		add(m.notNowFor[t] != 0, "NotNowFor "+t)
	}
	add(m.fail > 0, "FailNext")
	for _, l := range []Loss{LossBeforeSend, LossAfterSend, LossOfCommand} {
		add(m.lose[l] > 0, "LoseReply: "+l.String())
	}
	add(m.loseCheck > 0, "LoseCheckInReply")
	add(m.loseSCEP > 0, "LoseSCEPReply")
	add(m.repeat > 0, "RepeatPost")
	add(m.offline, "SetOffline")
	add(m.identityOf != nil, "UseIdentityOf")
	add(m.claim != "", "ClaimUDID")
	add(m.padding > 0, "Oversize")
	return out
}
