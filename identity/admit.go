package identity

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"runtime/debug"

	"github.com/keelson-mdm/keelson/mdm"
)

// Claim is what a device says when it authenticates.
type Claim struct {
	Natural  mdm.Natural
	Protocol mdm.Protocol
	Channel  mdm.Channel
	Facts    mdm.HostFacts
}

// Admitted is a device that may authenticate: judged, and not yet bound. Its
// fields are fixed when the unit of work begins.
type Admitted struct {
	claim Claim
	cert  Certificate
	leaf  mdm.Hash
}

// Admit judges a device that authenticates with a verified certificate: the
// certificate was issued here, for this channel or for none yet, its intent
// expects this device and is open, and the application does not object. It
// reads and changes nothing; [Service.Bind] follows in the unit of work.
//
// What is wrong with the certificate or the device is a [mdm.CodeIdentity]
// error, with the intent a [mdm.CodeChallenge] one, the application's word a
// [mdm.CodeNotAdmitted] one, and none of its words [mdm.CodeUnavailable].
func (s *Service) Admit(ctx context.Context, t mdm.TenantID, leaf *x509.Certificate, cl Claim) (*Admitted, error) {
	h := HashOf(leaf)
	c, err := s.c.Store.Certificate(ctx, t, h)
	if err != nil {
		return nil, foreign(err)
	}
	switch {
	case c.State == Superseded:
		return nil, mdm.Errorf(mdm.CodeIdentity, "certificate", "this certificate has been superseded")
	case c.State == Bound && c.Natural != cl.Natural:
		return nil, mdm.Errorf(mdm.CodeIdentity, "certificate", "this certificate belongs to another device")
	case c.State != Bound && c.State != Issued:
		return nil, mdm.Errorf(mdm.CodeIdentity, "certificate", "this certificate was never issued")
	}
	i, err := s.c.Store.Intent(ctx, t, c.Intent)
	if err != nil {
		return nil, foreign(err)
	}
	if err := i.Expects(cl.Facts); err != nil {
		return nil, err
	}
	if c.State == Issued {
		if err := i.Open(s.c.Clock.Now()); err != nil {
			return nil, err
		}
	}
	known, err := s.c.Store.Enrollment(ctx, t, cl.Natural)
	switch {
	case err != nil && mdm.CodeOf(err) != mdm.CodeNotFound:
		return nil, err
	case c.Kind == KindRenewal && (err != nil || known.ID != c.Enrollment || known.Generation != c.Generation || known.State != mdm.EnrollmentEnrolled):
		return nil, mdm.Errorf(mdm.CodeIdentity, "certificate", "this certificate renews the identity of another device, or of an enrollment that has ended")
	}
	a := mdm.Admission{
		Tenant: t, Natural: cl.Natural, Protocol: cl.Protocol, Facts: cl.Facts,
		Intent: i.ID, Person: i.Person, Certificate: leaf, Known: known.HostID,
	}
	if err := s.ask(ctx, a); err != nil {
		return nil, err
	}
	return &Admitted{claim: cl, cert: c, leaf: h}, nil
}

// ask runs the application's veto, with its deadline and default.
func (s *Service) ask(ctx context.Context, a mdm.Admission) error {
	if s.c.Admitter == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.c.AdmitTimeout)
	defer cancel()
	err := s.guard(ctx, "Admitter", func() error { return s.c.Admitter.Admit(ctx, a) })
	switch {
	case err == nil, errors.Is(err, mdm.CodeNotAdmitted):
		return err
	case s.c.AdmitOnFailure:
		return nil
	default:
		return mdm.WrapError(mdm.CodeUnavailable, "", "admission could not be decided: try again", err)
	}
}

var errPanic = errors.New("it panicked")

// guard runs application code: a failure of it is logged, and a panic, which must
// not end more than this one call, is such a failure. What it panicked with may
// be a secret and goes nowhere.
func (s *Service) guard(ctx context.Context, what string, do func() error) (err error) {
	defer func() {
		attrs := []any{"what", what}
		if recover() != nil {
			err = errPanic
			attrs = append(attrs, slog.String("stack", string(debug.Stack())))
		}
		if !isAnswer(err) {
			s.c.Log.ErrorContext(ctx, "the application's code failed", append(attrs, "error", err)...)
		}
	}()
	return do()
}

// isAnswer tells what application code decided, nil included, from its failures.
func isAnswer(err error) bool {
	switch mdm.CodeOf(err) {
	case "", mdm.CodeNotAdmitted, mdm.CodeUnauthenticated, mdm.CodeForbidden, mdm.CodeBusy:
		return true
	}
	return false
}

// Bind pins the certificate to the channel, counts the intent, and returns what
// the device announces, for [mdm.Sink.Signal]. Binding the same device twice
// changes nothing the second time.
func (s *Service) Bind(ctx context.Context, tx mdm.Tx, a *Admitted) (mdm.Authenticated, error) {
	first, err := s.c.Store.Bind(ctx, tx, a.leaf, a.claim.Natural)
	if err != nil {
		return mdm.Authenticated{}, err
	}
	if first {
		if err := s.c.Store.UseIntent(ctx, tx, a.cert.Intent); err != nil {
			return mdm.Authenticated{}, err
		}
	}
	return mdm.Authenticated{
		Natural: a.claim.Natural, Protocol: a.claim.Protocol, Channel: a.claim.Channel,
		Next:    mdm.NextLife{ID: a.cert.Enrollment, Generation: a.cert.Generation, Pin: a.leaf, Person: a.cert.Person},
		Renewal: a.cert.Kind == KindRenewal, Facts: a.claim.Facts,
		Intent: a.cert.Intent, Team: a.cert.Team,
	}, nil
}

// Retire follows a confirmed life: of the channel's certificates, only keep may
// speak from now on. A zero keep retires all.
func (s *Service) Retire(ctx context.Context, tx mdm.Tx, n mdm.Natural, keep mdm.Hash) error {
	return s.c.Store.SupersedeBound(ctx, tx, n, keep)
}

// Enrollment returns the channel of that natural key within a unit of work, or a
// [mdm.CodeNotFound] error.
func (s *Service) Enrollment(ctx context.Context, tx mdm.Tx, n mdm.Natural) (mdm.Enrollment, error) {
	return s.c.Store.EnrollmentTx(ctx, tx, n)
}
