package windows

import (
	"log/slog"
	"net/http"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/windows/mde"
)

// operation answers one decoded SOAP request: with a reply's bytes, or with an
// error that becomes a fault.
type operation func(r *http.Request, t mdm.TenantID, body []byte, activity string) ([]byte, error)

// soap makes a handler of an operation. Both logs, the device's and ours, carry
// the same activity id.
func (s *Server) soap(t mdm.TenantID, op mde.Operation, f operation) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A GET is the probe before discovery: anything with status 200 will do.
		if op == mde.OpDiscover && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
			reply(w, http.StatusOK, mde.ContentType, nil)
			return
		}
		if !allow(w, r, http.MethodPost) {
			return
		}
		body, ok := readBody(w, r, mde.MaxRequestBytes)
		if !ok {
			return
		}
		activity, err := mdm.NewUUID(s.c.Clock.Now(), s.c.Rand)
		if err != nil {
			decline(w, mdm.WrapError(mdm.CodeUnavailable, "", "", err))
			return
		}
		if err = t.Validate(); err != nil {
			s.fault(w, r, op, body, activity, err)
			return
		}
		out, err := f(r, t, body, activity)
		if err != nil {
			s.fault(w, r, op, body, activity, err)
			return
		}
		s.c.Log.InfoContext(r.Context(), "a step of an enrollment", "tenant", t, "operation", string(op), "activity", activity)
		reply(w, http.StatusOK, mde.ContentType, out)
	})
}

// fault refuses a request so that Windows shows why.
func (s *Server) fault(w http.ResponseWriter, r *http.Request, op mde.Operation, body []byte, activity string, cause error) {
	f := mde.FaultFor(op, cause, activity)
	level := slog.LevelInfo
	if code := mdm.CodeOf(cause); code == mdm.CodeInternal || code == mdm.CodeUnavailable {
		level = slog.LevelError
	}
	s.c.Log.Log(r.Context(), level, "an enrollment was refused", "operation", string(op), "activity", activity,
		"subcode", string(f.Subcode), "error", cause)
	out, err := f.Encode(mde.Reply{RelatesTo: mde.MessageID(body), ActivityID: activity})
	if err != nil {
		decline(w, mdm.WrapError(mdm.CodeUnavailable, "", "", err))
		return
	}
	reply(w, s.c.FaultStatus, mde.ContentType, out)
}
