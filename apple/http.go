package apple

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// maxBody bounds a request, in bytes. Results with long lists are the largest.
const maxBody = 4 << 20

// retryAfter is what a device is told when nothing better is known.
const retryAfter = 30 * time.Second

// plistType is the content type of property lists that are no check-in message.
const plistType = "application/xml; charset=UTF-8"

// put lets through PUT requests with a bounded body whose sender is known, and
// answers errors. The sender comes first: strangers cost a signature, and nothing
// of theirs is decoded.
func (s *Server) put(t mdm.TenantID, do func(http.ResponseWriter, *http.Request, *call, []byte) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPut {
			w.Header().Set("Allow", http.MethodPut)
			http.Error(w, "devices PUT", http.StatusMethodNotAllowed)
			return
		}
		b, err := body(w, r)
		var c *call
		if err == nil {
			c, err = s.caller(r.Context(), t, r, b)
		}
		if err == nil {
			err = do(w, r, c, b)
		}
		if err != nil {
			s.refuse(w, r, err)
		}
	})
}

// body reads a bounded request body.
func body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil:
		return b, nil
	case errors.As(err, &tooLarge):
		return nil, mdm.Errorf(mdm.CodeTooLarge, "", "a message has at most %d bytes", maxBody)
	default:
		return nil, mdm.WrapError(mdm.CodeMalformed, "", "the message did not arrive whole", err)
	}
}

// answer writes a property list, or nothing: an empty 200.
func answer(w http.ResponseWriter, plist []byte) {
	if len(plist) > 0 {
		w.Header().Set("Content-Type", plistType)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(plist)))
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(plist) // a reply that is lost is asked for again
}

// refuse answers an error: its status for devices and a line for people. What
// only the log may know goes to the log.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	code := mdm.CodeOf(err)
	a := code.Answer()
	s.c.Log.Log(r.Context(), severity(code), "a device was refused", "code", string(code), "status", a.Device, "error", err)
	text := string(code)
	var e *mdm.Error
	if errors.As(err, &e) && a.Device < 500 {
		text += ": " + e.Message
	}
	wait(w, a.Device, e)
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, text, a.Device)
}

// severity tells a defect of ours from a fault that passes, and both from what is
// wrong with a device.
func severity(code mdm.Code) slog.Level {
	switch {
	case code == mdm.CodeInternal:
		return slog.LevelError
	case code.Answer().Transient:
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}

// wait sets Retry-After on what may succeed later. The error may be nil.
func wait(w http.ResponseWriter, status int, e *mdm.Error) {
	if status != http.StatusTooManyRequests && status != http.StatusServiceUnavailable {
		return
	}
	d := retryAfter
	if e != nil && e.RetryAfter > 0 {
		d = e.RetryAfter
	}
	w.Header().Set("Retry-After", strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10))
}
