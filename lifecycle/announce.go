package lifecycle

import (
	"context"
	"fmt"

	"github.com/keelson-mdm/keelson/mdm"
)

// announce records the life that authenticated. Nothing that the device had is
// touched before a confirmation.
func (s *Service) announce(ctx context.Context, tx mdm.Tx, a mdm.Authenticated) (Transition, error) {
	if a.Next.Pin.IsZero() || a.Next.Generation < 1 {
		return Transition{}, mdm.Errorf(mdm.CodeInternal, "", "a device authenticates with a certificate and for a life")
	}
	e, err := s.c.Store.EnrollmentTx(ctx, tx, a.Natural)
	if err != nil && mdm.CodeOf(err) != mdm.CodeNotFound {
		return Transition{}, err
	}
	fresh := err != nil
	if !fresh && a.Next.Pin == e.Pin {
		// The current identity authenticates again: that is no new life.
		return Transition{}, s.facts(ctx, tx, e.Host, a.Facts)
	}
	if err := mayAnnounce(&e, &a); err != nil {
		return Transition{}, err
	}
	h, err := s.hostOf(ctx, tx, &e, &a)
	if err != nil {
		return Transition{}, err
	}
	learn(&h, a.Facts)
	if h.State != mdm.HostEnrolled {
		h.State = mdm.HostAuthenticating
	}
	if err := s.c.Store.PutHost(ctx, tx, &h); err != nil {
		return Transition{}, fmt.Errorf("store a host: %w", err)
	}
	if fresh {
		e = mdm.Enrollment{
			ID: a.Next.ID, Natural: a.Natural, Protocol: a.Protocol, Channel: a.Channel,
			State: mdm.EnrollmentAuthenticating,
		}
	}
	e.Host, e.HostID, e.Platform, e.Next = h.Key, h.ID, h.Platform, a.Next
	if err := s.c.Store.PutEnrollment(ctx, tx, &e); err != nil {
		return Transition{}, fmt.Errorf("store an enrollment: %w", err)
	}
	return Transition{Kind: Announced, Host: h, Enrollment: e}, nil
}

// mayAnnounce reports why what is announced cannot follow what there is; e is
// zero when there is nothing.
func mayAnnounce(e *mdm.Enrollment, a *mdm.Authenticated) error {
	switch {
	case a.Renewal && (e.State != mdm.EnrollmentEnrolled || e.Generation != a.Next.Generation || e.ID != a.Next.ID):
		return mdm.Errorf(mdm.CodeIdentity, "certificate", "this certificate renews an enrollment that has ended")
	case !a.Renewal && a.Next.Generation <= e.Generation:
		return mdm.Errorf(mdm.CodeIdentity, "certificate", "this certificate is of an earlier enrollment")
	}
	return nil
}

// hostOf returns the host of a channel, or the one that a new channel belongs to.
// A host that was deleted does not come back: its device is a new host.
func (s *Service) hostOf(ctx context.Context, tx mdm.Tx, e *mdm.Enrollment, a *mdm.Authenticated) (mdm.Host, error) {
	if e.Key != 0 {
		h, err := s.c.Store.HostTx(ctx, tx, e.Host)
		if err != nil || h.State != mdm.HostDeleted {
			return h, err
		}
	}
	h, err := s.place(ctx, tx, a)
	if err != nil || h.ID != "" {
		return h, err
	}
	now := s.c.Clock.Now()
	id, err := mdm.NewUUID(now, s.c.Rand)
	if err != nil {
		return mdm.Host{}, err
	}
	return mdm.Host{ID: mdm.HostID(id), CreatedAt: now, Team: a.Team}, nil
}

// place finds the host that a new channel belongs to, or returns a blank one.
//
// What a device claims finds a host and proves nothing. A hardware id finds the
// host that carries it; on Windows, where cloned machines share one, a host that
// someone enrolled is found only by that person, so that a clone never takes
// another's place. A serial number finds only a host that never enrolled and
// whose hardware id nobody knows, such as one that the application made
// beforehand, and only if exactly one has it: serial numbers of cheap machines
// are not unique.
func (s *Service) place(ctx context.Context, tx mdm.Tx, a *mdm.Authenticated) (mdm.Host, error) {
	found, err := s.c.Store.FindHosts(ctx, tx, a.Facts.HardwareID, a.Facts.Serial)
	if err != nil {
		return mdm.Host{}, err
	}
	var bySerial []mdm.Host
	for _, h := range found {
		switch {
		case h.Platform != "" && h.Platform.Apple() != (a.Protocol == mdm.AppleProtocol):
		case h.HardwareID == "":
			if h.State == mdm.HostPending {
				bySerial = append(bySerial, h)
			}
		case h.HardwareID == a.Facts.HardwareID:
			held, err := s.held(ctx, tx, h.Key, a)
			if err != nil {
				return mdm.Host{}, err
			}
			if !held {
				return h, nil
			}
		}
	}
	if len(bySerial) == 1 {
		return bySerial[0], nil
	}
	return mdm.Host{}, nil
}

// held reports whether somebody else's enrollment, or one that is under way,
// keeps a host from a Windows device that claims to be it.
func (s *Service) held(ctx context.Context, tx mdm.Tx, k mdm.HostKey, a *mdm.Authenticated) (bool, error) {
	if a.Protocol == mdm.AppleProtocol {
		return false, nil
	}
	es, err := s.c.Store.EnrollmentsOf(ctx, tx, k)
	if err != nil {
		return false, err
	}
	mine := func(person string) bool { return person != "" && person == a.Next.Person }
	for _, e := range es {
		if !e.Next.Pin.IsZero() && !mine(e.Next.Person) {
			return true, nil
		}
		if e.State != mdm.EnrollmentEnrolled {
			continue
		}
		person, err := s.c.Store.PersonOf(ctx, tx, k)
		if err != nil || !mine(person) {
			return true, err
		}
	}
	return false, nil
}
