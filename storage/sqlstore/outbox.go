package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"
	"time"

	"github.com/keelson-mdm/keelson/lifecycle"
	"github.com/keelson-mdm/keelson/mdm"
)

// eventRow is what the outbox keeps of an event beside its columns.
type eventRow struct {
	Host       mdm.HostID       `json:"host,omitempty"`
	ExternalID mdm.ExternalID   `json:"external_id,omitempty"`
	Enrollment mdm.EnrollmentID `json:"enrollment,omitempty"`
	Generation mdm.Generation   `json:"generation,omitempty"`
	Command    mdm.CommandID    `json:"command,omitempty"`
	Actor      mdm.Actor        `json:"actor,omitzero"`
	Data       json.RawMessage  `json:"data,omitempty"`
}

func (r lifecycleRoom) Append(ctx context.Context, x mdm.Tx, e mdm.Event) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	return t.appendEvent(ctx, e)
}

func (t *tx) appendEvent(ctx context.Context, e mdm.Event) error {
	row := eventRow{e.Host, e.ExternalID, e.Enrollment, e.Generation, e.Command, e.Actor, e.Data}
	body, err := json.Marshal(row)
	if err != nil {
		return mdm.WrapError(mdm.CodeInternal, "", "an event is not JSON", err)
	}
	_, err = t.exec(ctx, "outbox", `INSERT INTO keelson_outbox (tenant, uid, kind, at, enrollment, event, due) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		t.id, e.ID, e.Kind, mdm.Micros(e.At), e.Key, string(body), mdm.Micros(e.At))
	return err
}

func (r lifecycleRoom) ClaimEvents(ctx context.Context, tenant mdm.TenantID, now time.Time, lease time.Duration, limit int) (out []lifecycle.OutboxEvent, err error) {
	// An empty outbox, which is the usual case, costs no unit of work.
	due := false
	err = r.s.read(ctx, tenant, func(t *tx) error {
		err := t.q.QueryRowContext(ctx, `SELECT coalesce((SELECT 1 FROM keelson_outbox WHERE tenant = ? AND due <= ? ORDER BY due LIMIT 1), 0)`, t.id, mdm.Micros(now)).Scan(&due)
		return failure("read the outbox", err)
	})
	if err != nil || !due {
		return nil, err
	}
	err = r.s.unit(ctx, tenant, func(ctx context.Context, t *tx) error {
		out = nil
		err := t.each(ctx, "the outbox", `SELECT o.seq, o.uid, o.kind, o.at, o.enrollment, o.event, o.tries FROM keelson_outbox o
			WHERE o.tenant = ? AND `+t.d.plus+`o.due <= ? AND (o.enrollment = 0 OR NOT EXISTS (SELECT 1 FROM keelson_outbox b
				WHERE b.tenant = o.tenant AND b.enrollment = o.enrollment AND b.seq < o.seq))
			ORDER BY o.seq LIMIT ?`+inlineSkip(t.d), []any{t.id, mdm.Micros(now), limit}, func(rows *sql.Rows) error {
			e := lifecycle.OutboxEvent{Event: mdm.Event{Version: mdm.EventVersion, Tenant: t.tenant}}
			var at int64
			var body string
			if err := rows.Scan(&e.Seq, &e.ID, &e.Kind, &at, &e.Key, &body, &e.Tries); err != nil {
				return err
			}
			var row eventRow
			if err := json.Unmarshal([]byte(body), &row); err != nil {
				return err
			}
			e.At, e.Host, e.ExternalID, e.Enrollment = mdm.FromMicros(at), row.Host, row.ExternalID, row.Enrollment
			e.Generation, e.Command, e.Actor, e.Data = row.Generation, row.Command, row.Actor, row.Data
			out = append(out, e)
			return nil
		})
		if err != nil || len(out) == 0 {
			return err
		}
		seqs := make([]int64, len(out))
		for i := range out {
			seqs[i] = out[i].Seq
		}
		if t.d.keyed != "" {
			if seqs, err = t.holdKeys(ctx, "keelson_outbox", "seq", seqs, t.d.skip, "due <= ?", mdm.Micros(now)); err != nil || len(seqs) == 0 {
				out = nil
				return err
			}
			out = slices.DeleteFunc(out, func(e lifecycle.OutboxEvent) bool { return !slices.Contains(seqs, e.Seq) })
		}
		these, ids := t.d.in(seqs)
		_, err = t.exec(ctx, "outbox", `UPDATE keelson_outbox`+t.d.keyed+` SET due = ? WHERE `+t.d.plus+`tenant = ? AND seq `+these,
			append([]any{mdm.Micros(now.Add(lease)), t.id}, ids...)...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (r lifecycleRoom) EventDone(ctx context.Context, tenant mdm.TenantID, seq int64) error {
	return r.s.single(ctx, tenant, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, "outbox", t.d.del("keelson_outbox")+` WHERE tenant = ? AND seq = ?`, t.id, seq)
		return err
	})
}

func (r lifecycleRoom) EventRetry(ctx context.Context, tenant mdm.TenantID, seq int64, at time.Time) error {
	return r.s.single(ctx, tenant, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, "outbox", `UPDATE keelson_outbox`+t.d.keyed+` SET due = ?, tries = tries + 1 WHERE tenant = ? AND seq = ?`, mdm.Micros(at), t.id, seq)
		return err
	})
}
