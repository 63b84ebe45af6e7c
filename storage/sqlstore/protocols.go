package sqlstore

import (
	"context"
	"database/sql"

	"github.com/keelson-mdm/keelson/apple"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/windows"
)

type appleRoom struct{ s *Store }

func (r appleRoom) PutPush(ctx context.Context, x mdm.Tx, p apple.Push) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "push", `INSERT INTO keelson_apple_push (tenant, enrollment, topic, token, magic, at) VALUES (?, ?, ?, ?, ?, ?)`+
		t.d.upsert("tenant, enrollment", "topic", "token", "magic", "at"),
		t.id, p.Enrollment, p.Topic, nonNil(p.Token), nonNil(p.Magic), mdm.Micros(p.At))
	return err
}

// nonNil keeps no bytes apart from NULL.
func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

func (r appleRoom) ClearPush(ctx context.Context, x mdm.Tx, e mdm.EnrollmentKey) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "push", `DELETE FROM keelson_apple_push WHERE tenant = ? AND enrollment = ?`, t.id, e)
	return err
}

func (r appleRoom) Push(ctx context.Context, tenant mdm.TenantID, keys []mdm.EnrollmentKey) (out []apple.Push, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error {
		among, args := in(t, keys)
		return t.each(ctx, "push", `SELECT p.enrollment, e.natural_key, p.topic, p.token, p.magic, p.at FROM keelson_apple_push p
			JOIN keelson_enrollment e ON e.id = p.enrollment AND e.tenant = p.tenant WHERE p.tenant = ? AND p.enrollment `+among, append([]any{t.id}, args...), func(rows *sql.Rows) error {
			var p apple.Push
			var at int64
			if err := rows.Scan(&p.Enrollment, &p.Natural, &p.Topic, &p.Token, &p.Magic, &at); err != nil {
				return err
			}
			p.At = mdm.FromMicros(at)
			out = append(out, p)
			return nil
		})
	})
	return out, err
}

func (r appleRoom) PutToken(ctx context.Context, x mdm.Tx, k apple.Token) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "token", `INSERT INTO keelson_apple_token (tenant, enrollment, kind, generation, sealed, at) VALUES (?, ?, ?, ?, ?, ?)`,
		t.id, k.Enrollment, k.Kind, k.Generation, nonNil(k.Sealed), mdm.Micros(k.At))
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "token", `DELETE FROM keelson_apple_token WHERE tenant = ? AND enrollment = ? AND kind = ? AND id NOT IN (SELECT id FROM
		(SELECT id FROM keelson_apple_token WHERE tenant = ? AND enrollment = ? AND kind = ? ORDER BY generation DESC, id DESC LIMIT 8) k)`,
		t.id, k.Enrollment, k.Kind, t.id, k.Enrollment, k.Kind)
	return err
}

func (r appleRoom) Token(ctx context.Context, tenant mdm.TenantID, e mdm.EnrollmentKey, kind apple.TokenKind, g mdm.Generation) (k apple.Token, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error {
		var at int64
		err := t.q.QueryRowContext(ctx, `SELECT enrollment, kind, generation, sealed, at FROM keelson_apple_token
			WHERE tenant = ? AND enrollment = ? AND kind = ? AND generation = ? AND NOT cleared ORDER BY id DESC LIMIT 1`,
			t.id, e, kind, g).Scan(&k.Enrollment, &k.Kind, &k.Generation, &k.Sealed, &at)
		k.At = mdm.FromMicros(at)
		return failure("token", err)
	})
	return k, err
}

func (r appleRoom) ClearTokens(ctx context.Context, x mdm.Tx, e mdm.EnrollmentKey, kind apple.TokenKind, before mdm.Generation) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "token", `UPDATE keelson_apple_token SET cleared = true WHERE tenant = ? AND enrollment = ? AND kind = ? AND generation < ?`,
		t.id, e, kind, before)
	return err
}

func (r appleRoom) PutAside(ctx context.Context, x mdm.Tx, a apple.Aside) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "aside", `INSERT INTO keelson_apple_aside (tenant, enrollment, why, sealed, at) VALUES (?, ?, ?, ?, ?)`,
		t.id, a.Enrollment, a.Why, nonNil(a.Sealed), mdm.Micros(a.At))
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "aside", `DELETE FROM keelson_apple_aside WHERE tenant = ? AND enrollment = ? AND id NOT IN (SELECT id FROM
		(SELECT id FROM keelson_apple_aside WHERE tenant = ? AND enrollment = ? ORDER BY id DESC LIMIT 16) k)`, t.id, a.Enrollment, t.id, a.Enrollment)
	return err
}

func (r appleRoom) Aside(ctx context.Context, tenant mdm.TenantID, e mdm.EnrollmentKey) (out []apple.Aside, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error {
		return t.each(ctx, "what was put aside", `SELECT enrollment, why, sealed, at FROM keelson_apple_aside
			WHERE tenant = ? AND enrollment = ? ORDER BY id DESC`, []any{t.id, e}, func(rows *sql.Rows) error {
			var a apple.Aside
			var at int64
			if err := rows.Scan(&a.Enrollment, &a.Why, &a.Sealed, &at); err != nil {
				return err
			}
			a.At = mdm.FromMicros(at)
			out = append(out, a)
			return nil
		})
	})
	return out, err
}

type windowsRoom struct{ s *Store }

func (r windowsRoom) PutDevice(ctx context.Context, x mdm.Tx, d windows.Device) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "device", `INSERT INTO keelson_windows_device (tenant, enrollment, device_id, hw_dev_id, person, os_version, at)
		VALUES (?, ?, ?, ?, ?, ?, ?)`+t.d.upsert("tenant, enrollment", "device_id", "hw_dev_id", "person", "os_version", "at"),
		t.id, d.Enrollment, d.DeviceID, d.HWDevID, d.User, d.OSVersion, mdm.Micros(d.At))
	return err
}

func (r windowsRoom) DeviceTx(ctx context.Context, x mdm.Tx, e mdm.EnrollmentKey) (d windows.Device, err error) {
	t, err := r.s.join(x)
	if err != nil {
		return d, err
	}
	var at int64
	err = t.q.QueryRowContext(ctx, `SELECT enrollment, device_id, hw_dev_id, person, os_version, at FROM keelson_windows_device
		WHERE tenant = ? AND enrollment = ?`, t.id, e).Scan(&d.Enrollment, &d.DeviceID, &d.HWDevID, &d.User, &d.OSVersion, &at)
	d.At = mdm.FromMicros(at)
	return d, failure("device", err)
}

func (r windowsRoom) PutSession(ctx context.Context, x mdm.Tx, s windows.Session) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "session", `INSERT INTO keelson_windows_session (tenant, enrollment, session, msg, body, reply, state, at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)`+t.d.upsert("tenant, enrollment, session", "msg", "body", "reply", "state", "at"),
		t.id, s.Enrollment, s.ID, s.MsgID, s.Body[:], s.Reply, s.State, mdm.Micros(s.At))
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "session", `DELETE FROM keelson_windows_session WHERE tenant = ? AND enrollment = ? AND id NOT IN (SELECT id FROM
		(SELECT id FROM keelson_windows_session WHERE tenant = ? AND enrollment = ? ORDER BY id DESC LIMIT 4) k)`, t.id, s.Enrollment, t.id, s.Enrollment)
	return err
}

func (r windowsRoom) SessionTx(ctx context.Context, x mdm.Tx, e mdm.EnrollmentKey, id string) (s windows.Session, err error) {
	t, err := r.s.join(x)
	if err != nil {
		return s, err
	}
	var body []byte
	var at int64
	err = t.q.QueryRowContext(ctx, `SELECT enrollment, session, msg, body, reply, state, at FROM keelson_windows_session
		WHERE tenant = ? AND enrollment = ? AND session = ?`, t.id, e, id).Scan(&s.Enrollment, &s.ID, &s.MsgID, &body, &s.Reply, &s.State, &at)
	copy(s.Body[:], body)
	s.At = mdm.FromMicros(at)
	return s, failure("session", err)
}

func (r windowsRoom) DropSessions(ctx context.Context, x mdm.Tx, e mdm.EnrollmentKey) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "session", `DELETE FROM keelson_windows_session WHERE tenant = ? AND enrollment = ?`, t.id, e)
	return err
}
