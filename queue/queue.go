package queue

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"

	"github.com/keelson-mdm/keelson/mdm"
)

// Limits of commands.
const (
	MaxContent = 4 << 20 // bytes of one command's content
	maxCode    = 64
	maxDetail  = 1024
)

// Config is what a [Queue] needs. All fields but Evidence are required.
type Config struct {
	Store Store
	Box   *mdm.Box
	Clock mdm.Clock
	Rand  io.Reader
	// Evidence is called after a report was taken in one step, see [Reporter]:
	// its owner has something to look at. It must not block. Nil tells nobody.
	Evidence func(mdm.TenantID)
}

// Queue is the command queue over a [Store]: it checks commands, stores their
// content once and sealed, and opens what leaves. It is safe for concurrent use.
type Queue struct {
	c        Config
	reporter Reporter // nil where the backend has none
}

// New returns a queue.
func New(c Config) (*Queue, error) {
	if c.Store == nil || c.Box == nil || c.Clock == nil || c.Rand == nil {
		return nil, mdm.Errorf(mdm.CodeInvalid, "queue", "Store, Box, Clock and Rand are required")
	}
	q := &Queue{c: c}
	q.reporter, _ = c.Store.(Reporter)
	return q, nil
}

const contentTable, resultTable = "content", "result"

// Enqueue queues commands in the order given, in the caller's unit of work, and
// returns their entries; that of a command that repeats another is the one that
// was queued first, see [Queue.Repeated]. A command that is wrong is a
// [mdm.CodeInvalid] error, one whose key was used for another is
// [mdm.CodeKeyReused], and nothing is queued. When another unit is queueing with
// the same key at this very moment, it is a [mdm.CodeConflict] error, and the unit
// is to be run again.
func (q *Queue) Enqueue(ctx context.Context, tx mdm.Tx, commands []Command) ([]Entry, error) {
	now := q.c.Clock.Now()
	entries := make([]Entry, len(commands))
	fresh := make([]int, 0, len(commands)) // those that repeat nothing
	twins := make(map[int]int)             // those that repeat an earlier one of this call
	for i, c := range commands {
		if err := check(&c); err != nil {
			return nil, err
		}
		first, known, err := q.Repeated(ctx, tx, c)
		if err != nil {
			return nil, err
		}
		if known {
			entries[i] = first
			continue
		}
		t := -1
		if c.Idempotency != "" {
			t = slices.IndexFunc(fresh, func(f int) bool { return twin(&entries[f].Command, &c) })
		}
		if t >= 0 {
			if !same(&entries[fresh[t]].Command, &c) {
				return nil, keyReused()
			}
			twins[i] = fresh[t]
			continue
		}
		if !c.Expires.IsZero() && !c.Expires.After(now) {
			return nil, mdm.Errorf(mdm.CodeInvalid, "expires", "the command would expire before it is queued")
		}
		entries[i] = Entry{Command: c, Queued: now}
		fresh = append(fresh, i)
	}
	if err := q.insert(ctx, tx, entries, fresh); err != nil {
		return nil, err
	}
	for i, first := range twins {
		entries[i] = entries[first]
	}
	return entries, nil
}

// twin reports whether two commands, of which one has an idempotency key, have the
// same on the same enrollment.
func twin(a, b *Command) bool {
	return a.Idempotency == b.Idempotency && a.Enrollment == b.Enrollment
}

// insert stores the contents of the fresh ones of entries, and queues them.
func (q *Queue) insert(ctx context.Context, tx mdm.Tx, entries []Entry, fresh []int) error {
	out := make([]Entry, len(fresh))
	stored := make(map[mdm.Hash]bool) // many commands of a call have one content
	for n, i := range fresh {
		e := &entries[i]
		if e.ID == "" {
			id, err := mdm.NewUUID(e.Queued, q.c.Rand)
			if err != nil {
				return err
			}
			e.ID = mdm.CommandID(id)
		}
		var err error
		if e.Hash, err = q.address(&e.Command); err != nil {
			return err
		}
		if !stored[e.Hash] {
			sealed, err := q.c.Box.Seal(tx.Tenant(), contentTable, e.Hash.String(), nonNil(e.Content))
			if err != nil {
				return err
			}
			if err := q.c.Store.PutContent(ctx, tx, e.Hash, sealed, e.Queued); err != nil {
				return fmt.Errorf("store the content of a %s command: %w", e.Kind, err)
			}
			stored[e.Hash] = true
		}
		e.Content = nil
		out[n] = *e
	}
	if err := q.c.Store.Insert(ctx, tx, out); err != nil {
		return err
	}
	for n, i := range fresh {
		entries[i] = out[n]
	}
	return nil
}

// address is the hash under which a command's content is stored. Commands that
// leave with frozen parameters, or once, may hold a PIN or the like, which a plain
// hash would give away to whoever can guess: theirs is salted, and never shared.
func (q *Queue) address(c *Command) (mdm.Hash, error) {
	if c.Redelivery == mdm.Repeatable {
		return sha256.Sum256(c.Content), nil
	}
	salt := make([]byte, 32, 32+len(c.Content))
	if _, err := io.ReadFull(q.c.Rand, salt); err != nil {
		return mdm.Hash{}, fmt.Errorf("salt a command's content: %w", err)
	}
	return sha256.Sum256(append(salt, c.Content...)), nil
}

func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// check completes a command, and reports what is wrong with it.
func check(c *Command) error {
	switch {
	case c.Enrollment == 0 || c.Generation == 0:
		return mdm.Errorf(mdm.CodeInvalid, "enrollment", "a command needs an enrolled channel and its generation")
	case c.Owner == "" || c.Kind == "":
		return mdm.Errorf(mdm.CodeInvalid, "kind", "a command needs an owner and a kind")
	case len(c.Content) > MaxContent:
		return mdm.Errorf(mdm.CodeTooLarge, "content", "a command's content has at most %d bytes, this has %d", MaxContent, len(c.Content))
	case c.ID != "" && !mdm.IsUUID(string(c.ID)):
		return mdm.Errorf(mdm.CodeInvalid, "id", "a command id is a UUID")
	}
	complete(c)
	switch c.Redelivery {
	case mdm.Repeatable, mdm.Frozen:
	case mdm.Once:
		if c.Expires.IsZero() {
			return mdm.Errorf(mdm.CodeInvalid, "expires", "a command that leaves only once needs a time after which its outcome is taken to be unknown")
		}
	default:
		return mdm.Errorf(mdm.CodeInvalid, "redelivery", "unknown redelivery class %q", c.Redelivery)
	}
	return nil
}

// complete fills in what zero means.
func complete(c *Command) {
	if c.Lane == 0 {
		c.Lane = LaneNormal
	}
	if c.Redelivery == "" {
		c.Redelivery = mdm.Repeatable
	}
}

// Poll judges the caller and hands out what is next, opened.
func (q *Queue) Poll(ctx context.Context, t mdm.TenantID, p Poll) (Answer, error) {
	a, err := q.c.Store.Poll(ctx, t, p)
	if err != nil {
		return Answer{}, err
	}
	q.open(t, a.Handouts)
	return a, nil
}

// Report does the whole of a report in one step where the backend can; see
// [Reporter]. When taken is not set nothing has happened, and the caller does it
// step by step.
func (q *Queue) Report(ctx context.Context, t mdm.TenantID, p Poll, r Report) (a Answer, f Filed, taken bool, err error) {
	if q.reporter == nil {
		return Answer{}, Filed{}, false, nil
	}
	if err := q.sealReport(t, &r); err != nil {
		return Answer{}, Filed{}, false, err
	}
	a, f, taken, err = q.reporter.Report(ctx, t, p, r)
	if err != nil || !taken {
		return Answer{}, Filed{}, false, err
	}
	if q.c.Evidence != nil {
		q.c.Evidence(t)
	}
	q.open(t, a.Handouts)
	return a, f, true, nil
}

// File ends or holds a reported entry in the caller's unit of work.
func (q *Queue) File(ctx context.Context, tx mdm.Tx, e mdm.Enrollment, r Report) (Filed, error) {
	if err := q.sealReport(tx.Tenant(), &r); err != nil {
		return Filed{}, err
	}
	return q.c.Store.File(ctx, tx, e, r)
}

// Next hands out in the caller's unit of work, opened.
func (q *Queue) Next(ctx context.Context, tx mdm.Tx, e mdm.Enrollment, p Poll) ([]Handout, error) {
	hs, err := q.c.Store.Next(ctx, tx, e, p)
	if err != nil {
		return nil, err
	}
	q.open(tx.Tenant(), hs)
	return hs, nil
}

func (q *Queue) sealReport(t mdm.TenantID, r *Report) error {
	r.Code, r.Detail = clip(r.Code, maxCode), clip(r.Detail, maxDetail)
	sealed, err := q.c.Box.Seal(t, resultTable, string(r.Command), r.Body)
	r.Body = sealed
	return err
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xc0 == 0x80 { // not inside a rune
		n--
	}
	return s[:n]
}

func (q *Queue) open(t mdm.TenantID, hs []Handout) {
	for i := range hs {
		h := &hs[i]
		h.Data, h.Err = q.c.Box.Open(t, contentTable, h.Hash.String(), h.Data)
	}
}

// Cancel takes back one command, truthfully; see [Store.Cancel].
func (q *Queue) Cancel(ctx context.Context, tx mdm.Tx, id mdm.CommandID) (CancelAnswer, mdm.Result, error) {
	return q.c.Store.Cancel(ctx, tx, id, q.c.Clock.Now())
}

// Get returns one command with its answer opened.
func (q *Queue) Get(ctx context.Context, t mdm.TenantID, id mdm.CommandID) (Done, error) {
	d, err := q.c.Store.Get(ctx, t, id)
	if err != nil {
		return Done{}, err
	}
	d.Body, err = q.c.Box.Open(t, resultTable, string(id), d.Body)
	return d, err
}

// List returns the commands of one channel, the newest first, without answers;
// before is the sequence of the last one seen, 0 to begin.
func (q *Queue) List(ctx context.Context, t mdm.TenantID, e mdm.EnrollmentKey, before int64, limit int) ([]Done, error) {
	ds, err := q.c.Store.List(ctx, t, e, before, limit)
	for i := range ds {
		ds[i].Body = nil
	}
	return ds, err
}

// EndRef takes back an owner's waiting commands about one key; see
// [Store.EndRef].
func (q *Queue) EndRef(ctx context.Context, tx mdm.Tx, e mdm.EnrollmentKey, o mdm.Owner, key int64) (taken, left int, err error) {
	return q.c.Store.EndRef(ctx, tx, e, o, key, q.c.Clock.Now())
}

// EndBefore ends what is waiting for earlier lives of an enrollment.
func (q *Queue) EndBefore(ctx context.Context, tx mdm.Tx, e mdm.EnrollmentKey, g mdm.Generation) ([]mdm.Result, error) {
	return q.c.Store.EndBefore(ctx, tx, e, g, q.c.Clock.Now())
}

// Expire ends what is out of time; see [Store.Expire].
func (q *Queue) Expire(ctx context.Context, tx mdm.Tx, limit int) ([]mdm.Result, error) {
	return q.c.Store.Expire(ctx, tx, q.c.Clock.Now(), limit)
}

// Waiting lists channels that have something to hand out now; see
// [Store.Waiting].
func (q *Queue) Waiting(ctx context.Context, t mdm.TenantID, after mdm.EnrollmentKey, limit int) ([]mdm.EnrollmentKey, error) {
	return q.c.Store.Waiting(ctx, t, q.c.Clock.Now(), after, limit)
}
