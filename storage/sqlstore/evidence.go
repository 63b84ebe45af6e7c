package sqlstore

import (
	"context"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

func (r profilesRoom) Acknowledge(ctx context.Context, x mdm.Tx, res mdm.Result) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	return t.acknowledge(ctx, res)
}

// acknowledge is blind: it matches the current life and the order that was sent,
// or nothing.
func (t *tx) acknowledge(ctx context.Context, res mdm.Result) error {
	n, err := t.exec(ctx, "row", `UPDATE keelson_row SET ack = ?4, ack_outcome = ?5, ack_code = ?6, ack_detail = ?7, ack_at = ?8
		WHERE tenant = ?1 AND enrollment = ?2 AND slot = ?3 AND ordered = ?4 AND ack < ?4
		AND EXISTS (SELECT 1 FROM keelson_enrollment e WHERE e.tenant = ?1 AND e.id = ?2 AND e.generation = ?9)`,
		t.id, res.Enrollment, res.Ref.Key, res.Ref.Order, res.Outcome, res.Code, res.Detail, mdm.Micros(res.At), res.Generation)
	if err != nil || n == 0 {
		return err
	}
	return t.markHost(ctx, res.Host, profiles.LaneAnswer)
}

func (r profilesRoom) ForgetAsked(ctx context.Context, x mdm.Tx, e mdm.EnrollmentKey, seq int64) error {
	t, err := r.s.join(x)
	if err != nil || seq == 0 {
		return err
	}
	_, err = t.exec(ctx, "row", `UPDATE keelson_row SET asked = 0, asked_seq = 0 WHERE tenant = ? AND enrollment = ? AND asked_seq = ?`, t.id, e, seq)
	return err
}

func (r profilesRoom) RecordSeen(ctx context.Context, x mdm.Tx, h mdm.HostKey, seen []profiles.SeenRow, now time.Time) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	for _, s := range seen {
		_, err := t.exec(ctx, "row", `UPDATE keelson_row SET seen = ?4, evidence = ?5, missing = ?6, seen_at = ?7
			WHERE tenant = ?1 AND enrollment = ?2 AND slot = ?3 AND ordered = ?4`,
			t.id, s.Enrollment, s.Slot, s.Order, s.Evidence, s.Missing, mdm.Micros(now))
		if err != nil {
			return err
		}
	}
	return t.markHost(ctx, h, profiles.LaneAnswer)
}
