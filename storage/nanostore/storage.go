package nanostore

import (
	"context"
	"crypto/sha256"
	"io"
	"strings"
	"unicode/utf8"

	nanomdm "github.com/micromdm/nanomdm/mdm"
	"github.com/micromdm/nanomdm/storage"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
)

// Config is what a [Storage] needs. Fields are required unless their comment says
// otherwise.
type Config struct {
	Store Backend
	// Tenant must exist. Empty means [mdm.DefaultTenant].
	Tenant mdm.TenantID
	Box    *mdm.Box
	Clock  mdm.Clock
	// Rand is safe for concurrent use, as crypto/rand's Reader is.
	Rand io.Reader
	// Seen is told when a device asked for a command. It must not block. Nil
	// tells nobody.
	Seen func(mdm.TenantID, mdm.HostKey)
}

// Storage is NanoMDM's storage for one tenant. Every call is one unit of work, or
// reads. It is safe for concurrent use.
type Storage struct {
	c Config
	q *queue.Queue
}

var _ storage.AllStorage = (*Storage)(nil)

// New returns a storage, or a [mdm.CodeInvalid] error when a required field is
// missing.
func New(c Config) (*Storage, error) {
	if c.Store == nil || c.Box == nil || c.Clock == nil || c.Rand == nil {
		return nil, mdm.Errorf(mdm.CodeInvalid, "nanostore", "Store, Box, Clock and Rand are required")
	}
	if c.Tenant == "" {
		c.Tenant = mdm.DefaultTenant
	}
	q, err := queue.New(queue.Config{Store: c.Store.Queue(), Box: c.Box, Clock: c.Clock, Rand: c.Rand})
	if err != nil {
		return nil, err
	}
	return &Storage{c: c, q: q}, nil
}

func (s *Storage) in(ctx context.Context, fn func(context.Context, mdm.Tx) error) error {
	return s.c.Store.InTx(ctx, s.c.Tenant, fn)
}

// channel is who speaks in a request.
type channel struct {
	natural mdm.Natural
	parent  mdm.Natural // of a user channel's device; empty on a device channel
	kind    int
}

func (c *channel) of() mdm.Channel {
	if c.parent != "" {
		return mdm.UserChannel
	}
	return mdm.DeviceChannel
}

// caller reads who speaks. NanoMDM's service has normalized the ids.
func caller(r *nanomdm.Request) (c channel, err error) {
	if r == nil || r.EnrollID == nil {
		return c, mdm.Errorf(mdm.CodeInvalid, "id", "the request names no enrollment")
	}
	if c.natural, err = natural(r.ID); err != nil {
		return c, err
	}
	if r.ParentID != "" {
		c.parent, err = natural(r.ParentID)
	}
	c.kind = int(r.Type)
	return c, err
}

// maxText bounds NanoMDM's names, in bytes.
const maxText = 255

// plain reports whether a name is one that every database takes.
func plain(s string, limit int) bool {
	return s != "" && len(s) <= limit && utf8.ValidString(s) && !strings.ContainsRune(s, 0)
}

// natural is the natural key of an enrollment by NanoMDM's id of it, which is in
// the same form.
func natural(id string) (mdm.Natural, error) {
	if !plain(id, maxText) {
		return "", mdm.Errorf(mdm.CodeInvalid, "id", "an enrollment id has 1 to %d bytes of text", maxText)
	}
	return mdm.AppleNatural(id), nil
}

// id is NanoMDM's id of an enrollment.
func id(n mdm.Natural) string { return strings.TrimPrefix(string(n), string(mdm.AppleNatural(""))) }

// pin stands where other tenants' enrollments have the hash of a certificate. No
// certificate has it: NanoMDM judges its devices by its own associations.
func (s *Storage) pin(n mdm.Natural) mdm.Hash {
	return sha256.Sum256([]byte("keelson/nano\x00" + string(s.c.Tenant) + "\x00" + string(n)))
}

// missing reports whether err says that there is no such row.
func missing(err error) bool { return mdm.CodeOf(err) == mdm.CodeNotFound }

// enrollment reads a channel and holds it until the unit ends; known is not set
// when there is none. One of NanoMDM's ids may read as a user's and be a device's:
// such a one is refused.
func (s *Storage) enrollment(ctx context.Context, tx mdm.Tx, n mdm.Natural, c mdm.Channel) (e mdm.Enrollment, known bool, err error) {
	e, err = s.c.Store.Lifecycle().EnrollmentTx(ctx, tx, n)
	switch {
	case missing(err):
		return mdm.Enrollment{}, false, nil
	case err != nil:
		return e, false, err
	case c != "" && e.Channel != c:
		return e, false, mdm.Errorf(mdm.CodeConflict, "id", "this enrollment is on another channel")
	}
	return e, true, nil
}

// newID makes an id of the platform-independent kind.
func (s *Storage) newID() (string, error) { return mdm.NewUUID(s.c.Clock.Now(), s.c.Rand) }
