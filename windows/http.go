package windows

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// retryAfter is what a device is told when nothing better is known.
const retryAfter = time.Minute

// readBody reads a bounded body. It answers the request itself, with 413 or 400,
// when it returns false.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err == nil {
		return body, true
	}
	status := http.StatusBadRequest
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		status = http.StatusRequestEntityTooLarge
	}
	w.WriteHeader(status)
	return nil, false
}

// reply writes a complete answer. The length is always announced: Windows reads
// no chunked reply ([MS-MDE2] clients fail the enrollment).
func reply(w http.ResponseWriter, status int, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a device that is gone asks again
}

// decline answers with the status of the table of codes and nothing else: why
// is for the log, not for whoever is asking.
func decline(w http.ResponseWriter, err error) {
	answer := mdm.CodeOf(err).Answer()
	switch answer.Device {
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		wait := retryAfter
		if e := (*mdm.Error)(nil); errors.As(err, &e) && e.RetryAfter > 0 {
			wait = e.RetryAfter
		}
		w.Header().Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
	}
	w.WriteHeader(answer.Device)
}

// allow reports whether the method is among those given; otherwise it answers.
func allow(w http.ResponseWriter, r *http.Request, methods ...string) bool {
	for _, m := range methods {
		if r.Method == m {
			return true
		}
	}
	for _, m := range methods {
		w.Header().Add("Allow", m)
	}
	w.WriteHeader(http.StatusMethodNotAllowed)
	return false
}
