package windows

import (
	"context"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// Store is what Windows MDM keeps for itself: what an enrollment claimed, and
// its sessions. Methods that take a Tx join that unit of work. Getters return a
// [mdm.CodeNotFound] error when there is no row.
type Store interface {
	// PutDevice inserts or replaces what an enrollment claimed.
	PutDevice(ctx context.Context, tx mdm.Tx, d Device) error
	DeviceTx(ctx context.Context, tx mdm.Tx, e mdm.EnrollmentKey) (Device, error)

	// PutSession inserts or replaces the session with that id; an enrollment
	// keeps its newest 4 sessions.
	PutSession(ctx context.Context, tx mdm.Tx, s Session) error
	SessionTx(ctx context.Context, tx mdm.Tx, e mdm.EnrollmentKey, id string) (Session, error)
	// DropSessions forgets every session of an enrollment.
	DropSessions(ctx context.Context, tx mdm.Tx, e mdm.EnrollmentKey) error
}

// Device is what a PC claimed when it enrolled.
type Device struct {
	Enrollment mdm.EnrollmentKey
	DeviceID   string // SyncHdr/Source of every message
	HWDevID    string
	User       string // who authenticated
	OSVersion  string
	At         time.Time
}

// Session is an OMA-DM session between two messages: what is needed to go on
// after a restart, on any replica.
type Session struct {
	Enrollment mdm.EnrollmentKey
	ID         string // opaque, chosen by the device
	MsgID      int    // the device's last message
	Body       mdm.Hash
	Reply      []byte // sealed: what that message was answered
	State      []byte // sealed: the session's state machine, as JSON
	At         time.Time
}
