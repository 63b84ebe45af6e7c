package mdmtest

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// PCEnd says how a session ended.
type PCEnd string

// The ends of a session.
const (
	PCEndDone        PCEnd = "done"           // the server sent statuses only
	PCEndEmpty       PCEnd = "empty"          // the server answered 200 without a body
	PCEndAborted     PCEnd = "aborted"        // by the PC, alert 1223
	PCEndServerAbort PCEnd = "server aborted" // by the server, alert 1223
	PCEndUnenrolled  PCEnd = "unenrolled"     // the server ordered the PC to leave
)

// PCSession is a management session that ran to its end.
type PCSession struct {
	ID       string // SessionID
	Messages int    // replies that the PC took
	Commands int    // commands that it executed; those inside an Atomic count
	End      PCEnd
}

// PCRefusedError is the end of a session whose SyncHdr the server refused.
type PCRefusedError struct{ Code int }

// Error implements error.
func (e *PCRefusedError) Error() string {
	return fmt.Sprintf("the server refused the session: SyncHdr status %d", e.Code)
}

// ErrPCTooLong is the end of a session of more than [PCOptions].MaxMessages.
var ErrPCTooLong = errors.New("the session does not end")

// Sync holds one management session, from package 1 until the server has
// nothing more. What the server does wrong is recorded and does not end it,
// as far as a device would go on. A refusal is a [*PCHTTPError] or a
// [*PCRefusedError]; any other error is of the transport.
func (d *PCDevice) Sync(ctx context.Context) (*PCSession, error) {
	done, err := d.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	return d.session(ctx, nil)
}

// pcRun is one session under way.
type pcRun struct {
	d       *PCDevice
	c       *pcClient
	q       PCQuirks
	id      pcIdentity
	to      string
	session string
	source  string
	login   string
	alerts  []PCAlert
	cv      string // MS-CV
	posts   int

	msgID, serverMsgID int
	cred               bool // a credential is needed in every message
	challenges         int
	seqs               map[*pcCommand][]int
	effects            []func()
	large              []pcLarge // results of which chunks are still to be sent
	leave              bool
	wipe               string
	last               PCEnd // how the session ends once the next reply came
	out                PCSession
}

// session runs one session; the caller has begun.
func (d *PCDevice) session(ctx context.Context, extra []PCAlert) (*PCSession, error) {
	r, err := d.newRun(extra)
	if err != nil {
		return nil, err
	}
	defer r.c.close()
	err = r.loop(ctx)
	if err == nil && r.leave && r.q.Unenroll == PCUnenrollAlert {
		err = d.sayUnenrolled(ctx)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch { // however the session ended
	case r.wipe != "":
		d.wipe, d.state = r.wipe, PCWiped
	case r.leave:
		d.state = PCUnenrolled
	}
	if err != nil {
		return nil, err
	}
	return &r.out, nil
}

// newRun takes what a session needs from the PC.
func (d *PCDevice) newRun(extra []PCAlert) (*pcRun, error) {
	cv := make([]byte, 8)
	if _, err := io.ReadFull(d.opts.Rand, cv); err != nil {
		return nil, fmt.Errorf("begin a session: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	q := d.quirks
	if d.id.Cert == nil || d.state != PCEnrolled && !q.Zombie {
		return nil, ErrPCNotEnrolled
	}
	d.sessions++
	r := &pcRun{
		d: d, q: q, id: d.id, login: d.opts.LoginStatus, source: strings.ToUpper(d.opts.DeviceID), cv: hex.EncodeToString(cv),
		session: strings.ToUpper(strconv.FormatInt(int64(d.sessions), 16)),
		alerts:  append(slices.Clone(extra), d.alerts...),
	}
	d.alerts = nil
	d.tree.signedIn = d.opts.LoginStatus == "user"
	rotation := "./Device/Vendor/MSFT/BitLocker/Status/RotateRecoveryPasswordsStatus"
	if d.tree.nodes[rotation].Value == "1" {
		d.tree.nodes[rotation] = PCNode{Value: "0", Format: "int"}
	}
	if q.SourceDeviceID != "" {
		r.source = q.SourceDeviceID
	}
	mode := "Maintenance"
	if r.login == "none" {
		mode = "Machine"
	}
	r.to = r.id.Addr + "?mode=" + mode + "&Platform=WoA"
	if strings.Contains(r.id.Addr, "?") {
		r.to = r.id.Addr + "&mode=" + mode + "&Platform=WoA"
	}
	cert := r.id.tls()
	switch {
	case q.NoCertificate:
		cert = nil
	case q.Certificate != nil:
		cert = q.Certificate
	case q.OldCertificate && d.previous.Cert != nil:
		cert = d.previous.tls()
	}
	r.c = d.client(cert)
	r.out.ID = r.session
	return r, nil
}

// loop exchanges messages until the session ends.
func (r *pcRun) loop(ctx context.Context) error {
	next := r.packageOne("", 0)
	for next != nil {
		if r.posts >= r.d.opts.MaxMessages {
			return fmt.Errorf("%w: %d messages in session %s", ErrPCTooLong, r.posts, r.session)
		}
		reply, restart, err := r.exchange(ctx, next)
		if err != nil {
			return err
		}
		switch {
		case restart && r.last != "": // over, whatever the answer was
			r.out.End = r.last
			return nil
		case restart:
			r.msgID, r.serverMsgID, r.cred, r.challenges, r.large = 0, 0, false, 0, nil
			next = r.packageOne("", 0)
			continue
		}
		if next, err = r.take(reply, next); err != nil {
			return err
		}
	}
	return nil
}

// take judges one reply and returns what to send next; nil when the session is
// over.
func (r *pcRun) take(reply *pcReply, last *pcOut) (*pcOut, error) {
	var f pcFindings
	defer func() { _ = r.d.note("session", r.session, last.sent.msgID, f) }() // kept as violations
	r.out.Messages++
	reply.judge(pcMediaDM, &f)
	if len(reply.body) == 0 {
		r.out.End = PCEndEmpty
		return nil, nil
	}
	m, rule, err := pcReadMessage(reply.body)
	if err != nil {
		f.add(rule, "%v", err)
		return r.packageOne("0", 500), nil
	}
	pcJudgeMessage(m, &last.sent, r.serverMsgID, &f)
	r.serverMsgID, _ = strconv.Atoi(m.msgID) // judged
	if m.respURI != "" {
		if _, err := pcHost(m.respURI); err != nil {
			f.add(PCRuleHeader, "RespURI: %v", err)
		} else {
			r.to = m.respURI
		}
	}
	code, chal := pcHeaderStatus(m)
	pcJudgeChal(chal, r.usedNonce(), &f)
	if code == 401 || code == 407 {
		pcJudgeRefusal(m, &f)
		return r.challenged(m, code, chal)
	} else if code != 0 && code != 200 && code != 212 {
		return nil, &PCRefusedError{Code: code}
	} else {
		r.cred = r.cred && code == 200
		r.remember(chal)
	}
	if r.last != "" {
		if r.last == PCEndAborted && len(m.commands) > 0 {
			f.add(PCRuleCommand, "commands after we aborted the session")
		}
		r.out.End = r.last
		return nil, nil
	}
	r.seqs = r.d.sawMessage(m, false)
	if len(r.large) > 0 {
		return r.nextChunk(m, &last.sent, &f), nil
	}
	if r.d.poisoned(m) {
		return r.packageOne("0", 500), nil
	}
	if r.aborts(m) {
		r.last = PCEndAborted
		w := r.writer()
		w.status(m.msgID, "0", "SyncHdr", nil, 200, "")
		w.alert(PCAlert{Code: 1223})
		return w.finish(), nil
	}
	return r.answer(m), nil
}

// answer executes the commands of a message and writes what became of them.
func (r *pcRun) answer(m *pcMessage) *pcOut {
	answers := r.executeAll(m)
	switch {
	case r.leave && r.q.Unenroll != PCUnenrollStatus:
		r.out.End = PCEndUnenrolled
		return nil
	case r.leave:
		r.last = PCEndUnenrolled
	case len(answers) == 0:
		r.out.End = PCEndDone
		return nil
	}
	w := r.writer()
	w.status(m.msgID, "0", "SyncHdr", nil, 200, "")
	w.answers(m.msgID, answers)
	r.large = w.large
	return w.finish()
}

// executeAll performs the commands of a message under one lock.
func (r *pcRun) executeAll(m *pcMessage) []pcAnswer {
	d := r.d
	d.mu.Lock()
	defer d.mu.Unlock()
	var answers []pcAnswer
	for _, c := range m.commands {
		done := r.execute(c)
		for _, f := range r.effects {
			f()
		}
		r.effects = nil
		for _, a := range done {
			r.out.Commands++
			for _, it := range a.items {
				if p := d.delivery(it.seq); p != nil {
					p.Status = it.code
				}
			}
			if !a.noResp {
				answers = append(answers, a)
			}
		}
	}
	return answers
}

// aborts reports whether the PC gives up at this message.
func (r *pcRun) aborts(m *pcMessage) bool {
	if m.meta.hasMax && m.meta.maxMsgSize < pcLeastMsgSize {
		return true
	}
	r.d.mu.Lock()
	defer r.d.mu.Unlock()
	if !r.d.inject.abort || len(m.commands) == 0 {
		return false
	}
	r.d.inject.abort = false
	return true
}

// writer begins the next message.
func (r *pcRun) writer() *pcWriter {
	r.msgID++
	var cred *pcCred
	if r.cred {
		r.d.mu.Lock()
		c := r.d.id.Server
		r.d.mu.Unlock()
		cred = &c
	}
	target, _, _ := strings.Cut(r.id.Addr, "?")
	return pcNewWriter(pcSent{msgID: r.msgID, session: r.session, target: target, source: r.source}, r.q, cred)
}

// packageOne writes package 1, after a status of the server's SyncHdr when
// msgRef is not empty.
func (r *pcRun) packageOne(msgRef string, code int) *pcOut {
	w := r.writer()
	if msgRef != "" {
		w.status(msgRef, "0", "SyncHdr", nil, code, "")
	}
	w.packageOne(r.login, r.alerts, [][2]string{
		{"DevId", r.source}, {"Man", r.d.opts.Manufacturer}, {"Mod", r.d.opts.Model}, {"DmV", "1.3"}, {"Lang", "en-US"},
	})
	return w.finish()
}
