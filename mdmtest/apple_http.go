package mdmtest

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
)

// Content types of the protocol.
const (
	typeCheckIn = "application/x-apple-aspen-mdm-checkin"
	typeCommand = "application/x-apple-aspen-mdm"
	typeProfile = "application/x-apple-aspen-config"
)

// httpReply is a response, read completely.
type httpReply struct {
	status      int
	rawType     string // the Content-Type as it came
	contentType string // the media type, without parameters
	body        []byte
}

// do sends one request and reads the response.
func (a *Apple) do(client *http.Client, req *http.Request, during string) (*httpReply, error) {
	a.mu.Lock()
	offline := a.odd.offline
	a.mu.Unlock()
	if offline {
		return nil, ErrOffline
	}
	req.Header.Set("User-Agent", map[AppleKind]string{
		AppleMac:    "MDM-OSX/1.0 mdmclient/1900",
		AppleIPhone: "MDM/1.0",
	}[a.kind])
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", during, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, appleMaxBody+1))
	if err != nil {
		return nil, fmt.Errorf("%s: read the response: %w", during, err)
	}
	if len(body) > appleMaxBody {
		a.violate(during, "the response is longer than %d bytes", appleMaxBody)
		return nil, fmt.Errorf("%s: the response is longer than %d bytes", during, appleMaxBody)
	}
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	a.opts.Logger.DebugContext(req.Context(), "mdmtest: request", "udid", a.opts.UDID, "during", during,
		"url", req.URL.Redacted(), "status", resp.StatusCode, "bytes", len(body))
	return &httpReply{status: resp.StatusCode, rawType: resp.Header.Get("Content-Type"), contentType: media, body: body}, nil
}

// get is for enrollment profiles and SCEP.
func (a *Apple) get(ctx context.Context, rawURL string, enr *enrollment, during string) (*httpReply, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, rawURL, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", during, err)
	}
	return a.do(a.client(rawURL, nil, enr, true), req, during)
}

// judgeStatus returns an error unless the status is 200, and records the
// statuses that an honest device takes as a reason to unenroll, or that the
// protocol has no use for.
func (a *Apple) judgeStatus(during, url string, r *httpReply) error {
	switch s := r.status; {
	case s == http.StatusOK:
		return nil
	case s == http.StatusUnauthorized, s == http.StatusForbidden, s == http.StatusNotFound:
		a.violate(during, "status %d, on which a device may remove its enrollment", s)
	case s/100 == 3:
		a.violate(during, "status %d; a redirect of a PUT loses its body", s)
	case s/100 != 4 && s/100 != 5:
		a.violate(during, "status %d; success is 200", s)
	}
	return wantOK(during, url, r)
}

// wantOK returns an error unless the status is 200.
func wantOK(during, url string, r *httpReply) error {
	if r.status == http.StatusOK {
		return nil
	}
	return &StatusError{During: during, URL: url, Status: r.status, Body: string(r.body[:min(len(r.body), 256)])}
}

// sender is on whose behalf a message goes out: what the device has, or in a
// renewal what it is about to have.
type sender struct {
	id  *identity
	enr *enrollment
}

// put sends one message of the protocol as the device would, and as its
// misbehavior bends it. Both replies of a repeated request are returned.
func (a *Apple) put(ctx context.Context, s sender, url, contentType, during string, msg map[string]any) ([]*httpReply, error) {
	other, claim, padding, copies := a.odd.forRequest(&a.mu)
	if other != nil { // not under our lock: two devices may use each other's
		if s.id = other.state().id; s.id == nil {
			return nil, fmt.Errorf("%s: the device whose identity is used: %w", during, ErrNotEnrolled)
		}
	}
	if _, ok := msg["UDID"]; ok && claim != "" {
		msg["UDID"] = claim
	}
	if padding > 0 {
		msg["Padding"] = strings.Repeat("x", padding)
	}
	body, err := encodePlist(msg)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", during, err)
	}
	return a.putBytes(ctx, s, url, contentType, during, body, copies)
}

func (a *Apple) putBytes(ctx context.Context, s sender, url, contentType, during string, body []byte, copies int) ([]*httpReply, error) {
	sign := s.enr.signs() && !a.opts.NoSignMessage
	var signature string
	tlsID := s.id
	if sign {
		der, err := signCMS(body, s.id, a.Now(), true)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", during, err)
		}
		signature = base64.StdEncoding.EncodeToString(der)
		if a.opts.HTTPClient != nil {
			tlsID = nil // a shared client stays shared
		}
	}
	var replies []*httpReply
	for range copies {
		req, err := http.NewRequestWithContext(ctx, http.MethodPut, url, bytes.NewReader(body))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", during, err)
		}
		req.Header.Set("Content-Type", contentType)
		if sign {
			req.Header.Set("Mdm-Signature", signature)
		}
		r, err := a.do(a.client(url, tlsID, s.enr, false), req, during)
		if err != nil {
			return nil, err
		}
		replies = append(replies, r)
	}
	return replies, nil
}

// Post sends body as it is, signed with the identity, to the check-in URL or to
// the command URL, for messages that no honest device sends. It returns status
// and body of the response and judges neither.
func (a *Apple) Post(ctx context.Context, checkIn bool, body []byte) (status int, response []byte, err error) {
	end, err := a.begin(ctx)
	if err != nil {
		return 0, nil, err
	}
	defer end()
	s, err := a.enrolledSender()
	if err != nil {
		return 0, nil, err
	}
	url, contentType := s.enr.serverURL(), typeCommand
	if checkIn {
		url, contentType = s.enr.checkInURL(), typeCheckIn
	}
	replies, err := a.putBytes(ctx, s, url, contentType, "Post", body, 1)
	if err != nil {
		return 0, nil, err
	}
	return replies[0].status, replies[0].body, nil
}

// enrolledSender returns what the device sends with, once it has an identity.
func (a *Apple) enrolledSender() (sender, error) {
	st := a.state()
	if st.id == nil || st.enr == nil {
		return sender{}, ErrNotEnrolled
	}
	return sender{id: st.id, enr: st.enr}, nil
}
