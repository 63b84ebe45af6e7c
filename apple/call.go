package apple

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"runtime/debug"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
)

// call is one message whose sender is known.
type call struct {
	s   *Server
	t   mdm.TenantID
	pin mdm.Hash // of the verified certificate
	// leaf is that certificate; nil as long as nobody needs it, when it is
	// known from before and stands in signature.
	leaf      *x509.Certificate
	signature string
	// natural is the channel that the message says it is of, once it has been
	// read.
	natural mdm.Natural
}

// certificate returns the verified certificate.
func (c *call) certificate() (*x509.Certificate, error) {
	if c.leaf == nil {
		sig, err := parseSignature(c.signature, nil)
		if err != nil {
			return nil, err
		}
		if c.leaf, err = sig.Parse(); err != nil {
			return nil, err
		}
	}
	return c.leaf, nil
}

func (c *call) caller() queue.Caller { return queue.Caller{Natural: c.natural, Pin: c.pin} }

// judge returns the channel of a caller in good standing, with one read.
func (c *call) judge(ctx context.Context) (mdm.Enrollment, error) {
	a, err := c.s.c.Queue.Poll(ctx, c.t, queue.Poll{Caller: c.caller(), Now: c.s.c.Clock.Now(), Judge: true})
	if err != nil {
		return mdm.Enrollment{}, err
	}
	if a.Standing != queue.StandingGood {
		return mdm.Enrollment{}, standing(a.Standing)
	}
	return a.Enrollment, nil
}

// in opens the message's unit of work on the channel that it names, and judges
// the caller; fn decides on which standings to go on. A host that ends in good
// standing was seen.
func (c *call) in(ctx context.Context, fn func(context.Context, mdm.Tx, *mdm.Enrollment, queue.Standing) error) error {
	var e mdm.Enrollment
	err := c.s.c.Transactor.InTx(ctx, c.t, func(ctx context.Context, tx mdm.Tx) (err error) {
		if e, err = c.s.c.Identity.Enrollment(ctx, tx, c.natural); err != nil {
			if mdm.CodeOf(err) == mdm.CodeNotFound {
				return standing(queue.StandingUnknown)
			}
			return err
		}
		return fn(ctx, tx, &e, queue.Stand(&e, c.pin))
	})
	if err == nil && queue.Stand(&e, c.pin) == queue.StandingGood {
		c.s.c.Seen(c.t, e.Host)
	}
	return err
}

// good is fn for callers in good standing only.
func good(fn func(context.Context, mdm.Tx, *mdm.Enrollment) error) func(context.Context, mdm.Tx, *mdm.Enrollment, queue.Standing) error {
	return func(ctx context.Context, tx mdm.Tx, e *mdm.Enrollment, st queue.Standing) error {
		if st != queue.StandingGood {
			return standing(st)
		}
		return fn(ctx, tx, e)
	}
}

// standing is the error for a caller that is not in good standing.
func standing(st queue.Standing) error {
	switch st {
	case queue.StandingEnded:
		return mdm.Errorf(mdm.CodeIdentity, "certificate", "this enrollment has ended: enroll again")
	case queue.StandingWaiting:
		return mdm.Errorf(mdm.CodeIdentity, "certificate", "this enrollment has not been completed by a TokenUpdate")
	case queue.StandingUnknown:
		return mdm.Errorf(mdm.CodeIdentity, "certificate", "this device is not enrolled here: enroll again")
	default:
		return mdm.Errorf(mdm.CodeIdentity, "certificate", "this certificate is not the identity of the device that the message names")
	}
}

// engineError marks errors that came from an engine, and not from the store or
// the caller's standing.
type engineError struct{ err error }

func (e *engineError) Error() string { return e.err.Error() }
func (e *engineError) Unwrap() error { return e.err }

// defect reports whether an engine will never take in what it was told: its error
// is neither transient nor the end of the request.
func defect(err error) bool {
	var engine *engineError
	return errors.As(err, &engine) && !mdm.Transient(engine.err) &&
		!errors.Is(engine.err, context.Canceled) && !errors.Is(engine.err, context.DeadlineExceeded)
}

// tell calls an engine. One that panics has a defect, and must not take the unit
// of work's store down with it.
func (c *call) tell(ctx context.Context, do func() error) (err error) {
	defer func() {
		if recover() != nil {
			c.s.c.Log.ErrorContext(ctx, "an engine panicked", slog.String("stack", string(debug.Stack())))
			err = mdm.Errorf(mdm.CodeInternal, "", "an engine panicked")
		}
		if err != nil {
			err = &engineError{err}
		}
	}()
	return do()
}

// signal tells engines what the device did.
func (c *call) signal(ctx context.Context, tx mdm.Tx, g mdm.Signal) error {
	return c.tell(ctx, func() error { return c.s.c.Sink.Signal(ctx, tx, g) })
}
