package profiles

import (
	"context"
	"errors"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// Reconcile does one planning unit of a tenant: it claims marked hosts, plans
// them, and commits rows, commands and the marks' end together. More is set
// when there is more to do at once. Any replica may call it at any time; a
// process that dies in it has changed nothing.
//
// A page that fails is planned again host by host, so that one bad host or
// profile does not stop the rest: what fails alone is set aside for a while and
// logged.
func (g *Engine) Reconcile(ctx context.Context, t mdm.TenantID) (more bool, err error) {
	err = g.c.Transactor.InTx(ctx, t, func(ctx context.Context, tx mdm.Tx) error {
		hosts, m, err := g.c.Store.Claim(ctx, tx, g.c.Clock.Now(), g.c.Page)
		more = m
		if err != nil || len(hosts) == 0 {
			return err
		}
		again, err := g.planHosts(ctx, tx, hosts)
		more = more || again
		return err
	})
	switch {
	case err == nil:
		return more, nil
	case ctx.Err() != nil, mdm.Transient(err):
		return true, err // nothing changed; the marks are still there
	}
	return g.oneByOne(ctx, t, err)
}

const quarantine = 10 * time.Minute

// oneByOne plans what is claimed in units of one host. A host that fails is
// claimed again, and then only marked for later.
func (g *Engine) oneByOne(ctx context.Context, t mdm.TenantID, cause error) (more bool, err error) {
	var bad mdm.HostKey // failed in the unit before this one
	for range 2 * g.c.Page {
		var hosts []mdm.HostKey
		err = g.c.Transactor.InTx(ctx, t, func(ctx context.Context, tx mdm.Tx) error {
			if hosts, more, err = g.c.Store.Claim(ctx, tx, g.c.Clock.Now(), 1); err != nil || len(hosts) == 0 {
				return err
			}
			if hosts[0] == bad {
				return g.c.Store.MarkDue(ctx, tx, bad, g.c.Clock.Now().Add(quarantine))
			}
			again, err := g.planHosts(ctx, tx, hosts)
			more = more || again
			return err
		})
		switch {
		case err == nil && len(hosts) == 0:
			return false, nil
		case err == nil:
			bad = 0
		case len(hosts) == 0, hosts[0] == bad, ctx.Err() != nil, mdm.Transient(err):
			return true, errors.Join(cause, err)
		default:
			bad = hosts[0]
			g.c.Log.ErrorContext(ctx, "a host could not be planned and is set aside", "tenant", t, "host_key", int64(bad), "error", err)
		}
	}
	return more, nil
}

// ReconcileAll calls [Engine.Reconcile] until the tenant has nothing more to do
// at once, and returns how many units that took.
func (g *Engine) ReconcileAll(ctx context.Context, t mdm.TenantID) (units int, err error) {
	for {
		more, err := g.Reconcile(ctx, t)
		units++
		if err != nil || !more {
			return units, err
		}
	}
}

// Run reconciles every tenant until ctx ends: at once when this process marked
// something, and at least every few seconds for what other replicas marked and
// for what time makes due.
func (g *Engine) Run(ctx context.Context) error {
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	swept := g.c.Clock.Now()
	for {
		tenants, err := g.c.Tenants(ctx)
		if now := g.c.Clock.Now(); now.Sub(swept) >= sweepEvery {
			swept = now
			for _, t := range tenants {
				err = errors.Join(err, g.Sweep(ctx, t))
			}
		}
		for _, t := range tenants {
			if _, e := g.ReconcileAll(ctx, t); e != nil {
				err = errors.Join(err, e)
			}
		}
		if err != nil && ctx.Err() == nil {
			g.c.Log.ErrorContext(ctx, "reconciliation stopped early", "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-g.wake:
		case <-tick.C:
		}
	}
}

// sweepEvery is the pause between two sweeps of a replica.
const sweepEvery = time.Hour

// Sweep marks every host of a tenant to be planned: the safety net under the
// marks. It costs one marker a team; the hosts are walked page by page.
func (g *Engine) Sweep(ctx context.Context, t mdm.TenantID) error {
	teams, err := g.c.Store.Teams(ctx, t)
	if err != nil {
		return err
	}
	return g.unit(ctx, t, func(ctx context.Context, tx mdm.Tx) error {
		for _, team := range append(teams, Team{}) {
			if err := g.c.Store.MarkTeam(ctx, tx, team.Key); err != nil {
				return err
			}
		}
		return nil
	})
}
