package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
)

type queueRoom struct{ s *Store }

func (r queueRoom) PutContent(ctx context.Context, x mdm.Tx, h mdm.Hash, sealed []byte, now time.Time) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	at := mdm.Micros(now)
	stale := at - queue.ContentFresh.Microseconds()
	const insert = `INSERT INTO keelson_content (tenant, sha, sealed, used_at) `
	switch t.d.name {
	case PostgreSQL: // who finds it fresh, which is nearly everybody, holds nothing
		_, err = t.exec(ctx, "content", `WITH used AS (UPDATE keelson_content SET used_at = ? WHERE tenant = ? AND sha = ? AND used_at < ? RETURNING 1)
			`+insert+`SELECT t.id, ?, ?, ? FROM keelson_tenant t WHERE t.id = ? AND NOT EXISTS (SELECT 1 FROM used) ON CONFLICT DO NOTHING`,
			at, t.id, h[:], stale, h[:], nonNil(sealed), at, t.id)
	case MySQL:
		_, err = t.exec(ctx, "content", insert+`VALUES (?, ?, ?, ?) ON DUPLICATE KEY UPDATE used_at = IF(used_at < ?, VALUES(used_at), used_at)`,
			t.id, h[:], nonNil(sealed), at, stale)
	default:
		_, err = t.exec(ctx, "content", insert+`VALUES (?, ?, ?, ?) ON CONFLICT (tenant, sha) DO UPDATE SET used_at = excluded.used_at WHERE used_at < ?`,
			t.id, h[:], nonNil(sealed), at, stale)
	}
	return err
}

func (t *tx) content(ctx context.Context, h mdm.Hash) (b []byte, err error) {
	err = t.q.QueryRowContext(ctx, `SELECT sealed FROM keelson_content WHERE tenant = ? AND sha = ?`, t.id, h[:]).Scan(&b)
	return b, failure("content", err)
}

func (r queueRoom) Content(ctx context.Context, tenant mdm.TenantID, h mdm.Hash) (b []byte, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error { b, err = t.content(ctx, h); return err })
	return b, err
}

// queueColumns are what keelson_queue and keelson_done have in common, seq first.
const queueColumns = `seq, tenant, enrollment, lane, uid, generation, owner, ref_key, ref_order, kind, content,
	not_before, expires, resource, supersede, idempotency, redelivery, actor, queued_at, sent_at, sent, held_at`

// entryColumns reads an entry from a table aliased q. The content's row, which
// many devices read, is not one that a statement with a lock may hold.
const entryColumns = `q.seq, q.enrollment, q.lane, q.uid, q.generation, q.owner, q.ref_key, q.ref_order, q.kind,
	(SELECT sha FROM keelson_content c WHERE c.id = q.content), q.not_before, q.expires, q.resource, q.supersede, coalesce(q.idempotency, ''), q.redelivery, q.actor,
	q.queued_at, q.sent_at, q.sent, q.held_at`

// entryRow scans entryColumns.
type entryRow struct {
	queue.Entry
	sha                                      []byte
	notBefore, expires, queued, sentAt, held int64
}

func (e *entryRow) targets() []any {
	return []any{
		&e.Seq, &e.Enrollment, &e.Lane, &e.ID, &e.Generation, &e.Owner, &e.Ref.Key, &e.Ref.Order, &e.Kind,
		&e.sha, &e.notBefore, &e.expires, &e.Resource, &e.Supersede, &e.Idempotency, &e.Redelivery, actorColumn{&e.Actor},
		&e.queued, &e.sentAt, &e.Sent, &e.held,
	}
}

func (e *entryRow) entry() queue.Entry {
	copy(e.Hash[:], e.sha)
	e.NotBefore, e.Expires, e.Queued = mdm.FromMicros(e.notBefore), mdm.FromMicros(e.expires), mdm.FromMicros(e.queued)
	e.SentAt, e.Held = mdm.FromMicros(e.sentAt), mdm.FromMicros(e.held)
	return e.Entry
}

func (r queueRoom) Insert(ctx context.Context, x mdm.Tx, entries []queue.Entry) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	if len(entries) > 1 && !slices.ContainsFunc(entries, func(e queue.Entry) bool { return alone(&e) }) {
		return t.enqueueMany(ctx, entries)
	}
	for i := range entries {
		if err := t.enqueue(ctx, &entries[i]); err != nil {
			return err
		}
	}
	return nil
}

const takenID = "a command with this id exists"

func noSuchEnrollment() error {
	return mdm.Errorf(mdm.CodeNotFound, "enrollment", "no such enrollment, or no such content")
}

// unknownID refuses the id of a command that is there.
func (t *tx) unknownID(ctx context.Context, id mdm.CommandID) error {
	var known bool
	err := t.q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM keelson_queue WHERE tenant = ? AND uid = ?)
		OR EXISTS (SELECT 1 FROM keelson_done WHERE tenant = ? AND uid = ?)`, t.id, id, t.id, id).Scan(&known)
	if err == nil && known {
		return mdm.Errorf(mdm.CodeConflict, "id", takenID)
	}
	return t.judged(failure("read a command", err))
}

func (t *tx) enqueue(ctx context.Context, e *queue.Entry) error {
	idem := sql.NullString{String: e.Idempotency, Valid: e.Idempotency != ""}
	if idem.Valid {
		if err := t.unused(ctx, e.Enrollment, e.Idempotency); err != nil {
			return err
		}
	}
	if err := t.unknownID(ctx, e.ID); err != nil {
		return err
	}
	if e.Supersede != "" {
		seqs, err := t.waiting(ctx, t.d.lock, `enrollment = ? AND supersede = ? AND sent = 0`, "", e.Enrollment, e.Supersede)
		if err != nil {
			return err
		}
		if err := t.finish(ctx, ending{outcome: mdm.OutcomeSuperseded, at: e.Queued}, seqs...); err != nil {
			return err
		}
	}
	seq, err := t.insertFrom(ctx, "queue", "seq", `INSERT INTO keelson_queue
		(tenant, enrollment, lane, uid, generation, owner, ref_key, ref_order, kind, content,
		 not_before, expires, resource, supersede, idempotency, redelivery, actor, queued_at)
		SELECT e.tenant, e.id, ?, ?, ?, ?, ?, ?, ?, c.id, ?, ?, ?, ?, ?, ?, ?, ?
		FROM keelson_enrollment e JOIN keelson_content c ON c.tenant = e.tenant AND c.sha = ? WHERE e.tenant = ? AND e.id = ?`,
		e.Lane, e.ID, e.Generation, e.Owner, e.Ref.Key, e.Ref.Order, e.Kind,
		mdm.Micros(e.NotBefore), mdm.Micros(e.Expires), e.Resource, e.Supersede, idem, e.Redelivery, actorColumn{&e.Actor}, mdm.Micros(e.Queued),
		e.Hash[:], t.id, e.Enrollment)
	switch {
	case errors.Is(err, mdm.CodeConflict) && t.d.lock != "": // by a unit beside this one: what it queued is seen next time
		return &mdm.Error{Code: mdm.CodeConflict, Field: "id", Message: takenID, Err: errors.Join(errAgain, err)}
	case err != nil:
		return takenAs(err, "id", takenID)
	case seq == 0:
		return noSuchEnrollment()
	}
	e.Seq = seq
	return nil
}

// ending is how entries end.
type ending struct {
	outcome      mdm.Outcome
	code, detail string
	body         []byte
	at           time.Time
}

// waiting returns the sequences of the waiting entries that match, and holds them
// with that lock. The rest is what follows the condition in a query.
func (t *tx) waiting(ctx context.Context, lock, where, rest string, args ...any) (seqs []int64, err error) {
	once := lock
	if t.d.keyed != "" {
		once = ""
	}
	err = t.each(ctx, "the queue", `SELECT seq FROM keelson_queue WHERE tenant = ? AND `+where+rest+once, append([]any{t.id}, args...),
		func(rows *sql.Rows) error {
			var seq int64
			err := rows.Scan(&seq)
			seqs = append(seqs, seq)
			return err
		})
	if err != nil || t.d.keyed == "" {
		return seqs, err
	}
	return t.holdKeys(ctx, "keelson_queue", "seq", seqs, lock, where, args[:strings.Count(where, "?")]...)
}

// finish moves waiting entries, which the unit holds, to the history.
func (t *tx) finish(ctx context.Context, d ending, seqs ...int64) error {
	if len(seqs) == 0 {
		return nil
	}
	these, args := t.d.in(seqs)
	_, err := t.exec(ctx, "done", `INSERT INTO keelson_done (`+queueColumns+`, outcome, code, detail, body, ended_at)
		SELECT `+queueColumns+`, ?, ?, ?, ?, ? FROM keelson_queue`+t.d.keyed+` WHERE `+t.d.plus+`tenant = ? AND seq `+these,
		append([]any{d.outcome, d.code, d.detail, d.body, mdm.Micros(d.at), t.id}, args...)...)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "queue", t.d.del("keelson_queue")+` WHERE `+t.d.plus+`tenant = ? AND seq `+these, append([]any{t.id}, args...)...)
	return err
}

func (r queueRoom) Next(ctx context.Context, x mdm.Tx, e mdm.Enrollment, p queue.Poll) ([]queue.Handout, error) {
	t, err := r.s.join(x)
	if err != nil {
		return nil, err
	}
	return t.next(ctx, e, p)
}

// ready tells, of entries q of a channel's current life, what may leave, with
// [readyArgs]. An earlier waiting entry on the same resource, in the same life
// and not expired, holds back.
const ready = `q.not_before <= ?
	AND (q.expires = 0 OR q.expires > ?) AND (q.held_at = 0 OR NOT ?)
	AND (q.redelivery <> 'once' OR q.sent = 0)
	AND (q.resource = '' OR NOT EXISTS (SELECT 1 FROM keelson_queue b WHERE b.tenant = q.tenant
		AND b.enrollment = q.enrollment AND b.resource = q.resource AND b.seq < q.seq
		AND b.generation = q.generation AND (b.expires = 0 OR b.expires > ?)))`

func readyArgs(now time.Time, skipHeld bool) []any {
	n := mdm.Micros(now)
	return []any{n, n, skipHeld, n}
}

// inline is the lock of a statement that finds and holds rows at once, where a
// database can do that.
func inline(d *dialect) string {
	if d.keyed != "" {
		return ""
	}
	return d.lock
}

// next selects and marks what leaves.
func (t *tx) next(ctx context.Context, e mdm.Enrollment, p queue.Poll) ([]queue.Handout, error) {
	var out []queue.Handout
	size := 0
	err := t.each(ctx, "the queue", `SELECT `+entryColumns+`, (SELECT sealed FROM keelson_content c WHERE c.id = q.content)
		FROM keelson_queue q WHERE q.tenant = ? AND q.enrollment = ? AND q.generation = ? AND `+ready+` ORDER BY q.lane, q.seq LIMIT ?`+inline(t.d),
		slices.Concat([]any{t.id, e.Key, e.Generation}, readyArgs(p.Now, p.SkipHeld), []any{max(p.Limit, 1)}),
		func(rows *sql.Rows) error {
			var row entryRow
			var data []byte
			if err := rows.Scan(append(row.targets(), &data)...); err != nil {
				return err
			}
			if size += len(data); p.MaxBytes > 0 && len(out) > 0 && size > p.MaxBytes {
				return nil
			}
			out = append(out, queue.Handout{Entry: row.entry(), Data: data})
			return nil
		})
	if err != nil || len(out) == 0 {
		return nil, err
	}
	seqs := make([]int64, len(out))
	for i := range out {
		seqs[i] = out[i].Seq
	}
	if t.d.keyed != "" { // some may have been taken back since
		if seqs, err = t.holdKeys(ctx, "keelson_queue", "seq", seqs, t.d.lock, "(redelivery <> 'once' OR sent = 0)"); err != nil || len(seqs) == 0 {
			return nil, err
		}
		out = slices.DeleteFunc(out, func(h queue.Handout) bool { return !slices.Contains(seqs, h.Seq) })
	}
	for i := range out {
		out[i].SentAt, out[i].Sent = mdm.FromMicros(mdm.Micros(p.Now)), out[i].Sent+1
	}
	these, args := t.d.in(seqs)
	_, err = t.exec(ctx, "queue", `UPDATE keelson_queue`+t.d.keyed+` SET sent_at = ?, sent = sent + 1
		WHERE `+t.d.plus+`tenant = ? AND seq `+these, append([]any{mdm.Micros(p.Now), t.id}, args...)...)
	return out, err
}

func (r queueRoom) File(ctx context.Context, x mdm.Tx, e mdm.Enrollment, rep queue.Report) (queue.Filed, error) {
	t, err := r.s.join(x)
	if err != nil {
		return queue.Filed{}, err
	}
	return t.file(ctx, e, rep)
}

func (t *tx) file(ctx context.Context, e mdm.Enrollment, rep queue.Report) (queue.Filed, error) {
	res := mdm.Result{
		Command: rep.Command, Enrollment: e.Key, Life: e.ID, Host: e.Host, HostID: e.HostID, Platform: e.Platform,
		Current: e.Generation, Outcome: rep.Outcome, Code: rep.Code, Detail: rep.Detail, At: rep.Now,
	}
	const columns = `seq, generation, owner, ref_key, ref_order, kind, actor`
	targets := []any{&res.Seq, &res.Generation, &res.Owner, &res.Ref.Key, &res.Ref.Order, &res.Kind, actorColumn{&res.Actor}}
	err := t.q.QueryRowContext(ctx, `SELECT `+columns+` FROM keelson_queue WHERE tenant = ? AND uid = ? AND enrollment = ?`+inline(t.d),
		t.id, rep.Command, e.Key).Scan(targets...)
	if err == nil && t.d.keyed != "" {
		var held []int64
		if held, err = t.holdKeys(ctx, "keelson_queue", "seq", []int64{res.Seq}, t.d.lock, ""); err == nil && len(held) == 0 {
			err = sql.ErrNoRows // it ended in between
		}
	}
	if errors.Is(err, sql.ErrNoRows) {
		return t.fileLate(ctx, e, rep, &res, columns, targets)
	}
	if err != nil {
		return queue.Filed{}, t.judged(failure("command", err))
	}
	if rep.NotNow {
		_, err = t.exec(ctx, "queue", `UPDATE keelson_queue SET held_at = ? WHERE tenant = ? AND seq = ?`, mdm.Micros(rep.Now), t.id, res.Seq)
		return queue.Filed{Filing: queue.FilingNotNow}, err
	}
	err = t.finish(ctx, ending{rep.Outcome, rep.Code, rep.Detail, rep.Body, rep.Now}, res.Seq)
	return queue.Filed{Filing: queue.FilingNew, Result: res}, err
}

// fileLate files a report on what has ended, or never was; targets are those of
// res for the columns.
func (t *tx) fileLate(ctx context.Context, e mdm.Enrollment, rep queue.Report, res *mdm.Result, columns string, targets []any) (queue.Filed, error) {
	var was mdm.Outcome
	var lateAt int64
	err := t.q.QueryRowContext(ctx, `SELECT `+columns+`, outcome, late_at FROM keelson_done WHERE tenant = ? AND uid = ? AND enrollment = ?`+t.d.lock,
		t.id, rep.Command, e.Key).Scan(append(targets, &was, &lateAt)...)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return queue.Filed{Filing: queue.FilingForeign}, nil
	case err != nil:
		return queue.Filed{}, t.judged(failure("command", err))
	case rep.NotNow, lateAt != 0, !endedWithout(was):
		return queue.Filed{Filing: queue.FilingRepeated}, nil
	}
	_, err = t.exec(ctx, "done", `UPDATE keelson_done SET late_outcome = ?, late_code = ?, late_detail = ?, late_at = ?, body = ?
		WHERE tenant = ? AND seq = ? AND late_at = 0`, rep.Outcome, rep.Code, rep.Detail, mdm.Micros(rep.Now), rep.Body, t.id, res.Seq)
	return queue.Filed{Filing: queue.FilingLate, Result: *res}, err
}

// endedWithout reports whether an entry with that outcome had ended without the
// device's answer.
func endedWithout(o mdm.Outcome) bool {
	switch o {
	case mdm.OutcomeCanceled, mdm.OutcomeSuperseded, mdm.OutcomeExpired, mdm.OutcomeUnknown:
		return true
	}
	return false
}
