package apple

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/keelson-mdm/keelson/mdm"
)

func isTooLarge(err error) bool {
	var e *http.MaxBytesError
	return errors.As(err, &e)
}

// plistType is the content type of property lists that are no check-in message.
const plistType = "application/xml; charset=UTF-8"

// answer writes a property list, or nothing: an empty 200.
func answer(w http.ResponseWriter, plist []byte) {
	if len(plist) > 0 {
		w.Header().Set("Content-Type", plistType)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(plist)))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(plist) // a reply that is lost is asked for again
}

// refuse answers an error: its status for devices and a line for people. What
// only the log may know goes to the log.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, doing string, err error) {
	code := mdm.CodeOf(err)
	s.c.Log.InfoContext(r.Context(), "a device was refused", "doing", doing, "code", string(code), "error", err)
	a := code.Answer()
	if a.Device >= 500 || a.Device == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "30")
	}
	text := string(code)
	var e *mdm.Error
	if errors.As(err, &e) && a.Device < 500 {
		text += ": " + e.Message
	}
	http.Error(w, text, a.Device)
}
