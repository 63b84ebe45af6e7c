package apple

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
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

// put lets through PUT requests of one tenant with a bounded body whose sender is
// known, and answers errors. The sender comes first: strangers cost a signature,
// and nothing of theirs is decoded.
type put struct {
	s  *Server
	t  mdm.TenantID
	do func(*Server, http.ResponseWriter, *http.Request, *call, []byte) error
}

func (p put) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPut {
		w.Header().Set("Allow", http.MethodPut)
		http.Error(w, "devices PUT", http.StatusMethodNotAllowed)
		return
	}
	b, err := body(w, r)
	var c *call
	if err == nil {
		c, err = p.s.caller(r.Context(), p.t, r, b)
	}
	if err == nil {
		err = p.do(p.s, w, r, c, b)
	}
	if err != nil {
		p.s.refuse(w, r, err)
	}
}

// atOnce is how much of a body that is announced is made room for before it has
// come.
const atOnce = 64 << 10

// body reads a bounded request body.
func body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	src, room := r.Body, min(max(r.ContentLength, 0), atOnce)
	if r.ContentLength < 0 || r.ContentLength > maxBody {
		src = http.MaxBytesReader(w, r.Body, maxBody)
	}
	b := make([]byte, 0, room+1) // one more, for the end
	for {
		n, err := src.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case len(b) > maxBody:
			return nil, tooLarge()
		case err == io.EOF:
			return b, nil
		case err != nil:
			return nil, incomplete(err)
		}
		if len(b) == cap(b) {
			b = slices.Grow(b, 512)
		}
	}
}

// incomplete says why a body could not be read.
func incomplete(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return tooLarge()
	}
	return mdm.WrapError(mdm.CodeMalformed, "", "the message did not arrive whole", err)
}

func tooLarge() error {
	return mdm.Errorf(mdm.CodeTooLarge, "", "a message has at most %d bytes", maxBody)
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
