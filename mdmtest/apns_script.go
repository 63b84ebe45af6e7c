package mdmtest

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"time"
)

// APNsAnswer is one answer that the fake is told to give in place of a delivery.
type APNsAnswer struct {
	Status     int       // HTTP status; zero means 200
	Reason     string    // of Apple's table; empty means no body
	RetryAfter string    // the header Retry-After as sent; empty means none
	Timestamp  time.Time // when the token ended, of a 410; zero means none
	// Body replaces the JSON made from Reason and Timestamp, for answers that
	// Apple would not give. Empty means none.
	Body string
	// GoAway sends a GOAWAY that disowns the request, in place of an answer.
	GoAway bool
	// LastOne answers and announces the end of the connection after it.
	LastOne bool
	// Abort ends the request alone, without an answer.
	Abort bool
	// Reset drops the connection without a word.
	Reset bool
	// Location is the header of that name, for answers that Apple would not
	// give. Empty means none.
	Location string
}

// Answer queues answers for the next requests for a token, in hexadecimal; an
// empty token means requests for any token. An answer is used once; requests
// after that are treated as usual. Only well-formed requests take one.
func (a *APNs) Answer(token string, answers ...APNsAnswer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	token = strings.ToLower(token)
	a.script[token] = append(a.script[token], answers...)
}

// Gone makes a token inactive since a moment: it is answered with 410 and
// Unregistered until [APNs.Revive].
func (a *APNs) Gone(token string, since time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gone[strings.ToLower(token)] = since
}

// Revive undoes [APNs.Gone].
func (a *APNs) Revive(token string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.gone, strings.ToLower(token))
}

// Delay makes every answer wait that long. Zero ends it.
func (a *APNs) Delay(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.delay = d
}

// Hold keeps every answer back until the returned function is called, which
// may be more than once. Requests are counted while they wait.
func (a *APNs) Hold() (release func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.hold == nil {
		a.hold = make(chan struct{})
	}
	held := a.hold
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.hold == held {
			a.hold = nil
			close(held)
		}
	}
}

// APNsRequest is one request as it arrived, and what was answered.
type APNsRequest struct {
	Method     string
	Path       string
	Token      string // lower-case hexadecimal; empty when there was none
	Topic      string
	PushType   string
	Priority   string
	Expiration string
	Magic      string // the value of "mdm"; empty when the payload is of another shape
	Header     http.Header
	Body       []byte
	Connection int    // 1 for the fake's first connection, and so on
	Status     int    // answered; zero when the connection was ended instead
	Reason     string // answered
}

// Requests returns a copy of what arrived, in the order of the answers.
func (a *APNs) Requests() []APNsRequest {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]APNsRequest, len(a.requests))
	for i, r := range a.requests {
		r.Header, r.Body = r.Header.Clone(), bytes.Clone(r.Body)
		out[i] = r
	}
	return out
}

// Pushes returns the requests that were delivered.
func (a *APNs) Pushes() []APNsRequest {
	return slices.DeleteFunc(a.Requests(), func(r APNsRequest) bool { return r.Status != http.StatusOK })
}

// Rejected returns the requests that Apple would have refused as malformed:
// any status but 200, 410, 429 and those of 500 and above. A pusher that works
// as it should leaves none.
func (a *APNs) Rejected() []APNsRequest {
	return slices.DeleteFunc(a.Requests(), func(r APNsRequest) bool {
		switch r.Status {
		case 0, http.StatusOK, http.StatusGone, http.StatusTooManyRequests:
			return true
		}
		return r.Status >= http.StatusInternalServerError
	})
}
