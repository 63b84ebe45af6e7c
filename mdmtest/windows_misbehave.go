package mdmtest

import (
	"crypto/tls"
	"slices"
)

// PCQuirks is how a PC misbehaves from now on. The zero value behaves.
type PCQuirks struct {
	// Offline makes everything fail with [ErrPCOffline], unsent.
	Offline bool
	// JoinStatuses answers the items of one command that fared alike with one
	// status of several TargetRef, in place of one status each.
	JoinStatuses bool
	// ResultsFirst sends all Results before all Status.
	ResultsFirst bool
	// OmitMsgRef leaves MsgRef out of Results, which then means 1.
	OmitMsgRef bool
	// ChunkResults sends values of more bytes than this as large objects, one
	// chunk a message. Zero means never.
	ChunkResults int
	// SourceDeviceID is claimed as Source in place of the PC's own DeviceID.
	// Empty means the own.
	SourceDeviceID string
	// Certificate is presented in place of the PC's own. Nil means the own.
	// See [PCDevice.Certificate].
	Certificate *tls.Certificate
	// NoCertificate presents none.
	NoCertificate bool
	// OldCertificate presents the one before the last renewal.
	OldCertificate bool
	// PadBody makes every management message this many bytes longer, by white
	// space at its end.
	PadBody int
	// WBXML sends a message in WBXML, under its media type.
	WBXML bool
	// Zombie goes on with sessions after the PC was unenrolled or wiped, by the
	// certificate it still has.
	Zombie bool
	// Unenroll is what the PC does on an Exec of DMClient's Unenroll.
	Unenroll PCUnenrollAnswer
	// PushURI is what Push/ChannelURI becomes when the server sets Push/PFN.
	// Empty means an address below notify.windows.com.
	PushURI string
}

// PCUnenrollAnswer is how a PC answers the order to unenroll.
type PCUnenrollAnswer string

// The answers. Microsoft documents that the session is torn down and that
// usually no status follows.
const (
	PCUnenrollSilent PCUnenrollAnswer = ""       // the session just ends
	PCUnenrollStatus PCUnenrollAnswer = "status" // the status is still sent
	PCUnenrollAlert  PCUnenrollAnswer = "alert"  // one more session says so by alert 1226
)

// PCAfterLoss is what a PC does after a reply was lost.
type PCAfterLoss string

// What a PC may do. A message that ends the session is not followed by a restart:
// OMA-DM has who aborts a session ignore what is answered to that.
const (
	PCRepeat  PCAfterLoss = "repeat"  // send the same bytes again
	PCRestart PCAfterLoss = "restart" // begin the same session again with MsgID 1
	PCGiveUp  PCAfterLoss = "give up" // end the session with [ErrPCReplyLost]
)

// pcInjection is what will go wrong once.
type pcInjection struct {
	loseIn   int // replies until one is dropped; 0 means none
	then     PCAfterLoss
	repeat   int // posts that are sent twice
	abort    bool
	override map[string]*pcOverride
	poison   []string
}

type pcOverride struct {
	code  int
	times int // negative means always
}

// Misbehave sets how the PC misbehaves from now on, in place of what was set.
func (d *PCDevice) Misbehave(q PCQuirks) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.quirks = q
}

// LoseReply drops the n-th management reply from now, counted from 1, after
// the server has sent it whole; then says how the PC goes on.
func (d *PCDevice) LoseReply(n int, then PCAfterLoss) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inject.loseIn, d.inject.then = n, then
}

// RepeatPosts sends each of the next n management messages twice. The server
// must answer both alike.
func (d *PCDevice) RepeatPosts(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inject.repeat = n
}

// AbortNext answers the next commands with alert 1223 in place of their
// statuses, and executes none. Commands in the reply to that are a violation:
// no device will ever see them.
func (d *PCDevice) AbortNext() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inject.abort = true
}

// Answer makes the PC answer commands on a LocURI with a code, whatever they
// are: the next so many times, or always when times is negative. Codes below
// 300 execute the command, others do not. A LocURI that is no address is
// ignored.
func (d *PCDevice) Answer(loc string, code, times int) {
	key, err := PCCanonical(loc)
	if err != nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.inject.override == nil {
		d.inject.override = map[string]*pcOverride{}
	}
	d.inject.override[key] = &pcOverride{code: code, times: times}
}

// Poison makes a LocURI one whose commands the PC cannot parse: a message that
// holds one is rejected whole (SyncHdr 500), which is no violation. Without
// arguments nothing is poison any more.
func (d *PCDevice) Poison(locs ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inject.poison = nil
	for _, loc := range locs {
		if key, err := PCCanonical(loc); err == nil {
			d.inject.poison = append(d.inject.poison, key)
		}
	}
}

// Certificate returns the identity as a TLS certificate, for another PC to
// steal ([PCQuirks].Certificate). Nil without an enrollment.
func (d *PCDevice) Certificate() *tls.Certificate {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.id.tls()
}

// overridden returns the code that was set for an address, and uses it up. The
// caller holds the lock.
func (d *PCDevice) overridden(loc string) (int, bool) {
	o := d.inject.override[loc]
	if o == nil || o.times == 0 {
		return 0, false
	}
	if o.times > 0 {
		o.times--
	}
	return o.code, true
}

// poisoned reports whether a message holds a command that cannot be parsed.
func (d *PCDevice) poisoned(m *pcMessage) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	var has func(c *pcCommand) bool
	has = func(c *pcCommand) bool {
		return slices.ContainsFunc(c.children, has) || slices.ContainsFunc(c.items, func(it pcItem) bool {
			loc, err := PCCanonical(it.target)
			return err == nil && slices.Contains(d.inject.poison, loc)
		})
	}
	return slices.ContainsFunc(m.commands, has)
}
