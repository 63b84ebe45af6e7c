package keelson

import (
	"context"

	"github.com/keelson-mdm/keelson/apple"
	"github.com/keelson-mdm/keelson/lifecycle"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
)

// sink joins protocol packages with engines: lifecycle decides what an event
// means, and the rooms follow in one fixed order, all in the device's own unit
// of work.
type sink struct{ m *MDM }

var _ mdm.Sink = sink{}

// Event takes what a device did.
func (s sink) Event(ctx context.Context, tx mdm.Tx, e mdm.Event) error {
	t, err := s.m.lifecycle.Apply(ctx, tx, e)
	if err != nil {
		return err
	}
	if err := s.m.follow(ctx, tx, t); err != nil {
		return err
	}
	if o, ok := e.Data.(mdm.Observation); ok {
		return s.m.profiles.Observed(ctx, tx, mdm.Enrollment{Key: e.Key, Host: e.HostKey}, &o)
	}
	return nil
}

// Result routes the outcome of a command to its owner, by the same table as the
// store's own one-step report.
func (s sink) Result(ctx context.Context, tx mdm.Tx, r mdm.Result) error {
	_, outbox := queue.Effects(r.Owner)
	if r.Owner == mdm.OwnerProfiles {
		return s.m.profiles.Result(ctx, tx, r)
	}
	if outbox {
		return s.m.lifecycle.Report(ctx, tx, queue.EndedEvent(tx.Tenant(), r))
	}
	return nil
}

// follow cleans up after a transition, as [lifecycle.CleanUps] says.
func (m *MDM) follow(ctx context.Context, tx mdm.Tx, t lifecycle.Transition) error {
	for _, e := range t.Ended {
		if err := m.cleanUp(ctx, tx, lifecycle.TurnedOff, e); err != nil {
			return err
		}
	}
	if t.Kind == lifecycle.None || t.Kind == lifecycle.Announced {
		return nil
	}
	return m.cleanUp(ctx, tx, t.Kind, t.Enrollment)
}

func (m *MDM) cleanUp(ctx context.Context, tx mdm.Tx, k lifecycle.TransitionKind, e mdm.Enrollment) error {
	table := lifecycle.CleanUps(k)
	begins := k == lifecycle.NewLife
	if table[lifecycle.ItemQueue] == lifecycle.Cancel {
		before := e.Generation + 1
		if begins {
			before = e.Generation
		}
		if _, err := m.queue.EndBefore(ctx, tx, e.Key, before); err != nil {
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
		if err := m.c.Store.Apple().ClearTokens(ctx, tx, e.Key, apple.BootstrapToken); err != nil {
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
