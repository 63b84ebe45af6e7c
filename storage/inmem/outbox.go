package inmem

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	"github.com/keelson-mdm/keelson/lifecycle"
	"github.com/keelson-mdm/keelson/mdm"
)

func (r lifecycleRoom) Append(ctx context.Context, x mdm.Tx, e mdm.Event) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	return t.append(e)
}

func (t *tx) append(e mdm.Event) error {
	if e.Data != nil && !json.Valid(e.Data) {
		return mdm.Errorf(mdm.CodeInternal, "", "an event is not JSON")
	}
	e.Seq = next(&t.s.lastEvent)
	e.Version, e.Tenant, e.At = mdm.EventVersion, t.tenant, stored(e.At)
	e.Data = bytes.Clone(e.Data)
	return t.outbox.put(t, "outbox", e.Seq, outboxRow{OutboxEvent: lifecycle.OutboxEvent{Event: e}, due: e.At})
}

func (r lifecycleRoom) ClaimEvents(ctx context.Context, tenant mdm.TenantID, now time.Time, lease time.Duration, limit int) (out []lifecycle.OutboxEvent, err error) {
	err = r.s.unit(ctx, tenant, func(t *tx) error {
		out = nil
		ahead := make(map[mdm.EnrollmentKey]bool)
		for _, seq := range t.outbox.keys() {
			if len(out) == limit {
				break
			}
			o, _ := t.outbox.get(seq)
			if o.Key != 0 {
				if ahead[o.Key] {
					continue
				}
				ahead[o.Key] = true
			}
			if o.due.After(now) {
				continue
			}
			out = append(out, o.OutboxEvent)
			o.due = stored(now.Add(lease))
			if err := t.outbox.put(t, "outbox", seq, o); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (r lifecycleRoom) EventDone(ctx context.Context, tenant mdm.TenantID, seq int64) error {
	return r.s.unit(ctx, tenant, func(t *tx) error { return t.outbox.del(t, "outbox", seq) })
}

func (r lifecycleRoom) EventRetry(ctx context.Context, tenant mdm.TenantID, seq int64, at time.Time) error {
	return r.s.unit(ctx, tenant, func(t *tx) error {
		o, ok := t.outbox.get(seq)
		if !ok {
			return nil
		}
		o.due = stored(at)
		o.Tries++
		return t.outbox.put(t, "outbox", seq, o)
	})
}
