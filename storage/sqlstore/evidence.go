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
	n, err := t.exec(ctx, "row", `UPDATE keelson_row SET ack = ?, ack_outcome = ?, ack_code = ?, ack_detail = ?, ack_at = ?
		WHERE tenant = ? AND enrollment = ? AND slot = ? AND ordered = ? AND ack < ?
		AND EXISTS (SELECT 1 FROM keelson_enrollment e WHERE e.tenant = ? AND e.id = ? AND e.generation = ?)`,
		res.Ref.Order, res.Outcome, res.Code, res.Detail, mdm.Micros(res.At),
		t.id, res.Enrollment, res.Ref.Key, res.Ref.Order, res.Ref.Order, t.id, res.Enrollment, res.Generation)
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
		_, err := t.exec(ctx, "row", `UPDATE keelson_row SET seen = ?, evidence = ?, missing = ?, seen_at = ?
			WHERE tenant = ? AND enrollment = ? AND slot = ? AND ordered = ?`,
			s.Order, s.Evidence, s.Missing, mdm.Micros(now), t.id, s.Enrollment, s.Slot, s.Order)
		if err != nil {
			return err
		}
	}
	return t.markHost(ctx, h, profiles.LaneAnswer)
}
