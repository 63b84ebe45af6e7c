package nanostore

import (
	"context"
	"time"

	"github.com/keelson-mdm/keelson/apple"
	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/lifecycle"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
)

// Backend is what a [Storage] stands on; the stores of this library are backends.
type Backend interface {
	mdm.Transactor
	Queue() queue.Store
	Identity() identity.Store
	Lifecycle() lifecycle.Store
	Apple() apple.Store
	Nano() Store
}

// Store is what NanoMDM keeps and no other room does. Methods that take a Tx join
// that unit of work; the others are reads of their own. Secret values are sealed
// before they get here. Getters return a [mdm.CodeNotFound] error when there is no
// row. All are safe for concurrent use; rows of another tenant do not exist.
type Store interface {
	// PutChannel inserts or replaces what is known of an enrollment.
	PutChannel(ctx context.Context, tx mdm.Tx, c Channel) error
	ChannelTx(ctx context.Context, tx mdm.Tx, k mdm.EnrollmentKey) (Channel, error)
	Channel(ctx context.Context, t mdm.TenantID, k mdm.EnrollmentKey) (Channel, error)
	// Devices lists the enrolled device channels with keys above after, in key
	// order.
	Devices(ctx context.Context, t mdm.TenantID, after mdm.EnrollmentKey, limit int) ([]Device, error)

	// PutMessage keeps the newest message of a kind; Messages returns those of a
	// channel, in any order and as of one moment.
	PutMessage(ctx context.Context, tx mdm.Tx, m Message) error
	Messages(ctx context.Context, t mdm.TenantID, k mdm.EnrollmentKey) ([]Message, error)

	// Associate makes a hash the one of a channel, which need not be enrolled, and
	// the channel the one of the hash. Earlier associations stay on record:
	// HashOf is the last hash of a channel, ChannelOf the last channel of a hash.
	Associate(ctx context.Context, tx mdm.Tx, n mdm.Natural, hash string, at time.Time) error
	HashOf(ctx context.Context, t mdm.TenantID, n mdm.Natural) (string, error)
	ChannelOf(ctx context.Context, t mdm.TenantID, hash string) (mdm.Natural, error)

	// PutPushCertificate inserts or replaces the certificate of a topic.
	PutPushCertificate(ctx context.Context, tx mdm.Tx, c PushCertificate) error
	PushCertificate(ctx context.Context, t mdm.TenantID, topic string) (PushCertificate, error)
}

// Channel is what NanoMDM counts of an enrollment.
type Channel struct {
	Enrollment mdm.EnrollmentKey
	Type       int // NanoMDM's EnrollType
	Tally      int // TokenUpdates since the device last authenticated
}

// Device is an enrolled device channel.
type Device struct {
	Channel
	Life mdm.Enrollment
}

// Kind names a check-in message that is kept.
type Kind string

// The kinds.
const (
	Authenticate           Kind = "authenticate"
	TokenUpdate            Kind = "token_update"
	UserAuthenticate       Kind = "user_authenticate"
	UserAuthenticateDigest Kind = "user_authenticate_digest"
)

// Message is a check-in message as it came.
type Message struct {
	Enrollment mdm.EnrollmentKey
	Kind       Kind
	Sealed     []byte
	At         time.Time
}

// PushCertificate is a certificate with which devices of a topic are woken.
type PushCertificate struct {
	Topic       string
	Certificate []byte // PEM
	Key         []byte // PEM, sealed
	Version     string // another one each time that it is stored
	At          time.Time
}
