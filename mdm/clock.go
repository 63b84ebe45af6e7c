package mdm

import "time"

// Clock tells the time. Everything that Keelson writes comes from the
// injected clock, so that tests run in virtual time; leases alone use the
// database's. A Clock is safe for concurrent use.
type Clock interface {
	Now() time.Time
}

// SystemClock is the machine's clock.
type SystemClock struct{}

// Now returns the current time in UTC, in whole microseconds, so that what is
// answered at once is what is read later. It keeps the monotonic reading, which
// differences are taken by.
func (SystemClock) Now() time.Time {
	t := time.Now().UTC()
	return t.Add(-time.Duration(t.Nanosecond() % 1000))
}

// Micros returns t as microseconds since 1970 UTC, which is how every store
// keeps a time. The zero time is 0.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// FromMicros is the inverse of [Micros], in UTC.
func FromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
