package inmem

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/storage/nanostore"
)

// Nano is the room of the adapter to NanoMDM.
func (s *Store) Nano() nanostore.Store { return nanoRoom{s} }

type nanoRoom struct{ s *Store }

// nanoCertificate is an association; the key of its row tells the order.
type nanoCertificate struct {
	natural mdm.Natural
	hash    string
	at      time.Time
}

func (r nanoRoom) PutChannel(ctx context.Context, x mdm.Tx, c nanostore.Channel) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	return t.nanoChannels.put(t, "nano", c.Enrollment, c)
}

func (r nanoRoom) ChannelTx(ctx context.Context, x mdm.Tx, k mdm.EnrollmentKey) (nanostore.Channel, error) {
	t, err := r.s.join(x)
	if err != nil {
		return nanostore.Channel{}, err
	}
	c, ok := t.nanoChannels.get(k)
	if !ok {
		return c, notFound("channel")
	}
	return c, nil
}

func (r nanoRoom) Channel(ctx context.Context, tenant mdm.TenantID, k mdm.EnrollmentKey) (c nanostore.Channel, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error { c, err = r.ChannelTx(ctx, t, k); return err })
	return c, err
}

func (r nanoRoom) Devices(ctx context.Context, tenant mdm.TenantID, after mdm.EnrollmentKey, limit int) (out []nanostore.Device, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error {
		for _, k := range t.nanoChannels.keys() {
			if k <= after || len(out) == limit {
				continue
			}
			e, err := t.enrollment(k)
			if err != nil {
				return err
			}
			if e.State == mdm.EnrollmentEnrolled && e.Channel == mdm.DeviceChannel {
				c, _ := t.nanoChannels.get(k)
				out = append(out, nanostore.Device{Channel: c, Life: e})
			}
		}
		return nil
	})
	return out, err
}

func (r nanoRoom) PutMessage(ctx context.Context, x mdm.Tx, m nanostore.Message) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	m.Sealed, m.At = bytes.Clone(m.Sealed), stored(m.At)
	return t.nanoMessages.put(t, "nano", itoa(int64(m.Enrollment))+"/"+string(m.Kind), m)
}

func (r nanoRoom) Messages(ctx context.Context, tenant mdm.TenantID, k mdm.EnrollmentKey) (out []nanostore.Message, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error {
		for _, id := range t.nanoMessages.keys() {
			if m, _ := t.nanoMessages.get(id); m.Enrollment == k {
				m.Sealed = bytes.Clone(m.Sealed)
				out = append(out, m)
			}
		}
		return nil
	})
	return out, err
}

func (r nanoRoom) Associate(ctx context.Context, x mdm.Tx, n mdm.Natural, hash string, at time.Time) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	for _, id := range t.nanoCertificates.keys() {
		if c, _ := t.nanoCertificates.get(id); c.natural == n && c.hash == hash {
			if err := t.nanoCertificates.del(t, "nano", id); err != nil {
				return err
			}
		}
	}
	return t.nanoCertificates.put(t, "nano", next(&t.s.lastKey), nanoCertificate{n, hash, stored(at)})
}

// newest returns the last association that is meant.
func (r nanoRoom) newest(ctx context.Context, tenant mdm.TenantID, meant func(nanoCertificate) bool) (c nanoCertificate, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error {
		for _, id := range slices.Backward(t.nanoCertificates.keys()) {
			if c, _ = t.nanoCertificates.get(id); meant(c) {
				return nil
			}
		}
		return notFound("association")
	})
	return c, err
}

func (r nanoRoom) HashOf(ctx context.Context, tenant mdm.TenantID, n mdm.Natural) (string, error) {
	c, err := r.newest(ctx, tenant, func(c nanoCertificate) bool { return c.natural == n })
	if err != nil {
		return "", err
	}
	return c.hash, nil
}

func (r nanoRoom) ChannelOf(ctx context.Context, tenant mdm.TenantID, hash string) (mdm.Natural, error) {
	c, err := r.newest(ctx, tenant, func(c nanoCertificate) bool { return c.hash == hash })
	if err != nil {
		return "", err
	}
	return c.natural, nil
}

func (r nanoRoom) PutPushCertificate(ctx context.Context, x mdm.Tx, c nanostore.PushCertificate) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	c.Certificate, c.Key, c.At = bytes.Clone(c.Certificate), bytes.Clone(c.Key), stored(c.At)
	return t.nanoPush.put(t, "nano", c.Topic, c)
}

func (r nanoRoom) PushCertificate(ctx context.Context, tenant mdm.TenantID, topic string) (c nanostore.PushCertificate, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error {
		var ok bool
		if c, ok = t.nanoPush.get(topic); !ok {
			return notFound("push certificate")
		}
		c.Certificate, c.Key = bytes.Clone(c.Certificate), bytes.Clone(c.Key)
		return nil
	})
	return c, err
}
