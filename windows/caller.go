package windows

import (
	"context"
	"crypto/x509"
	"strings"

	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
)

// natural is the channel that a verified certificate is of. Ours carry it; that of
// an outside CA is looked up. It is only where to look: whether the certificate
// may speak for the channel, its pin decides.
func (s *Server) natural(ctx context.Context, t mdm.TenantID, leaf *x509.Certificate) (mdm.Natural, error) {
	if name, ok, err := ca.ParseName(leaf); ok && err == nil {
		return mdm.WindowsNatural(name.Enrollment), nil
	}
	return s.c.Identity.NaturalOf(ctx, t, identity.HashOf(leaf))
}

// admittance is how far a caller is let in.
type admittance int

const (
	refused admittance = iota
	// leaving: its own certificate, of an enrollment that has ended. It may be
	// told again what it was told last, and nothing else.
	leaving
	welcome
)

// judge lets a caller in when its certificate is the one that the channel is
// pinned to and it calls itself by the name that it enrolled under. The first
// session of a new life, or with a renewed certificate, confirms it; e is then
// read anew.
func (x *exchange) judge(ctx context.Context) (admittance, error) {
	e, err := x.s.c.Identity.Enrollment(ctx, x.tx, x.caller.Natural)
	if mdm.CodeOf(err) == mdm.CodeNotFound {
		return refused, nil
	}
	if err != nil {
		return refused, err
	}
	device, err := x.s.c.Store.DeviceTx(ctx, x.tx, e.Key)
	if mdm.CodeOf(err) == mdm.CodeNotFound {
		return refused, nil
	}
	if err != nil {
		return refused, err
	}
	x.e = e
	if !strings.EqualFold(strings.TrimSpace(x.msg.Header.Source.URI), strings.TrimSpace(device.DeviceID)) {
		return refused, nil
	}
	standing := queue.Stand(&e, x.caller.Pin)
	if x.caller.Pin == e.Next.Pin && (standing == queue.StandingWaiting || standing == queue.StandingGood) {
		err := x.s.c.Sink.Signal(ctx, x.tx, mdm.Signal{
			Kind: mdm.SignalConfirmed, Key: e.Key, Host: e.Host, Generation: e.Next.Generation, Data: mdm.Confirmed{Pin: x.caller.Pin},
		})
		if err != nil {
			return refused, err
		}
		if x.e, err = x.s.c.Identity.Enrollment(ctx, x.tx, x.caller.Natural); err != nil {
			return refused, err
		}
		standing = queue.Stand(&x.e, x.caller.Pin)
	}
	switch standing {
	case queue.StandingGood:
		return welcome, nil
	case queue.StandingEnded:
		return leaving, nil
	default:
		return refused, nil
	}
}
