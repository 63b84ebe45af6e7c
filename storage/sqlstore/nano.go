package sqlstore

import (
	"context"
	"database/sql"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/storage/nanostore"
)

// Nano is the room of the adapter to NanoMDM.
func (s *Store) Nano() nanostore.Store { return nanoRoom{s} }

type nanoRoom struct{ s *Store }

func (r nanoRoom) PutChannel(ctx context.Context, x mdm.Tx, c nanostore.Channel) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "nano", `INSERT INTO keelson_nano_channel (tenant, enrollment, type, tally) VALUES (?, ?, ?, ?)`+
		t.d.upsert("tenant, enrollment", "type", "tally"), t.id, c.Enrollment, c.Type, c.Tally)
	return err
}

func (t *tx) nanoChannel(ctx context.Context, k mdm.EnrollmentKey) (nanostore.Channel, error) {
	c := nanostore.Channel{Enrollment: k}
	err := t.q.QueryRowContext(ctx, `SELECT type, tally FROM keelson_nano_channel WHERE tenant = ? AND enrollment = ?`, t.id, k).
		Scan(&c.Type, &c.Tally)
	return c, failure("channel", err)
}

func (r nanoRoom) ChannelTx(ctx context.Context, x mdm.Tx, k mdm.EnrollmentKey) (nanostore.Channel, error) {
	t, err := r.s.join(x)
	if err != nil {
		return nanostore.Channel{}, err
	}
	return t.nanoChannel(ctx, k)
}

func (r nanoRoom) Channel(ctx context.Context, tenant mdm.TenantID, k mdm.EnrollmentKey) (c nanostore.Channel, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error { c, err = t.nanoChannel(ctx, k); return err })
	return c, err
}

func (r nanoRoom) Devices(ctx context.Context, tenant mdm.TenantID, after mdm.EnrollmentKey, limit int) (out []nanostore.Device, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error {
		return t.each(ctx, "devices", `SELECT c.type, c.tally, `+enrollmentColumns+` FROM keelson_nano_channel c
			JOIN keelson_enrollment e ON e.id = c.enrollment AND e.tenant = c.tenant
			WHERE c.tenant = ? AND c.enrollment > ? AND e.state = 'enrolled' AND e.channel = 'device' ORDER BY c.enrollment LIMIT ?`,
			[]any{t.id, after, limit}, func(rows *sql.Rows) error {
				var d nanostore.Device
				var e enrollmentRow
				if err := rows.Scan(append([]any{&d.Type, &d.Tally}, e.targets()...)...); err != nil {
					return err
				}
				d.Life = e.enrollment()
				d.Enrollment = d.Life.Key
				out = append(out, d)
				return nil
			})
	})
	return out, err
}

func (r nanoRoom) PutMessage(ctx context.Context, x mdm.Tx, m nanostore.Message) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "nano", `INSERT INTO keelson_nano_message (tenant, enrollment, kind, sealed, at) VALUES (?, ?, ?, ?, ?)`+
		t.d.upsert("tenant, enrollment, kind", "sealed", "at"), t.id, m.Enrollment, m.Kind, nonNil(m.Sealed), mdm.Micros(m.At))
	return err
}

func (r nanoRoom) Messages(ctx context.Context, tenant mdm.TenantID, k mdm.EnrollmentKey) (out []nanostore.Message, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error {
		return t.each(ctx, "messages", `SELECT kind, sealed, at FROM keelson_nano_message WHERE tenant = ? AND enrollment = ?`,
			[]any{t.id, k}, func(rows *sql.Rows) error {
				m := nanostore.Message{Enrollment: k}
				var at int64
				if err := rows.Scan(&m.Kind, &m.Sealed, &at); err != nil {
					return err
				}
				m.At = mdm.FromMicros(at)
				out = append(out, m)
				return nil
			})
	})
	return out, err
}

// Associate writes a row of its own, so that two never wait for each other's: the
// newest holds. What said the same before goes.
func (r nanoRoom) Associate(ctx context.Context, x mdm.Tx, n mdm.Natural, hash string, at time.Time) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	var before []int64
	err = t.each(ctx, "associations", `SELECT id FROM keelson_nano_certificate WHERE tenant = ? AND natural_key = ? AND hash = ?`,
		[]any{t.id, n, hash}, func(rows *sql.Rows) error {
			var id int64
			err := rows.Scan(&id)
			before = append(before, id)
			return err
		})
	if err != nil {
		return err
	}
	if _, err := t.insert(ctx, "nano", "id", `INSERT INTO keelson_nano_certificate (tenant, natural_key, hash, at) VALUES (?, ?, ?, ?)`,
		t.id, n, hash, mdm.Micros(at)); err != nil || len(before) == 0 {
		return err
	}
	these, args := t.d.in(before)
	_, err = t.exec(ctx, "nano", t.d.del("keelson_nano_certificate")+` WHERE `+t.d.plus+`tenant = ? AND id `+these, append([]any{t.id}, args...)...)
	return err
}

func (r nanoRoom) HashOf(ctx context.Context, tenant mdm.TenantID, n mdm.Natural) (hash string, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error {
		return failure("association", t.q.QueryRowContext(ctx, `SELECT hash FROM keelson_nano_certificate
			WHERE tenant = ? AND natural_key = ? ORDER BY id DESC LIMIT 1`, t.id, n).Scan(&hash))
	})
	return hash, err
}

func (r nanoRoom) ChannelOf(ctx context.Context, tenant mdm.TenantID, hash string) (n mdm.Natural, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error {
		return failure("association", t.q.QueryRowContext(ctx, `SELECT natural_key FROM keelson_nano_certificate
			WHERE tenant = ? AND hash = ? ORDER BY id DESC LIMIT 1`, t.id, hash).Scan(&n))
	})
	return n, err
}

func (r nanoRoom) PutPushCertificate(ctx context.Context, x mdm.Tx, c nanostore.PushCertificate) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "nano", `INSERT INTO keelson_nano_push_certificate (tenant, topic, certificate, private_key, version, at) VALUES (?, ?, ?, ?, ?, ?)`+
		t.d.upsert("tenant, topic", "certificate", "private_key", "version", "at"),
		t.id, c.Topic, nonNil(c.Certificate), nonNil(c.Key), c.Version, mdm.Micros(c.At))
	return err
}

func (r nanoRoom) PushCertificate(ctx context.Context, tenant mdm.TenantID, topic string) (c nanostore.PushCertificate, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error {
		var at int64
		err := t.q.QueryRowContext(ctx, `SELECT topic, certificate, private_key, version, at FROM keelson_nano_push_certificate
			WHERE tenant = ? AND topic = ?`, t.id, topic).Scan(&c.Topic, &c.Certificate, &c.Key, &c.Version, &at)
		c.At = mdm.FromMicros(at)
		return failure("push certificate", err)
	})
	return c, err
}
