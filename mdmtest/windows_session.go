package mdmtest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
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

// exchange sends a message and returns the reply that the PC takes. restart is
// set when it was lost on demand and the session begins again.
func (r *pcRun) exchange(ctx context.Context, out *pcOut) (reply *pcReply, restart bool, err error) {
	reply, err = r.post(ctx, out)
	if err != nil {
		return nil, false, err
	}
	lose, then, again := r.injected()
	switch {
	case again:
		second, err := r.post(ctx, out)
		if err != nil {
			return nil, false, err
		}
		r.compare(reply, second, out)
		return reply, false, nil
	case !lose:
		return reply, false, nil
	}
	if m, _, err := pcReadMessage(reply.body); err == nil {
		r.d.sawMessage(m, true)
	}
	switch then {
	case PCRepeat:
		second, err := r.post(ctx, out)
		if err != nil {
			return nil, false, err
		}
		r.compare(reply, second, out)
		return second, false, nil
	case PCRestart:
		return nil, true, nil
	}
	return nil, false, ErrPCReplyLost
}

// injected returns what was asked to go wrong with this reply, and uses it up.
func (r *pcRun) injected() (lose bool, then PCAfterLoss, again bool) {
	d := r.d
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.inject.loseIn > 0 {
		d.inject.loseIn--
		lose, then = d.inject.loseIn == 0, d.inject.then
	}
	if !lose && d.inject.repeat > 0 {
		d.inject.repeat--
		again = true
	}
	return lose, then, again
}

// compare judges two replies to the same POST.
func (r *pcRun) compare(a, b *pcReply, out *pcOut) {
	if !bytes.Equal(a.body, b.body) {
		var f pcFindings
		f.add(PCRuleReplay, "the same POST was answered with %d bytes and then with %d others", len(a.body), len(b.body))
		_ = r.d.note("session", r.session, out.sent.msgID, f) // kept as a violation
	}
}

// post sends one message, again after a transport error as often as the
// options say. Once a complete 200 came, the answers in it are confirmed.
func (r *pcRun) post(ctx context.Context, out *pcOut) (*pcReply, error) {
	media := pcMediaDM
	if r.q.WBXML {
		media = pcMediaWBXML
	}
	for attempt := 0; ; attempt++ {
		r.posts++
		reply, err := r.c.do(ctx, http.MethodPost, r.to, http.Header{
			"Accept":            {pcMediaDM + ", " + pcMediaWBXML + ", application/octet-stream"},
			"Accept-Charset":    {"UTF-8"},
			"Content-Type":      {media},
			"Client-Request-Id": {"0"},
			"Ms-Cv":             {r.cv + "." + strconv.Itoa(r.posts)},
			"User-Agent":        {"MSFT OMA DM Client/1.2.0.1"},
		}, out.body)
		switch {
		case err == nil && reply.status == http.StatusOK:
			r.d.confirm(out.sent.answers)
			return reply, nil
		case err == nil:
			return nil, reply.fail()
		case attempt >= r.d.opts.Retries || ctx.Err() != nil:
			return nil, fmt.Errorf("session %s message %d: %w", r.session, out.sent.msgID, err)
		}
	}
}

// RenewalDue reports whether the certificate's renewal window is open, or the
// server asked for a renewal by RenewNow.
func (d *PCDevice) RenewalDue() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.id.Cert == nil || d.state != PCEnrolled {
		return false
	}
	period := pcIntOr(d.tree.nodes["./Device/Vendor/MSFT/CertificateStore/My/WSTEP/Renew/RenewPeriod"].Value, 42)
	return d.renewNow || d.now().After(d.id.Cert.NotAfter.Add(-time.Duration(period)*24*time.Hour))
}
