package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// side is one of the servers that are compared. It is used by one goroutine at a
// time.
type side struct {
	name    string
	handler http.Handler
	path    *url.URL // where devices send results
	checkIn *url.URL
	devices []*device
	// enqueue queues the command of the benchmarks for each device, under the
	// id of the same index.
	enqueue func(ctx context.Context, ds []*device, ids []string) error
	answer  answer
}

// answer is a response writer that is used again and again.
type answer struct {
	header http.Header
	status int
	body   []byte
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	a.body = append(a.body, b...)
	return len(b), nil
}

// put sends a message to the handler and returns the body of its 200, which is
// valid until the next call.
func (s *side) put(u *url.URL, m message) ([]byte, error) {
	a := &s.answer
	if a.header == nil {
		a.header = make(http.Header)
	}
	clear(a.header)
	a.status, a.body = 0, a.body[:0]
	s.handler.ServeHTTP(a, &http.Request{
		Method: http.MethodPut, URL: u, Host: host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: m.header, Body: io.NopCloser(bytes.NewReader(m.body)), ContentLength: int64(len(m.body)), TLS: m.tls,
	})
	if a.status == 0 {
		a.status = http.StatusOK // as net/http has it
	}
	if a.status != http.StatusOK {
		return nil, fmt.Errorf("%s answers %d: %s", s.name, a.status, a.body)
	}
	return a.body, nil
}

// transport is a server that reads a message, looks for its signature, and
// answers with nothing: what both sides pay before they begin.
func transport(ds []*device) *side {
	mux := http.NewServeMux()
	mux.HandleFunc("/mdm", func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil || r.Header.Get("Mdm-Signature") == "" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusOK)
	})
	return &side{name: "nobody", handler: mux, path: &url.URL{Path: "/mdm"}, devices: ds}
}

// enroll sends Authenticate and TokenUpdate.
func (s *side) enroll(d *device) error {
	if _, err := s.put(s.checkIn, d.authenticate); err != nil {
		return fmt.Errorf("Authenticate: %w", err)
	}
	if _, err := s.put(s.checkIn, d.tokenUpdate); err != nil {
		return fmt.Errorf("TokenUpdate: %w", err)
	}
	return s.poll(d.idleSigned)
}

// poll sends an idle poll to which nothing must come.
func (s *side) poll(m message) error {
	b, err := s.put(s.path, m)
	if err == nil && len(b) > 0 {
		err = fmt.Errorf("%s hands out %d bytes where nothing is queued", s.name, len(b))
	}
	return err
}

// fetch sends an idle poll to which the command with that id must come.
func (s *side) fetch(m message, id string) error {
	b, err := s.put(s.path, m)
	if err == nil && !bytes.Contains(b, []byte(id)) {
		err = fmt.Errorf("%s does not hand out %s but %d bytes", s.name, id, len(b))
	}
	return err
}
