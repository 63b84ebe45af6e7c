package mdmtest

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"
)

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
