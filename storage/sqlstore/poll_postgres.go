package sqlstore

import (
	"context"
	"strings"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
	"github.com/keelson-mdm/keelson/queue"
)

// PostgreSQL does in one statement what takes others several. The parts of such a
// statement see one snapshot and run in no promised order, so that each takes its
// rows from the one before it, and an UPDATE that returns its rows decides what
// leaves: it waits for who holds the entry, and finds nothing when that one ended it.

// sent marks the candidate of n as sent.
const sent = `UPDATE keelson_queue q SET sent_at = ?, sent = q.sent + 1 FROM n
	WHERE q.seq = n.candidate AND (q.redelivery <> 'once' OR q.sent = 0) RETURNING q.*`

// pollPostgreSQL is a poll in one round trip, whether something leaves or not.
func (r queueRoom) pollPostgreSQL(ctx context.Context, tenant mdm.TenantID, p queue.Poll) (a queue.Answer, err error) {
	var e enrollmentRow
	var found optionalInt
	var next handoutRow
	err = r.s.read(ctx, tenant, func(t *tx) error {
		return t.scan(ctx, &e, append([]any{&found}, next.optional()...), `WITH n AS MATERIALIZED (SELECT `+enrollmentColumns+`, x.seq AS candidate
			FROM keelson_enrollment e LEFT JOIN LATERAL (`+candidate+`) x ON true WHERE e.tenant = ? AND e.natural_key = ?),
			s AS (`+sent+`)
			SELECT n.*, `+entryColumnsOf("s")+` FROM n LEFT JOIN s ON true`,
			append(candidateArgs(p), t.id, p.Natural, mdm.Micros(p.Now))...)
	})
	a = e.answer(p)
	switch {
	case err != nil:
	case next.Seq != 0:
		a.Handouts = []queue.Handout{next.handout()}
	case found != 0:
		err = errLost
	}
	return a, err
}

// optionalInt is 0 for NULL.
type optionalInt int64

func (o *optionalInt) Scan(v any) error { return optional{(*int64)(o)}.Scan(v) }

// reporting is the queue's room where a report can be one statement.
type reporting struct{ queueRoom }

var _ queue.Reporter = reporting{}

// afterReport is candidate once the reported entry has gone: the statement's
// snapshot still has it.
var afterReport = strings.Replace(strings.Replace(candidate,
	"AND b.generation = q.generation", "AND b.generation = q.generation AND b.seq <> d.seq", 1),
	"ORDER BY", "AND q.seq <> d.seq ORDER BY", 1)

// Report files, hands the evidence on and hands out in one round trip.
func (r reporting) Report(ctx context.Context, tenant mdm.TenantID, p queue.Poll, rep queue.Report) (a queue.Answer, f queue.Filed, taken bool, err error) {
	if rep.NotNow || p.Limit > 1 {
		return a, f, false, nil
	}
	for _, what := range []string{"done", "queue", "row", "mark", "commit"} {
		if err := r.s.strike(what); err != nil {
			return a, f, false, err
		}
	}
	var e enrollmentRow
	var filed optionalInt
	var found optionalInt
	var next handoutRow
	res := mdm.Result{Command: rep.Command, Outcome: rep.Outcome, Code: rep.Code, Detail: rep.Detail, At: rep.Now}
	at := mdm.Micros(rep.Now)
	err = r.s.read(ctx, tenant, func(t *tx) error {
		args := []any{t.id, p.Natural, // e
			t.id, rep.Command, p.Pin[:], p.Pin[:], // d
			rep.Outcome, rep.Code, rep.Detail, rep.Body, at, // h
			rep.Outcome, rep.Code, rep.Detail, at, t.id, // v
			t.id, profiles.LaneAnswer} // k
		args = append(append(args, candidateArgs(p)...), mdm.Micros(p.Now)) // n, s
		more := []any{&filed, &res.Generation, &res.Owner, &res.Ref.Key, &res.Ref.Order, &res.Kind, actorColumn{&res.Actor}, &found}
		return t.scan(ctx, &e, append(more, next.optional()...), `WITH e AS MATERIALIZED (SELECT `+enrollmentColumns+`, e.tenant
				FROM keelson_enrollment e WHERE e.tenant = ? AND e.natural_key = ?),
			d AS (DELETE FROM keelson_queue q USING e WHERE q.tenant = ? AND q.uid = ? AND q.enrollment = e.id
				AND e.state = 'enrolled' AND (e.pin = ? OR e.next_pin = ? AND e.next_generation = e.generation)
				AND q.owner = 'profiles' AND q.ref_key <> 0 RETURNING q.*),
			h AS (INSERT INTO keelson_done (`+queueColumns+`, outcome, code, detail, body, ended_at)
				SELECT `+queueColumns+`, ?, ?, ?, ?, ? FROM d),
			v AS (UPDATE keelson_row r SET ack = d.ref_order, ack_outcome = ?, ack_code = ?, ack_detail = ?, ack_at = ? FROM d, e
				WHERE r.tenant = ? AND r.enrollment = e.id AND r.slot = d.ref_key AND r.ordered = d.ref_order AND r.ack < d.ref_order
				AND d.generation = e.generation RETURNING r.enrollment),
			k AS (INSERT INTO keelson_dirty (tenant, host, lane) SELECT ?, e.host, ? FROM v JOIN e ON e.id = v.enrollment),
			n AS MATERIALIZED (SELECT d.seq AS filed, x.seq AS candidate FROM e CROSS JOIN d LEFT JOIN LATERAL (`+afterReport+`) x ON true),
			s AS (`+sent+`)
			SELECT `+enrollmentColumns+`, n.filed, coalesce(d.generation, 0), coalesce(d.owner, ''), coalesce(d.ref_key, 0), coalesce(d.ref_order, 0),
				coalesce(d.kind, ''), coalesce(d.actor, ''), n.candidate, `+entryColumnsOf("s")+`
			FROM e LEFT JOIN d ON true LEFT JOIN n ON true LEFT JOIN s ON true`, args...)
	})
	a = e.answer(p)
	if err != nil || filed == 0 {
		return queue.Answer{}, f, false, err
	}
	res.Seq, res.Enrollment, res.Life, res.Host, res.HostID = int64(filed), a.Enrollment.Key, a.Enrollment.ID, a.Enrollment.Host, a.Enrollment.HostID
	res.Platform, res.Current = a.Enrollment.Platform, a.Enrollment.Generation
	switch {
	case next.Seq != 0:
		a.Handouts = []queue.Handout{next.handout()}
	case found != 0: // it was handed out or taken back beside this: look again
		again, err := r.Poll(ctx, tenant, p)
		if err == nil { // else the device asks again
			a.Handouts = again.Handouts
		}
	}
	return a, queue.Filed{Filing: queue.FilingNew, Result: res}, true, nil
}

// strike asks the fault hook, for what is several writes elsewhere.
func (s *Store) strike(what string) error {
	if s.fault == nil {
		return nil
	}
	return s.fault(what)
}
