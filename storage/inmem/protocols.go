package inmem

import (
	"bytes"
	"cmp"
	"context"
	"slices"

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
	p.Token, p.Magic, p.At, p.Natural = bytes.Clone(p.Token), bytes.Clone(p.Magic), stored(p.At), ""
	return t.push.put(t, "push", p.Enrollment, p)
}

func (r appleRoom) ClearPush(ctx context.Context, x mdm.Tx, e mdm.EnrollmentKey) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	return t.push.del(t, "push", e)
}

func (r appleRoom) Push(ctx context.Context, tenant mdm.TenantID, keys []mdm.EnrollmentKey) (out []apple.Push, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error {
		for _, k := range keys {
			if p, ok := t.push.get(k); ok {
				e, ok := t.enrollments.get(k)
				if !ok {
					continue
				}
				p.Natural, p.Token, p.Magic = e.Natural, bytes.Clone(p.Token), bytes.Clone(p.Magic)
				out = append(out, p)
			}
		}
		return nil
	})
	return out, err
}

func (r appleRoom) PutToken(ctx context.Context, x mdm.Tx, k apple.Token) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	k.Sealed, k.At = bytes.Clone(k.Sealed), stored(k.At)
	if err := t.tokens.put(t, "token", next(&t.s.lastKey), tokenRow{Token: k}); err != nil {
		return err
	}
	var ids []int64
	for _, id := range slices.Backward(t.tokens.keys()) {
		if o, _ := t.tokens.get(id); o.Enrollment == k.Enrollment && o.Kind == k.Kind {
			ids = append(ids, id)
		}
	}
	slices.SortStableFunc(ids, func(a, b int64) int {
		x, _ := t.tokens.get(a)
		y, _ := t.tokens.get(b)
		return cmp.Compare(y.Generation, x.Generation)
	})
	for _, id := range ids[min(keptTokens, len(ids)):] {
		if err := t.tokens.del(t, "token", id); err != nil {
			return err
		}
	}
	return nil
}

const keptTokens = 8

func (r appleRoom) Token(ctx context.Context, tenant mdm.TenantID, e mdm.EnrollmentKey, kind apple.TokenKind, g mdm.Generation) (k apple.Token, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error {
		for _, id := range slices.Backward(t.tokens.keys()) {
			if row, _ := t.tokens.get(id); row.Enrollment == e && row.Kind == kind && row.Generation == g && !row.cleared {
				k = row.Token
				k.Sealed = bytes.Clone(k.Sealed)
				return nil
			}
		}
		return notFound("token")
	})
	return k, err
}

func (r appleRoom) ClearTokens(ctx context.Context, x mdm.Tx, e mdm.EnrollmentKey, kind apple.TokenKind, before mdm.Generation) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	for _, id := range t.tokens.keys() {
		row, _ := t.tokens.get(id)
		if row.Enrollment != e || row.Kind != kind || row.cleared || row.Generation >= before {
			continue
		}
		row.cleared = true
		if err := t.tokens.put(t, "token", id, row); err != nil {
			return err
		}
	}
	return nil
}

const keptAside = 16

func (r appleRoom) PutAside(ctx context.Context, x mdm.Tx, a apple.Aside) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	a.Sealed, a.At = bytes.Clone(a.Sealed), stored(a.At)
	if err := t.asides.put(t, "aside", next(&t.s.lastKey), a); err != nil {
		return err
	}
	n := 0
	for _, id := range slices.Backward(t.asides.keys()) {
		if o, _ := t.asides.get(id); o.Enrollment != a.Enrollment {
			continue
		}
		if n++; n > keptAside {
			if err := t.asides.del(t, "aside", id); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r appleRoom) Aside(ctx context.Context, tenant mdm.TenantID, e mdm.EnrollmentKey) (out []apple.Aside, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error {
		for _, id := range slices.Backward(t.asides.keys()) {
			if a, _ := t.asides.get(id); a.Enrollment == e {
				a.Sealed = bytes.Clone(a.Sealed)
				out = append(out, a)
			}
		}
		return nil
	})
	return out, err
}

type windowsRoom struct{ s *Store }

func (r windowsRoom) PutDevice(ctx context.Context, x mdm.Tx, d windows.Device) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	d.At = stored(d.At)
	return t.devices.put(t, "device", d.Enrollment, d)
}

func (r windowsRoom) DeviceTx(ctx context.Context, x mdm.Tx, e mdm.EnrollmentKey) (windows.Device, error) {
	t, err := r.s.join(x)
	if err != nil {
		return windows.Device{}, err
	}
	d, ok := t.devices.get(e)
	if !ok {
		return d, notFound("device")
	}
	return d, nil
}

const keptSessions = 4

func sessionKey(e mdm.EnrollmentKey, id string) string { return itoa(int64(e)) + "/" + id }

func (r windowsRoom) PutSession(ctx context.Context, x mdm.Tx, s windows.Session) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	s.Reply, s.State, s.At = bytes.Clone(s.Reply), bytes.Clone(s.State), stored(s.At)
	row := sessionRow{Session: s, seq: next(&t.s.lastKey)}
	if old, ok := t.sessions.get(sessionKey(s.Enrollment, s.ID)); ok {
		row.seq = old.seq
	}
	if err := t.sessions.put(t, "session", sessionKey(s.Enrollment, s.ID), row); err != nil {
		return err
	}
	var mine []sessionRow
	for _, o := range t.sessions.m {
		if o.Enrollment == s.Enrollment {
			mine = append(mine, o)
		}
	}
	slices.SortFunc(mine, func(a, b sessionRow) int { return int(b.seq - a.seq) })
	for _, o := range mine[min(keptSessions, len(mine)):] {
		if err := t.sessions.del(t, "session", sessionKey(o.Enrollment, o.ID)); err != nil {
			return err
		}
	}
	return nil
}

func (r windowsRoom) SessionTx(ctx context.Context, x mdm.Tx, e mdm.EnrollmentKey, id string) (windows.Session, error) {
	t, err := r.s.join(x)
	if err != nil {
		return windows.Session{}, err
	}
	row, ok := t.sessions.get(sessionKey(e, id))
	if !ok {
		return windows.Session{}, notFound("session")
	}
	s := row.Session
	s.Reply, s.State = bytes.Clone(s.Reply), bytes.Clone(s.State)
	return s, nil
}

func (r windowsRoom) DropSessions(ctx context.Context, x mdm.Tx, e mdm.EnrollmentKey) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	for _, k := range t.sessions.keys() {
		if row, _ := t.sessions.get(k); row.Enrollment == e {
			if err := t.sessions.del(t, "session", k); err != nil {
				return err
			}
		}
	}
	return nil
}
