package apple

import (
	"context"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// Store is what Apple MDM keeps for itself: how to wake a device, the tokens
// that it escrows, and answers that could not be decoded. Methods that take a
// Tx join that unit of work. Secret values are sealed before they get here.
// Getters return a [mdm.CodeNotFound] error when there is no row.
type Store interface {
	// PutPush records how to wake a channel; ClearPush forgets it.
	PutPush(ctx context.Context, tx mdm.Tx, p Push) error
	ClearPush(ctx context.Context, tx mdm.Tx, e mdm.EnrollmentKey) error
	// Push returns what is known for these channels, in any order; unknown
	// ones are left out.
	Push(ctx context.Context, t mdm.TenantID, keys []mdm.EnrollmentKey) ([]Push, error)

	// PutToken appends an escrowed token: earlier ones are kept, of each channel
	// and kind the 8 of the newest generations, the newest first. Token returns
	// the newest of that kind and generation. ClearTokens marks the tokens of a
	// kind that are of generations below before as cleared, so that Token no
	// longer finds them.
	PutToken(ctx context.Context, tx mdm.Tx, k Token) error
	Token(ctx context.Context, t mdm.TenantID, e mdm.EnrollmentKey, kind TokenKind, g mdm.Generation) (Token, error)
	ClearTokens(ctx context.Context, tx mdm.Tx, e mdm.EnrollmentKey, kind TokenKind, before mdm.Generation) error

	// PutAside keeps bytes that could not be decoded, at most the newest 16 a
	// channel; Aside lists them, the newest first.
	PutAside(ctx context.Context, tx mdm.Tx, a Aside) error
	Aside(ctx context.Context, t mdm.TenantID, e mdm.EnrollmentKey) ([]Aside, error)
}

// Push is how to wake one channel.
type Push struct {
	Enrollment mdm.EnrollmentKey
	Natural    mdm.Natural // of the enrollment; read-only, joined
	Topic      string
	Token      []byte // sealed
	Magic      []byte // sealed
	At         time.Time
}

// TokenKind names an escrowed token.
type TokenKind string

// The kinds.
const (
	BootstrapToken TokenKind = "bootstrap"
	UnlockToken    TokenKind = "unlock"
)

// Token is one escrowed token.
type Token struct {
	Enrollment mdm.EnrollmentKey
	Kind       TokenKind
	Generation mdm.Generation
	Sealed     []byte
	At         time.Time
}

// Aside is an answer that could not be decoded.
type Aside struct {
	Enrollment mdm.EnrollmentKey
	Why        string
	Sealed     []byte
	At         time.Time
}
