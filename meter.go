package keelson

import (
	"net/http"
	"strconv"
)

// The measurements. Names and label keys are part of the API.
const (
	// MeterRequests counts what devices asked, by route and HTTP status.
	MeterRequests = "keelson_requests_total"
	// MeterSeconds observes how long an answer took, by route.
	MeterSeconds = "keelson_request_seconds"
)

// metered measures a route. Without a meter it is the handler itself.
func (m *MDM) metered(route string, h http.Handler) http.Handler {
	meter := m.c.Meter
	if meter == nil {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := m.c.Clock.Now()
		s := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		h.ServeHTTP(s, r)
		meter.Count(MeterRequests, 1, "route", route, "status", strconv.Itoa(s.status))
		meter.Observe(MeterSeconds, m.c.Clock.Now().Sub(began).Seconds(), "route", route)
	})
}

// statusWriter remembers the status.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (s *statusWriter) WriteHeader(code int) {
	s.status = code
	s.ResponseWriter.WriteHeader(code)
}

// Unwrap lets http.ResponseController reach the connection.
func (s *statusWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }
