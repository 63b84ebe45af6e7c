package main

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	sessionCookie = "__Host-keelson" // the prefix binds it to this host, over TLS
	sessionLife   = 12 * time.Hour
)

// sessions lets whoever knows the administrator's token in. A session is a
// signed time and nothing else, so that it holds on every instance and over a
// restart, and ends when the token changes.
type sessions struct {
	token string
	key   []byte
	now   func() time.Time
}

func newSessions(token string, now func() time.Time) (*sessions, error) {
	key, err := hkdf.Key(sha256.New, []byte(token), nil, "keelson example server: dashboard session", sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("derive the key of sessions: %w", err)
	}
	return &sessions{token: token, key: key, now: now}, nil
}

// begin sets the cookie of a new session.
func (s *sessions) begin(w http.ResponseWriter) {
	end := s.now().Add(sessionLife)
	b := binary.BigEndian.AppendUint64(nil, uint64(end.Unix()))
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // never fails
	b = append(b, nonce[:]...)
	b = append(b, s.sign(b)...)
	s.set(w, base64.RawURLEncoding.EncodeToString(b), int(sessionLife.Seconds()))
}

// end removes the cookie.
func (s *sessions) end(w http.ResponseWriter) { s.set(w, "", -1) }

func (s *sessions) set(w http.ResponseWriter, value string, age int) {
	http.SetCookie(w, &http.Cookie{
		Name: sessionCookie, Value: value, Path: "/", MaxAge: age,
		HttpOnly: true, Secure: true, SameSite: http.SameSiteStrictMode,
	})
}

// valid reports whether a request belongs to a session.
func (s *sessions) valid(r *http.Request) bool {
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return false
	}
	b, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil || len(b) != 8+16+sha256.Size {
		return false
	}
	signed, mac := b[:24], b[24:]
	return hmac.Equal(mac, s.sign(signed)) && s.now().Unix() < int64(binary.BigEndian.Uint64(signed))
}

func (s *sessions) sign(b []byte) []byte {
	h := hmac.New(sha256.New, s.key)
	h.Write(b)
	return h.Sum(nil)
}

// local returns where to go after a login: a path of this server, and nowhere
// else.
func local(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(u.Path, "//") || strings.Contains(next, `\`) {
		return "/"
	}
	return u.RequestURI()
}
