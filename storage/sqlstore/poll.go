package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
)

// A poll judges its caller and finds what may leave next in one statement. What
// leaves is marked by another that finds the entry as it was, or by the same one
// where a database can do that: the mark decides what leaves, so that nothing
// leaves that was taken back in between.

// candidate finds the entry of enrollment e that may leave next, with
// [candidateArgs]: none but for the channel's own certificate, as [queue.Stand]
// judges it.
const candidate = `SELECT q.seq FROM keelson_queue q WHERE q.tenant = e.tenant AND q.enrollment = e.id AND q.generation = e.generation
	AND e.state = 'enrolled' AND (e.pin = ? OR e.next_pin = ? AND e.next_generation = e.generation) AND ` + ready + ` ORDER BY q.lane, q.seq LIMIT 1`

func candidateArgs(p queue.Poll) []any {
	return append([]any{p.Pin[:], p.Pin[:]}, readyArgs(p.Now, p.SkipHeld)...)
}

// entryColumnsOf is entryColumns of a table with another alias.
func entryColumnsOf(alias string) string {
	return strings.ReplaceAll(entryColumns, "q.", alias+".") + `, (SELECT sealed FROM keelson_content c WHERE c.id = ` + alias + `.content)`
}

// errLost says that the entry that was about to leave was taken back, ended or
// handed out by another poll in between.
var errLost = errors.New("the entry has changed meanwhile")

// Poll is one round trip when nothing leaves.
func (r queueRoom) Poll(ctx context.Context, tenant mdm.TenantID, p queue.Poll) (a queue.Answer, err error) {
	one := r.pollOne
	switch {
	case p.Judge:
		one = r.judge
	case p.Limit > 1:
		one = r.pollMany
	case r.s.d.name == PostgreSQL && r.s.fault == nil:
		one = r.pollPostgreSQL
	}
	for range attempts {
		if a, err = one(ctx, tenant, p); !errors.Is(err, errLost) {
			break
		}
	}
	if errors.Is(err, errLost) {
		err = mdm.WrapError(mdm.CodeUnavailable, "", "others hand out to this channel", err)
	}
	if err != nil {
		return queue.Answer{}, err
	}
	return a, nil
}

// judge reads the caller's enrollment and hands out nothing.
func (r queueRoom) judge(ctx context.Context, tenant mdm.TenantID, p queue.Poll) (a queue.Answer, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error { a, err = t.judge(ctx, p); return err })
	return a, err
}

func (t *tx) judge(ctx context.Context, p queue.Poll) (queue.Answer, error) {
	e, err := t.enrollment(ctx, `e.natural_key = ?`, p.Natural)
	if mdm.CodeOf(err) == mdm.CodeNotFound {
		return queue.Answer{}, nil
	}
	return queue.Answer{Standing: queue.Stand(&e, p.Pin), Enrollment: e}, err
}

// scan reads the one row of an enrollment, with what else the query returns. No
// row leaves everything as it is: the caller is unknown.
func (t *tx) scan(ctx context.Context, e *enrollmentRow, more []any, query string, args ...any) error {
	err := t.q.QueryRowContext(ctx, query, args...).Scan(append(e.targets(), more...)...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return t.judged(failure("read an enrollment", err))
}

// answer is what a poll found out about its caller.
func (e *enrollmentRow) answer(p queue.Poll) queue.Answer {
	if e.Key == 0 {
		return queue.Answer{}
	}
	m := e.enrollment()
	return queue.Answer{Standing: queue.Stand(&m, p.Pin), Enrollment: m}
}

// pollOne hands out at most one entry.
func (r queueRoom) pollOne(ctx context.Context, tenant mdm.TenantID, p queue.Poll) (a queue.Answer, err error) {
	var e enrollmentRow
	var next handoutRow
	err = r.s.read(ctx, tenant, func(t *tx) error {
		return t.scan(ctx, &e, next.optional(), `SELECT `+enrollmentColumns+`, `+entryColumnsOf("n")+`
			FROM keelson_enrollment e LEFT JOIN keelson_queue n ON n.seq = (`+candidate+`) WHERE e.tenant = ? AND e.natural_key = ?`,
			append(candidateArgs(p), t.id, p.Natural)...)
	})
	if a = e.answer(p); err != nil || next.Seq == 0 {
		return a, err
	}
	err = r.s.single(ctx, tenant, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, "queue", `UPDATE keelson_queue`+t.d.keyed+` SET sent_at = ?, sent = sent + 1
			WHERE `+t.d.plus+`tenant = ? AND seq = ? AND sent = ? AND held_at = ?`, mdm.Micros(p.Now), t.id, next.Seq, next.Sent, next.held)
		if err == nil && n == 0 {
			return errLost
		}
		return err
	})
	if err != nil {
		return queue.Answer{}, err
	}
	h := next.handout()
	h.SentAt, h.Sent = mdm.FromMicros(mdm.Micros(p.Now)), h.Sent+1
	a.Handouts = []queue.Handout{h}
	return a, nil
}

// pollMany hands out several entries in a unit of work, when any can leave.
func (r queueRoom) pollMany(ctx context.Context, tenant mdm.TenantID, p queue.Poll) (a queue.Answer, err error) {
	var e enrollmentRow
	var leaves sql.NullInt64
	err = r.s.read(ctx, tenant, func(t *tx) error {
		return t.scan(ctx, &e, []any{&leaves}, `SELECT `+enrollmentColumns+`, (`+candidate+`) FROM keelson_enrollment e WHERE e.tenant = ? AND e.natural_key = ?`,
			append(candidateArgs(p), t.id, p.Natural)...)
	})
	if a = e.answer(p); err != nil || !leaves.Valid {
		return a, err
	}
	err = r.s.unit(ctx, tenant, func(ctx context.Context, t *tx) (err error) {
		if a, err = t.judge(ctx, p); err == nil && a.Standing == queue.StandingGood {
			a.Handouts, err = t.next(ctx, a.Enrollment, p)
		}
		return err
	})
	return a, err
}

// handoutRow is an entry with its content, where there may be none.
type handoutRow struct {
	entryRow
	data []byte
}

func (h *handoutRow) handout() queue.Handout { return queue.Handout{Entry: h.entry(), Data: h.data} }

// optional scans an entry that may be NULL throughout.
func (h *handoutRow) optional() []any {
	targets := append(h.targets(), &h.data)
	for i, t := range targets {
		if _, bytes := t.(*[]byte); !bytes {
			targets[i] = optional{t}
		}
	}
	return targets
}

// optional leaves a target, a number or a text, alone when the column is NULL.
type optional struct{ target any }

func (o optional) Scan(v any) error {
	if s, ok := o.target.(sql.Scanner); ok {
		if v == nil {
			return nil
		}
		return s.Scan(v)
	}
	to := reflect.ValueOf(o.target).Elem()
	switch v := v.(type) {
	case nil:
		return nil
	case int64:
		if to.CanInt() {
			to.SetInt(v)
			return nil
		}
	case string:
		if to.Kind() == reflect.String {
			to.SetString(v)
			return nil
		}
	case []byte:
		if to.Kind() == reflect.String {
			to.SetString(string(v))
			return nil
		}
	}
	return fmt.Errorf("a column of type %T does not fit %s", v, to.Type())
}
