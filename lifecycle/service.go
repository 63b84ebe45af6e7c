package lifecycle

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/keelson-mdm/keelson/mdm"
)

// Config is what a [Service] needs. Fields are required unless their comment
// says otherwise.
type Config struct {
	Store      Store
	Transactor mdm.Transactor
	Clock      mdm.Clock
	Rand       io.Reader
	// Hooks receives committed events. Nil means that nobody listens, and
	// then no event is written.
	Hooks mdm.Hooks
	// Log receives what needs a person's eye. Nil discards.
	Log *slog.Logger
}

// Service keeps hosts and enrollments. It is safe for concurrent use.
type Service struct {
	c    Config
	wake chan struct{}
}

// New returns a service.
func New(c Config) (*Service, error) {
	if c.Store == nil || c.Transactor == nil || c.Clock == nil || c.Rand == nil {
		return nil, mdm.Errorf(mdm.CodeInvalid, "lifecycle", "Store, Transactor, Clock and Rand are required")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{c: c, wake: make(chan struct{}, 1)}, nil
}

// Apply turns what a device did into a transition, in the device's unit of
// work. Other kinds of signal are [None].
func (s *Service) Apply(ctx context.Context, tx mdm.Tx, e mdm.Signal) (Transition, error) {
	switch d := e.Data.(type) {
	case mdm.Authenticated:
		return s.announce(ctx, tx, d)
	case mdm.Confirmed:
		return s.confirm(ctx, tx, e.Key, d.Pin)
	case mdm.HostFacts:
		return Transition{}, s.facts(ctx, tx, e.Host, d)
	}
	if e.Kind == mdm.SignalCheckedOut {
		return s.checkOut(ctx, tx, e.Key, e.Generation)
	}
	return Transition{}, nil
}

// announce records the life that authenticated. Nothing that the device had is
// touched before a confirmation.
func (s *Service) announce(ctx context.Context, tx mdm.Tx, a mdm.Authenticated) (Transition, error) {
	now := s.c.Clock.Now()
	e, err := s.c.Store.EnrollmentTx(ctx, tx, a.Natural)
	if err != nil && mdm.CodeOf(err) != mdm.CodeNotFound {
		return Transition{}, err
	}
	fresh := err != nil
	if !fresh && a.Next.Pin == e.Pin {
		return Transition{}, nil // the current identity authenticates again
	}
	if !fresh && a.Next.Generation < e.Generation {
		return Transition{}, mdm.Errorf(mdm.CodeIdentity, "certificate", "this certificate is of an earlier enrollment")
	}
	if a.Renewal && (fresh || e.State != mdm.EnrollmentEnrolled || e.Generation != a.Next.Generation) {
		return Transition{}, mdm.Errorf(mdm.CodeIdentity, "certificate", "this certificate renews an enrollment that has ended")
	}
	var h mdm.Host
	if !fresh {
		if h, err = s.c.Store.HostTx(ctx, tx, e.Host); err != nil {
			return Transition{}, err
		}
	}
	if fresh || h.State == mdm.HostDeleted {
		if h, err = s.place(ctx, tx, a); err != nil {
			return Transition{}, err
		}
	}
	learn(&h, a.Facts)
	if h.State != mdm.HostEnrolled {
		h.State = mdm.HostAuthenticating
	}
	if h.ID == "" {
		id, err := mdm.NewUUID(now, s.c.Rand)
		if err != nil {
			return Transition{}, err
		}
		h.ID, h.CreatedAt, h.Team = mdm.HostID(id), now, a.Team
	}
	if err := s.c.Store.PutHost(ctx, tx, &h); err != nil {
		return Transition{}, fmt.Errorf("store a host: %w", err)
	}
	if fresh {
		e = mdm.Enrollment{
			ID: a.Next.ID, Natural: a.Natural, Protocol: a.Protocol, Channel: a.Channel,
			Host: h.Key, HostID: h.ID, Platform: h.Platform, State: mdm.EnrollmentAuthenticating,
		}
	}
	e.Host, e.HostID, e.Next = h.Key, h.ID, a.Next
	if err := s.c.Store.PutEnrollment(ctx, tx, &e); err != nil {
		return Transition{}, fmt.Errorf("store an enrollment: %w", err)
	}
	return Transition{Kind: Announced, Host: h, Enrollment: e}, nil
}

// place finds the host that a new channel belongs to, or returns a blank one.
//
// What a device claims finds a host and proves nothing. A hardware id finds the
// host that carries it; on Windows, where cloned machines share one, a host that
// is managed is found only by the person who enrolled it, so that a clone never
// takes another's place. A serial number finds only a host that never enrolled,
// such as one that the application made beforehand, and only if exactly one has
// it: serial numbers of cheap machines are not unique.
func (s *Service) place(ctx context.Context, tx mdm.Tx, a mdm.Authenticated) (mdm.Host, error) {
	found, err := s.c.Store.FindHosts(ctx, tx, a.Facts.HardwareID, a.Facts.Serial)
	if err != nil {
		return mdm.Host{}, err
	}
	var bySerial []mdm.Host
	for _, h := range found {
		if h.Platform != "" && h.Platform.Apple() != (a.Protocol == mdm.AppleProtocol) {
			continue
		}
		if h.HardwareID != a.Facts.HardwareID || h.HardwareID == "" {
			if h.State == mdm.HostPending {
				bySerial = append(bySerial, h)
			}
			continue
		}
		if a.Protocol == mdm.AppleProtocol || h.State != mdm.HostEnrolled {
			return h, nil
		}
		person, err := s.c.Store.PersonOf(ctx, tx, h.Key)
		if err != nil {
			return mdm.Host{}, err
		}
		if person != "" && person == a.Next.Person {
			return h, nil
		}
	}
	if len(bySerial) == 1 {
		return bySerial[0], nil
	}
	return mdm.Host{}, nil
}

// confirm begins the announced life, or ends a renewal.
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
	t := Transition{Kind: NewLife}
	if e.Next.Generation == e.Generation && e.State == mdm.EnrollmentEnrolled {
		t.Kind = Renewed
	}
	person, was := e.Next.Person, e.Generation
	e.ID, e.Generation, e.Pin, e.Next = e.Next.ID, e.Next.Generation, e.Next.Pin, mdm.NextLife{}
	if t.Kind == NewLife {
		if e.Generation <= was {
			return Transition{}, mdm.Errorf(mdm.CodeIdentity, "certificate", "this certificate is of an enrollment that has ended")
		}
		e.State, e.EnrolledAt, e.EndedAt = mdm.EnrollmentEnrolled, s.c.Clock.Now(), zeroTime
		h.State = mdm.HostEnrolled
		if err := s.c.Store.PutHost(ctx, tx, &h); err != nil {
			return Transition{}, err
		}
		if err := s.c.Store.SetPerson(ctx, tx, h.Key, person); err != nil {
			return Transition{}, err
		}
		if t.Ended, err = s.endOthers(ctx, tx, e); err != nil {
			return Transition{}, err
		}
	}
	if err := s.c.Store.PutEnrollment(ctx, tx, &e); err != nil {
		return Transition{}, err
	}
	t.Host, t.Enrollment = h, e
	kind := mdm.EventEnrolled
	if t.Kind == Renewed {
		kind = mdm.EventRenewed
	}
	return t, s.report(ctx, tx, kind, h, e)
}

// endOthers ends the host's other device channels: it came back under another
// natural key, and its earlier enrollment will never speak again.
func (s *Service) endOthers(ctx context.Context, tx mdm.Tx, e mdm.Enrollment) ([]mdm.Enrollment, error) {
	all, err := s.c.Store.EnrollmentsOf(ctx, tx, e.Host)
	if err != nil {
		return nil, err
	}
	var ended []mdm.Enrollment
	for _, o := range all {
		if o.Key == e.Key || o.Channel != e.Channel || o.State == mdm.EnrollmentEnded {
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

func (s *Service) end(e *mdm.Enrollment) {
	e.State, e.EndedAt, e.Next = mdm.EnrollmentEnded, s.c.Clock.Now(), mdm.NextLife{}
}

// checkOut ends the life of that generation; a CheckOut that is replayed after a
// new enrollment is of another generation and changes nothing.
func (s *Service) checkOut(ctx context.Context, tx mdm.Tx, k mdm.EnrollmentKey, g mdm.Generation) (Transition, error) {
	e, err := s.c.Store.EnrollmentByKey(ctx, tx, k)
	if err != nil {
		return Transition{}, err
	}
	if e.State != mdm.EnrollmentEnrolled || e.Generation != g {
		return Transition{}, nil
	}
	return s.turnOff(ctx, tx, e, TurnedOff)
}

func (s *Service) turnOff(ctx context.Context, tx mdm.Tx, e mdm.Enrollment, k TransitionKind) (Transition, error) {
	h, err := s.c.Store.HostTx(ctx, tx, e.Host)
	if err != nil {
		return Transition{}, err
	}
	s.end(&e)
	if err := s.c.Store.PutEnrollment(ctx, tx, &e); err != nil {
		return Transition{}, err
	}
	if e.Channel == mdm.DeviceChannel && h.State != mdm.HostDeleted {
		h.State = mdm.HostUnenrolled
		if err := s.c.Store.PutHost(ctx, tx, &h); err != nil {
			return Transition{}, err
		}
	}
	return Transition{Kind: k, Host: h, Enrollment: e}, s.report(ctx, tx, mdm.EventUnenrolled, h, e)
}

func (s *Service) facts(ctx context.Context, tx mdm.Tx, k mdm.HostKey, f mdm.HostFacts) error {
	h, err := s.c.Store.HostTx(ctx, tx, k)
	if err != nil {
		return err
	}
	was := h
	learn(&h, f)
	if h == was {
		return nil
	}
	return s.c.Store.PutHost(ctx, tx, &h)
}

// learn takes over what a device says about itself. What it does not say stays.
func learn(h *mdm.Host, f mdm.HostFacts) {
	for _, x := range []struct {
		to   *string
		from string
	}{
		{&h.Serial, f.Serial}, {&h.HardwareID, f.HardwareID}, {&h.Name, f.Name},
		{&h.Model, f.Model}, {&h.OSVersion, f.OSVersion},
	} {
		if x.from != "" {
			*x.to = x.from
		}
	}
	if f.Platform != "" {
		h.Platform = f.Platform
	}
}
