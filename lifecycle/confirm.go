package lifecycle

import (
	"context"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// confirm begins the announced life, or ends a renewal. Any other certificate
// than the one that authenticated confirms nothing.
func (s *Service) confirm(ctx context.Context, tx mdm.Tx, k mdm.EnrollmentKey, pin mdm.Hash) (Transition, error) {
	e, err := s.c.Store.EnrollmentByKey(ctx, tx, k)
	if err != nil {
		return Transition{}, err
	}
	if pin.IsZero() || pin != e.Next.Pin {
		return Transition{}, nil
	}
	h, err := s.c.Store.HostTx(ctx, tx, e.Host)
	if err != nil {
		return Transition{}, err
	}
	renewal := e.Next.Generation == e.Generation && e.State == mdm.EnrollmentEnrolled
	if h.State == mdm.HostDeleted || !renewal && e.Next.Generation <= e.Generation {
		return Transition{}, mdm.Errorf(mdm.CodeIdentity, "certificate", "this certificate is of an enrollment that has ended")
	}
	next := e.Next
	e.ID, e.Generation, e.Pin, e.Next = next.ID, next.Generation, next.Pin, mdm.NextLife{}
	if renewal {
		if err := s.c.Store.PutEnrollment(ctx, tx, &e); err != nil {
			return Transition{}, err
		}
		return Transition{Kind: Renewed, Host: h, Enrollment: e}, s.report(ctx, tx, mdm.EventRenewed, h, e, mdm.Actor{})
	}
	e.State, e.EnrolledAt, e.EndedAt = mdm.EnrollmentEnrolled, s.c.Clock.Now(), time.Time{}
	if err := s.c.Store.PutEnrollment(ctx, tx, &e); err != nil {
		return Transition{}, err
	}
	h.State = mdm.HostEnrolled
	if err := s.c.Store.PutHost(ctx, tx, &h); err != nil {
		return Transition{}, err
	}
	if err := s.c.Store.SetPerson(ctx, tx, h.Key, next.Person); err != nil {
		return Transition{}, err
	}
	ended, err := s.endOthers(ctx, tx, e)
	if err != nil {
		return Transition{}, err
	}
	return Transition{Kind: NewLife, Host: h, Enrollment: e, Ended: ended}, s.report(ctx, tx, mdm.EventEnrolled, h, e, mdm.Actor{})
}

// endOthers ends the host's other channels of the same kind: it came back under
// another natural key, and its earlier enrollment will never speak again.
func (s *Service) endOthers(ctx context.Context, tx mdm.Tx, e mdm.Enrollment) ([]mdm.Enrollment, error) {
	all, err := s.c.Store.EnrollmentsOf(ctx, tx, e.Host)
	if err != nil {
		return nil, err
	}
	var ended []mdm.Enrollment
	for _, o := range all {
		if o.Key == e.Key || o.Channel != e.Channel || over(&o) {
			continue
		}
		s.end(&o)
		if err := s.c.Store.PutEnrollment(ctx, tx, &o); err != nil {
			return nil, err
		}
		ended = append(ended, o)
	}
	return ended, nil
}
