package mdm

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"time"
)

// Public identifiers: opaque, unique, UUIDv7 in the canonical lowercase form.
// They order roughly by creation; nothing may rely on that.
type (
	// HostID names a host: one machine, however often it enrolls.
	HostID string
	// EnrollmentID names one life of an enrollment. It stands in the
	// certificate of that life, see [Generation].
	EnrollmentID string
	// CommandID names one queued command; on Apple it is the CommandUUID.
	CommandID string
	// ProfileID names a profile definition through all its revisions.
	ProfileID string
	// TeamID names a team: the scope to which a profile definition belongs.
	TeamID string
	// LabelID names a label.
	LabelID string
	// IntentID names an enrollment intent.
	IntentID string
	// EventID names one event; it is the idempotency key of its delivery.
	EventID string
	// ExternalID is the application's own key for a host. Empty means none.
	ExternalID string
)

// Row keys: made by the database, unique in their table, never public. Zero
// means that there is no row.
type (
	HostKey       int64
	EnrollmentKey int64
	ProfileKey    int64
	TeamKey       int64
	LabelKey      int64
)

// Generation counts the lives of an enrollment. It rises with every new
// enrollment, comes from a sequence of the store and not from a clock, and
// stays the same over a renewal. Zero means that the enrollment has not begun.
type Generation int64

// Revision counts the contents of one profile, from 1. Zero means none. A
// revision is never compared with a [Generation].
type Revision int64

// Edit counts the changes of one thing that administrators write, from 1: it
// rises with every change of it, whatever changed. It is what an administrator
// names to change only what was looked at. Zero means none, and no thing has it.
type Edit int64

// Hash is the SHA-256 of some content or of a certificate's DER.
type Hash [32]byte

// String returns h in lowercase hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// IsZero reports whether h is unset.
func (h Hash) IsZero() bool { return h == Hash{} }

// ParseHash reads what [Hash.String] writes.
func ParseHash(s string) (Hash, error) {
	var h Hash
	if len(s) != 2*len(h) {
		return h, Errorf(CodeInvalid, "", "a SHA-256 in hexadecimal has 64 digits, this has %d", len(s))
	}
	if _, err := hex.Decode(h[:], []byte(s)); err != nil {
		return Hash{}, Errorf(CodeInvalid, "", "not a SHA-256 in hexadecimal")
	}
	return h, nil
}

// NewUUID returns a UUIDv7 (RFC 9562, 5.7) of the given time and randomness, in
// lowercase. It fails only when rand does.
func NewUUID(now time.Time, rand io.Reader) (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(rand, b[6:]); err != nil {
		return "", fmt.Errorf("make a UUID: %w", err)
	}
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(max(now.UnixMilli(), 0)))
	copy(b[:6], ms[2:])
	b[6] = b[6]&0x0f | 0x70
	b[8] = b[8]&0x3f | 0x80
	var s [36]byte
	hex.Encode(s[:8], b[:4])
	hex.Encode(s[9:13], b[4:6])
	hex.Encode(s[14:18], b[6:8])
	hex.Encode(s[19:23], b[8:10])
	hex.Encode(s[24:], b[10:])
	s[8], s[13], s[18], s[23] = '-', '-', '-', '-'
	return string(s[:]), nil
}

// IsUUID reports whether s is a UUID in the canonical form, of any version and
// in either case.
func IsUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
				return false
			}
		}
	}
	return true
}
