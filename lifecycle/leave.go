package lifecycle

import (
	"context"

	"github.com/keelson-mdm/keelson/mdm"
)

// over reports whether a channel has ended and nothing is announced on it.
func over(e *mdm.Enrollment) bool { return e.State == mdm.EnrollmentEnded && e.Next.Pin.IsZero() }

// end ends a channel and what is announced on it.
func (s *Service) end(e *mdm.Enrollment) {
	if e.State != mdm.EnrollmentEnded {
		e.State, e.EndedAt = mdm.EnrollmentEnded, s.c.Clock.Now()
	}
	e.Next = mdm.NextLife{}
}

// checkOut ends the life of that generation; a CheckOut that is replayed after a
// new enrollment is of another generation and changes nothing. A new life that
// has been announced goes on: the device left the old one for it.
func (s *Service) checkOut(ctx context.Context, tx mdm.Tx, k mdm.EnrollmentKey, g mdm.Generation) (Transition, error) {
	e, err := s.c.Store.EnrollmentByKey(ctx, tx, k)
	if err != nil {
		return Transition{}, err
	}
	if e.State != mdm.EnrollmentEnrolled || e.Generation != g {
		return Transition{}, nil
	}
	var next mdm.NextLife
	if e.Next.Generation > g {
		next = e.Next
	}
	return s.turnOff(ctx, tx, e, TurnedOff, next, mdm.Actor{})
}

// turnOff ends a channel; next is the life that goes on to be announced on it, and
// who is zero when the device left by itself.
func (s *Service) turnOff(ctx context.Context, tx mdm.Tx, e mdm.Enrollment, k TransitionKind, next mdm.NextLife, who mdm.Actor) (Transition, error) {
	h, err := s.c.Store.HostTx(ctx, tx, e.Host)
	if err != nil {
		return Transition{}, err
	}
	was := e.State
	s.end(&e)
	e.Next = next
	if err := s.c.Store.PutEnrollment(ctx, tx, &e); err != nil {
		return Transition{}, err
	}
	if e.Channel == mdm.DeviceChannel && h.State != mdm.HostDeleted {
		if h.State = mdm.HostUnenrolled; !next.Pin.IsZero() {
			h.State = mdm.HostAuthenticating
		}
		if err := s.c.Store.PutHost(ctx, tx, &h); err != nil {
			return Transition{}, err
		}
	}
	t := Transition{Kind: k, Host: h, Enrollment: e}
	if was != mdm.EnrollmentEnrolled {
		return t, nil // the application never heard of it
	}
	return t, s.report(ctx, tx, mdm.EventUnenrolled, h, e, who)
}

// Unenroll ends every channel of a host on the application's word, and what is
// announced on one. The device is not told: it is turned away when it next asks.
// The transitions are for the other rooms to follow. An unknown host is a
// [mdm.CodeNotFound] error; one that is not enrolled stays as it is. Who asks for
// it stands in the events.
func (s *Service) Unenroll(ctx context.Context, tx mdm.Tx, k mdm.HostKey, who mdm.Actor) ([]Transition, error) {
	if _, err := s.c.Store.HostTx(ctx, tx, k); err != nil {
		return nil, err
	}
	return s.endAll(ctx, tx, k, TurnedOff, who)
}

// Delete makes a host a tombstone and ends its channels, as [Service.Unenroll]
// does. Its ExternalID is free again. A host that was deleted stays as it is.
func (s *Service) Delete(ctx context.Context, tx mdm.Tx, k mdm.HostKey, who mdm.Actor) ([]Transition, error) {
	h, err := s.c.Store.HostTx(ctx, tx, k)
	if err != nil || h.State == mdm.HostDeleted {
		return nil, err
	}
	gone := mdm.Event{Kind: mdm.EventHostDeleted, Host: h.ID, ExternalID: h.ExternalID, Actor: who}
	ts, err := s.endAll(ctx, tx, k, HostGone, who)
	if err != nil {
		return nil, err
	}
	h.State, h.ExternalID = mdm.HostDeleted, ""
	if err := s.c.Store.PutHost(ctx, tx, &h); err != nil {
		return nil, err
	}
	if err := s.c.Store.SetPerson(ctx, tx, k, ""); err != nil {
		return nil, err
	}
	for i := range ts {
		ts[i].Host = h
		gone.Key = ts[i].Enrollment.Key // behind what is told of its channel
	}
	return ts, s.Report(ctx, tx, gone)
}

func (s *Service) endAll(ctx context.Context, tx mdm.Tx, k mdm.HostKey, kind TransitionKind, who mdm.Actor) ([]Transition, error) {
	es, err := s.c.Store.EnrollmentsOf(ctx, tx, k)
	if err != nil {
		return nil, err
	}
	var ts []Transition
	for _, e := range es {
		if over(&e) {
			continue
		}
		t, err := s.turnOff(ctx, tx, e, kind, mdm.NextLife{}, who)
		if err != nil {
			return nil, err
		}
		ts = append(ts, t)
	}
	return ts, nil
}
