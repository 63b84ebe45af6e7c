package keelson

import (
	"context"

	"github.com/keelson-mdm/keelson/apple"
	"github.com/keelson-mdm/keelson/lifecycle"
	"github.com/keelson-mdm/keelson/mdm"
)

// sink joins protocol packages with engines: lifecycle decides what an event
// means, and the rooms follow in one fixed order, all in the device's own unit
// of work.
type sink struct{ m *MDM }

var _ mdm.Sink = sink{}

// Signal takes what a device did.
func (s sink) Signal(ctx context.Context, tx mdm.Tx, g mdm.Signal) error {
	t, err := s.m.lifecycle.Apply(ctx, tx, g)
	if err != nil {
		return err
	}
	if err := s.m.follow(ctx, tx, t, mdm.Actor{}); err != nil {
		return err
	}
	if o, ok := g.Data.(mdm.Observation); ok {
		return s.m.profiles.Observed(ctx, tx, mdm.Enrollment{Key: g.Key, Host: g.Host}, &o)
	}
	return nil
}

// Result routes the outcome of a command, as the device reports it.
func (s sink) Result(ctx context.Context, tx mdm.Tx, r mdm.Result) error {
	return s.m.result(ctx, tx, r, mdm.Actor{})
}

// result routes the outcome of a command to its owner. Who ended it is zero when
// the device or time did.
func (m *MDM) result(ctx context.Context, tx mdm.Tx, r mdm.Result, who mdm.Actor) error {
	switch r.Owner {
	case mdm.OwnerProfiles:
		return m.profiles.Result(ctx, tx, r)
	case mdm.OwnerApplication:
		e, err := lifecycle.CommandEnded(r, who)
		if err != nil {
			return err
		}
		return m.lifecycle.Report(ctx, tx, e)
	default:
		return nil
	}
}

// results routes what ended without the device.
func (m *MDM) results(ctx context.Context, tx mdm.Tx, rs []mdm.Result, who mdm.Actor) error {
	for _, r := range rs {
		if err := m.result(ctx, tx, r, who); err != nil {
			return err
		}
	}
	return nil
}

// follow cleans up after a transition, as [lifecycle.CleanUps] says. Who caused it
// is zero when the device did.
func (m *MDM) follow(ctx context.Context, tx mdm.Tx, t lifecycle.Transition, who mdm.Actor) error {
	for _, e := range t.Ended {
		if err := m.cleanUp(ctx, tx, lifecycle.TurnedOff, e, who); err != nil {
			return err
		}
	}
	if t.Kind == lifecycle.None || t.Kind == lifecycle.Announced {
		return nil
	}
	return m.cleanUp(ctx, tx, t.Kind, t.Enrollment, who)
}

func (m *MDM) cleanUp(ctx context.Context, tx mdm.Tx, k lifecycle.TransitionKind, e mdm.Enrollment, who mdm.Actor) error {
	table := lifecycle.CleanUps(k)
	begins := k == lifecycle.NewLife
	if table[lifecycle.ItemQueue] == lifecycle.Cancel {
		before := e.Generation + 1
		if begins {
			before = e.Generation
		}
		ended, err := m.queue.EndBefore(ctx, tx, e.Key, before)
		if err != nil {
			return err
		}
		if err := m.results(ctx, tx, ended, who); err != nil {
			return err
		}
	}
	if table[lifecycle.ItemCertificates] == lifecycle.Retire {
		keep := e.Pin
		if !begins && k != lifecycle.Renewed {
			keep = mdm.Hash{}
		}
		if err := m.identity.Retire(ctx, tx, e.Natural, keep); err != nil {
			return err
		}
	}
	if table[lifecycle.ItemBootstrapToken] == lifecycle.Clear && e.Protocol == mdm.AppleProtocol {
		if err := m.c.Store.Apple().ClearTokens(ctx, tx, e.Key, apple.BootstrapToken, e.Generation); err != nil {
			return err
		}
	}
	if table[lifecycle.ItemPushInfo] == lifecycle.Clear && e.Protocol == mdm.AppleProtocol {
		if err := m.c.Store.Apple().ClearPush(ctx, tx, e.Key); err != nil {
			return err
		}
	}
	if table[lifecycle.ItemProfiles] != lifecycle.Clear {
		return nil
	}
	if begins {
		return m.profiles.Enrolled(ctx, tx, e)
	}
	return m.profiles.Ended(ctx, tx, e)
}
