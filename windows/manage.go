package windows

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"

	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
	"github.com/keelson-mdm/keelson/windows/syncml"
)

// Manage holds management sessions ([MS-MDM], OMA DM 1.2): one message in, one
// out, and everything that the message changes in one unit of work.
//
// A caller without a certificate of ours gets the HTTP status 400 and learns
// nothing, before its message is read. One that has a certificate and may not
// speak (for another device, for an enrollment that has ended, with a
// certificate that was replaced) gets a SyncML message that refuses every
// command with status 401, which ends the session; it brings no command and
// changes nothing. No answer makes an honest device unenroll itself: see
// [mdm.DeviceStatuses].
func (s *Server) Manage(t mdm.TenantID) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !allow(w, r, http.MethodPost) {
			return
		}
		if err := syncml.CheckMediaType(r.Header.Get("Content-Type")); err != nil {
			decline(w, err)
			return
		}
		caller, err := s.caller(r, t)
		if err != nil {
			s.c.Log.InfoContext(r.Context(), "a management session was declined", "tenant", t, "error", err)
			decline(w, err)
			return
		}
		body, ok := readBody(w, r, s.c.MaxBody)
		if !ok {
			return
		}
		msg, err := syncml.Decode(body, &syncml.Limits{MaxBytes: s.c.MaxBody})
		if err == nil && len(msg.Header.SessionID) > maxText {
			err = mdm.Errorf(mdm.CodeTooLarge, "header.sessionID", "the SessionID has more than %d bytes", maxText)
		}
		if err != nil {
			s.c.Log.InfoContext(r.Context(), "a management message could not be read", "tenant", t, "channel", caller.Natural, "error", err)
			decline(w, err)
			return
		}
		x, err := s.hold(r.Context(), t, exchange{s: s, caller: caller, msg: msg, body: sha256.Sum256(body)})
		if err != nil {
			s.c.Log.ErrorContext(r.Context(), "a management message could not be answered", "tenant", t, "channel", caller.Natural, "error", err)
			decline(w, err)
			return
		}
		switch {
		case x.admitted != welcome:
			s.c.Log.WarnContext(r.Context(), "a management session was refused", "tenant", t, "channel", caller.Natural, "pin", caller.Pin.String())
		case s.c.Seen != nil:
			s.c.Seen(t, x.e.Host)
		}
		reply(w, http.StatusOK, syncml.MediaType, x.out)
	})
}

// caller returns the channel and the pin of whoever is calling, once the
// certificate is verified.
func (s *Server) caller(r *http.Request, t mdm.TenantID) (queue.Caller, error) {
	if err := t.Validate(); err != nil {
		return queue.Caller{}, err
	}
	leaf := s.c.ClientCertificate(r)
	if leaf == nil {
		return queue.Caller{}, mdm.Errorf(mdm.CodeUnauthenticated, "certificate", "the device presents no certificate")
	}
	if err := s.c.Identity.Verify(r.Context(), t, leaf); err != nil {
		return queue.Caller{}, err
	}
	natural, err := s.natural(r.Context(), t, leaf)
	return queue.Caller{Natural: natural, Pin: identity.HashOf(leaf)}, err
}

// maxMuted bounds how many handlers may fail in one message.
const maxMuted = 256

// hold runs one exchange as a unit of work. A handler that fails for good is
// left out of a second run, so that it loses what it would have written, and
// nothing else: neither its command's outcome nor the commands behind it.
func (s *Server) hold(ctx context.Context, t mdm.TenantID, begin exchange) (*exchange, error) {
	muted := map[string]bool{}
	for {
		var x *exchange
		err := s.c.Transactor.InTx(ctx, t, func(ctx context.Context, tx mdm.Tx) error {
			fresh := begin
			x = &fresh
			x.tx, x.muted, x.now = tx, muted, s.c.Clock.Now()
			return x.run(ctx)
		})
		var failed *handlerError
		if !errors.As(err, &failed) || ctx.Err() != nil || muted[failed.key] || len(muted) >= maxMuted {
			return x, err
		}
		s.c.Log.ErrorContext(ctx, "a handler failed for good and was left out", "tenant", t, "channel", begin.caller.Natural, "handler", failed.key, "error", failed.err)
		muted[failed.key] = true
	}
}

// handlerError is an error of the sink that will not go away by asking again.
type handlerError struct {
	key string // what was handled
	err error
}

func (e *handlerError) Error() string { return e.key + ": " + e.err.Error() }
func (e *handlerError) Unwrap() error { return e.err }

// tell runs a handler of the sink, unless it was muted.
func (x *exchange) tell(key string, handler func() error) error {
	if x.muted[key] {
		return nil
	}
	err := handler()
	if err == nil || mdm.Transient(err) {
		return err
	}
	return &handlerError{key: key, err: err}
}
