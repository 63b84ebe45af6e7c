package nanostore

import (
	"context"
	"time"

	nanomdm "github.com/micromdm/nanomdm/mdm"
	"github.com/micromdm/nanomdm/storage"

	"github.com/keelson-mdm/keelson/apple"
	"github.com/keelson-mdm/keelson/apple/checkin"
	"github.com/keelson-mdm/keelson/mdm"
)

// messageTable is the logical table of sealed messages; part of the sealed format.
const messageTable = "nano_message"

func messageRow(n mdm.Natural, k Kind) string { return string(n) + "/" + string(k) }

func (s *Storage) putMessage(ctx context.Context, tx mdm.Tx, e *mdm.Enrollment, k Kind, raw []byte) error {
	sealed, err := s.c.Box.Seal(s.c.Tenant, messageTable, messageRow(e.Natural, k), raw)
	if err != nil {
		return err
	}
	return s.c.Store.Nano().PutMessage(ctx, tx, Message{Enrollment: e.Key, Kind: k, Sealed: sealed, At: s.c.Clock.Now()})
}

// needRaw refuses a message without the bytes that came: they are what is kept.
func needRaw(raw []byte) error {
	if len(raw) == 0 {
		return mdm.Errorf(mdm.CodeInvalid, "raw", "the message has no original bytes")
	}
	return nil
}

// StoreAuthenticate begins a new life of a device: it is enrolled from its next
// TokenUpdate on. What waited for the life before is canceled, escrowed tokens go
// stale, and the users of the device have to come again.
func (s *Storage) StoreAuthenticate(r *nanomdm.Request, m *nanomdm.Authenticate) error {
	c, err := caller(r)
	if err != nil {
		return err
	}
	if c.parent != "" {
		return storage.ErrDeviceChannelOnly
	}
	if m == nil {
		return needRaw(nil)
	}
	if err := needRaw(m.Raw); err != nil {
		return err
	}
	facts := factsOf(m, r.ID)
	return s.in(r.Context(), func(ctx context.Context, tx mdm.Tx) error {
		e, known, err := s.enrollment(ctx, tx, c.natural, mdm.DeviceChannel)
		if err != nil {
			return err
		}
		h, err := s.hostOf(ctx, tx, &e, facts)
		if err != nil {
			return err
		}
		if !known {
			e = mdm.Enrollment{Natural: c.natural, Protocol: mdm.AppleProtocol, Channel: mdm.DeviceChannel}
		}
		uid, err := s.newID()
		if err != nil {
			return err
		}
		if e.Generation, err = s.c.Store.Identity().NextGeneration(ctx, tx); err != nil {
			return err
		}
		e.ID, e.Pin, e.Next = mdm.EnrollmentID(uid), s.pin(c.natural), mdm.NextLife{}
		e.State, e.EnrolledAt, e.EndedAt = mdm.EnrollmentAuthenticating, time.Time{}, time.Time{}
		e.Host, e.HostID, e.Platform = h.Key, h.ID, h.Platform
		if err := s.c.Store.Lifecycle().PutEnrollment(ctx, tx, &e); err != nil {
			return err
		}
		if err := s.c.Store.Nano().PutChannel(ctx, tx, Channel{Enrollment: e.Key, Type: c.kind}); err != nil {
			return err
		}
		if _, err := s.q.EndBefore(ctx, tx, e.Key, e.Generation); err != nil {
			return err
		}
		if err := s.users(ctx, tx, &e, func(u *mdm.Enrollment) error { return s.beginUser(ctx, tx, &e, u) }); err != nil {
			return err
		}
		return s.putMessage(ctx, tx, &e, Authenticate, m.Raw)
	})
}

// factsOf is what a device says about itself. NanoMDM reads the serial number and
// keeps the message: what else it says is read here, when it can be.
func factsOf(m *nanomdm.Authenticate, hardwareID string) mdm.HostFacts {
	var f mdm.HostFacts
	if plain(m.SerialNumber, maxText) {
		f.Serial = m.SerialNumber
	}
	if d, err := checkin.Decode(m.Raw); err == nil {
		if a, ok := d.(*checkin.Authenticate); ok {
			f = a.Facts()
		}
	}
	f.HardwareID = hardwareID
	return f
}

// hostOf returns the host of a device that authenticates, with what it says about
// itself: its own, or one that carries its hardware id, or a new one. A host that
// was deleted does not come back.
func (s *Storage) hostOf(ctx context.Context, tx mdm.Tx, e *mdm.Enrollment, f mdm.HostFacts) (h mdm.Host, err error) {
	hosts := s.c.Store.Lifecycle()
	if e.Key != 0 {
		if h, err = hosts.HostTx(ctx, tx, e.Host); err != nil {
			return h, err
		}
	}
	if h.Key == 0 || h.State == mdm.HostDeleted {
		if h, err = s.place(ctx, tx, f); err != nil {
			return h, err
		}
	}
	for _, x := range []struct {
		to   *string
		from string
	}{{&h.Serial, f.Serial}, {&h.HardwareID, f.HardwareID}, {&h.Name, f.Name}, {&h.Model, f.Model}, {&h.OSVersion, f.OSVersion}} {
		if x.from != "" {
			*x.to = x.from
		}
	}
	if f.Platform != "" {
		h.Platform = f.Platform
	}
	h.State = mdm.HostAuthenticating
	return h, hosts.PutHost(ctx, tx, &h)
}

func (s *Storage) place(ctx context.Context, tx mdm.Tx, f mdm.HostFacts) (mdm.Host, error) {
	found, err := s.c.Store.Lifecycle().FindHosts(ctx, tx, f.HardwareID, "")
	if err != nil {
		return mdm.Host{}, err
	}
	for _, h := range found {
		if h.HardwareID == f.HardwareID {
			return h, nil
		}
	}
	uid, err := s.newID()
	return mdm.Host{ID: mdm.HostID(uid), CreatedAt: s.c.Clock.Now()}, err
}

// users calls fn for the user channels of a device, in key order.
func (s *Storage) users(ctx context.Context, tx mdm.Tx, device *mdm.Enrollment, fn func(*mdm.Enrollment) error) error {
	if device.Channel != mdm.DeviceChannel {
		return nil
	}
	all, err := s.c.Store.Lifecycle().EnrollmentsOf(ctx, tx, device.Host)
	if err != nil {
		return err
	}
	for _, u := range all {
		if u.Parent != device.Key {
			continue
		}
		if err := fn(&u); err != nil {
			return err
		}
	}
	return nil
}

// beginUser takes a user channel into the new life of its device.
func (s *Storage) beginUser(ctx context.Context, tx mdm.Tx, device, u *mdm.Enrollment) error {
	s.end(u)
	u.ID, u.Generation = device.ID, device.Generation
	if err := s.c.Store.Lifecycle().PutEnrollment(ctx, tx, u); err != nil {
		return err
	}
	if _, err := s.q.EndBefore(ctx, tx, u.Key, u.Generation); err != nil {
		return err
	}
	c, err := s.c.Store.Nano().ChannelTx(ctx, tx, u.Key)
	if err != nil {
		return err
	}
	c.Tally = 0
	return s.c.Store.Nano().PutChannel(ctx, tx, c)
}

// end ends an enrolled channel; one that authenticates goes on doing so.
func (s *Storage) end(e *mdm.Enrollment) {
	if e.State == mdm.EnrollmentEnrolled {
		e.State, e.EndedAt = mdm.EnrollmentEnded, s.c.Clock.Now()
	}
}

// StoreTokenUpdate makes a channel enrolled, counts the message, and keeps how to
// wake the channel and what it escrows. A device that has not authenticated, and a
// user of a device that is not known, is a [mdm.CodeNotFound] error.
func (s *Storage) StoreTokenUpdate(r *nanomdm.Request, m *nanomdm.TokenUpdate) error {
	c, err := caller(r)
	if err != nil {
		return err
	}
	if m == nil {
		return needRaw(nil)
	}
	if err := needRaw(m.Raw); err != nil {
		return err
	}
	if m.Topic != "" && !plain(m.Topic, maxText) {
		return mdm.Errorf(mdm.CodeInvalid, "Topic", "has at most %d bytes of text", maxText)
	}
	return s.in(r.Context(), func(ctx context.Context, tx mdm.Tx) error {
		e, err := s.comes(ctx, tx, c)
		if err != nil {
			return err
		}
		if e.State != mdm.EnrollmentEnrolled {
			e.State, e.EnrolledAt, e.EndedAt = mdm.EnrollmentEnrolled, s.c.Clock.Now(), time.Time{}
			if err := s.c.Store.Lifecycle().PutEnrollment(ctx, tx, &e); err != nil {
				return err
			}
		}
		if err := s.hostBecomes(ctx, tx, &e, mdm.HostEnrolled); err != nil {
			return err
		}
		if err := s.keep(ctx, tx, &e, m); err != nil {
			return err
		}
		n, err := s.c.Store.Nano().ChannelTx(ctx, tx, e.Key)
		if err != nil {
			return err
		}
		n.Type, n.Tally = c.kind, n.Tally+1
		if err := s.c.Store.Nano().PutChannel(ctx, tx, n); err != nil {
			return err
		}
		return s.putMessage(ctx, tx, &e, TokenUpdate, m.Raw)
	})
}

// keep keeps what a TokenUpdate carries.
func (s *Storage) keep(ctx context.Context, tx mdm.Tx, e *mdm.Enrollment, m *nanomdm.TokenUpdate) error {
	now := s.c.Clock.Now()
	p, err := apple.SealPush(s.c.Box, s.c.Tenant, e, m.Topic, m.Token, m.PushMagic, now)
	if err != nil {
		return err
	}
	if err := s.c.Store.Apple().PutPush(ctx, tx, p); err != nil || len(m.UnlockToken) == 0 {
		return err
	}
	k, err := apple.SealToken(s.c.Box, s.c.Tenant, e, apple.UnlockToken, m.UnlockToken, now)
	if err != nil {
		return err
	}
	return s.c.Store.Apple().PutToken(ctx, tx, k)
}

// comes returns the channel that speaks; that of a user is made when it is new.
func (s *Storage) comes(ctx context.Context, tx mdm.Tx, c channel) (mdm.Enrollment, error) {
	device := c.natural
	if c.parent != "" {
		device = c.parent
	}
	d, known, err := s.enrollment(ctx, tx, device, mdm.DeviceChannel)
	if err == nil && !known {
		err = mdm.Errorf(mdm.CodeNotFound, "enrollment", "the device has not authenticated")
	}
	if err != nil || c.parent == "" {
		return d, err
	}
	e, known, err := s.enrollment(ctx, tx, c.natural, mdm.UserChannel)
	if err != nil || known {
		return e, err
	}
	e = mdm.Enrollment{
		ID: d.ID, Natural: c.natural, Protocol: mdm.AppleProtocol, Channel: mdm.UserChannel, Parent: d.Key,
		Host: d.Host, HostID: d.HostID, Platform: d.Platform, Generation: d.Generation,
		State: mdm.EnrollmentAuthenticating, Pin: s.pin(c.natural),
	}
	if err := s.c.Store.Lifecycle().PutEnrollment(ctx, tx, &e); err != nil {
		return e, err
	}
	return e, s.c.Store.Nano().PutChannel(ctx, tx, Channel{Enrollment: e.Key, Type: c.kind})
}

// hostBecomes sets the state of a host by its device channel.
func (s *Storage) hostBecomes(ctx context.Context, tx mdm.Tx, e *mdm.Enrollment, st mdm.HostState) error {
	if e.Channel != mdm.DeviceChannel {
		return nil
	}
	h, err := s.c.Store.Lifecycle().HostTx(ctx, tx, e.Host)
	switch {
	case err != nil:
		return err
	case h.State == mdm.HostDeleted:
		return mdm.Errorf(mdm.CodeIdentity, "host", "the host was deleted: the device has to authenticate again")
	case h.State == st:
		return nil
	}
	h.State = st
	return s.c.Store.Lifecycle().PutHost(ctx, tx, &h)
}

// Disable ends an enrolled channel, and with a device's those of its users. What
// it escrowed stays, and so does what waits for it. One that is not known stays so.
func (s *Storage) Disable(r *nanomdm.Request) error {
	c, err := caller(r)
	if err != nil {
		return err
	}
	return s.in(r.Context(), func(ctx context.Context, tx mdm.Tx) error {
		e, known, err := s.enrollment(ctx, tx, c.natural, c.of())
		if err != nil || !known {
			return err
		}
		end := func(e *mdm.Enrollment) error {
			if e.State != mdm.EnrollmentEnrolled {
				return nil
			}
			s.end(e)
			return s.c.Store.Lifecycle().PutEnrollment(ctx, tx, e)
		}
		if e.State == mdm.EnrollmentEnrolled {
			if err := s.hostBecomes(ctx, tx, &e, mdm.HostUnenrolled); err != nil && mdm.CodeOf(err) != mdm.CodeIdentity {
				return err // a deleted host stays deleted
			}
		}
		if err := end(&e); err != nil {
			return err
		}
		return s.users(ctx, tx, &e, end)
	})
}

// StoreUserAuthenticate keeps the message of a user, who is enrolled from the next
// TokenUpdate on. A user of a device that is not known is a [mdm.CodeNotFound]
// error.
func (s *Storage) StoreUserAuthenticate(r *nanomdm.Request, m *nanomdm.UserAuthenticate) error {
	c, err := caller(r)
	if err != nil {
		return err
	}
	if c.parent == "" {
		return mdm.Errorf(mdm.CodeInvalid, "id", "UserAuthenticate comes from a user channel")
	}
	if m == nil {
		return needRaw(nil)
	}
	if err := needRaw(m.Raw); err != nil {
		return err
	}
	kind := UserAuthenticate
	if m.DigestResponse != "" {
		kind = UserAuthenticateDigest
	}
	return s.in(r.Context(), func(ctx context.Context, tx mdm.Tx) error {
		e, err := s.comes(ctx, tx, c)
		if err != nil {
			return err
		}
		if e.State == mdm.EnrollmentEnrolled {
			e.State, e.EndedAt = mdm.EnrollmentAuthenticating, s.c.Clock.Now()
			if err := s.c.Store.Lifecycle().PutEnrollment(ctx, tx, &e); err != nil {
				return err
			}
		}
		return s.putMessage(ctx, tx, &e, kind, m.Raw)
	})
}

// RetrieveTokenUpdateTally returns how many TokenUpdates of a channel came since
// its device authenticated; 0 when it is not known.
func (s *Storage) RetrieveTokenUpdateTally(ctx context.Context, id string) (int, error) {
	n, err := natural(id)
	if err != nil {
		return 0, err
	}
	e, err := s.c.Store.Identity().Enrollment(ctx, s.c.Tenant, n)
	if err == nil {
		var c Channel
		if c, err = s.c.Store.Nano().Channel(ctx, s.c.Tenant, e.Key); err == nil {
			return c.Tally, nil
		}
	}
	if missing(err) {
		err = nil
	}
	return 0, err
}
