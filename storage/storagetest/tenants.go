package storagetest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/apple"
	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
	"github.com/keelson-mdm/keelson/queue"
	"github.com/keelson-mdm/keelson/windows"
)

// estate is one of everything, of one tenant.
type estate struct {
	*world
	host             mdm.Host
	channel          mdm.Enrollment
	intent           identity.Intent
	reserved, issued identity.Certificate
	bound            identity.Certificate
	waiting, ended   queue.Entry
	team             profiles.Team
	label            profiles.Label
	definition       profiles.Profile
	row              profiles.Row
	event            int64 // its sequence
	session          windows.Session
}

// build makes an estate. A person, a member, marks of each kind, push
// information, tokens, what was put aside and a Windows device belong to it.
func build(w *world) *estate {
	w.t.Helper()
	a := &estate{world: w}
	a.team, a.label = w.team("Team"), w.label("Label", profiles.Yes)
	a.host = w.host(func(h *mdm.Host) {
		h.ExternalID, h.Team, h.Serial, h.HardwareID, h.Name = "ours", a.team.Key, "SERIAL", "HARDWARE", "Needle"
	})
	a.channel = w.enrollOn(a.host)
	a.intent = w.intent(func(i *identity.Intent) { i.Quota = 9 })
	a.reserved, _ = w.reserve(w.blank(a.intent), 9)
	a.issued, a.bound = w.issued(a.intent), w.issued(a.intent)
	require.NoError(w.t, second(w.bind(a.bound, a.channel.Natural)))
	common := []func(*queue.Entry){idempotent("key"), about(mdm.OwnerProfiles, 5), func(x *queue.Entry) {
		x.Expires, x.Hash = w.now.Add(time.Hour), w.content("the estate's content")
	}}
	a.waiting = w.queued(a.channel, common...)
	a.ended = w.queued(a.channel, common[1:]...)
	w.cancel(a.ended.ID)
	a.definition = w.profile(a.team.Key)
	w.raise(a.team.Key)
	w.raise(0)
	require.NoError(w.t, w.setMember(a.label.Key, a.host.Key, profiles.No))
	a.row = w.row(a.channel, a.definition, func(r *profiles.Row) { r.Asked, r.AskedSeq = 4, 70 })
	w.putRows(a.row)
	w.mark(a.host.Key, profiles.LaneHost)
	w.markTeam(a.team.Key)
	w.markDue(a.host.Key, w.now)
	w.event(a.channel.Key)
	a.event = w.claim(1)[0].Seq
	w.do(func(ctx context.Context, tx mdm.Tx) error {
		return w.s.Lifecycle().SetPerson(ctx, tx, a.host.Key, "ann")
	})
	w.seen(a.host.Key, w.now)
	w.push(a.channel)
	w.token(a.channel, apple.BootstrapToken, a.channel.Generation)
	w.aside(a.channel, "why")
	w.device(a.channel)
	a.session = w.session(a.channel, "1")
	return a
}

// crossing is a call of one tenant with the keys of another.
type crossing struct {
	*world // the tenant that calls, which has nothing
	t      *testing.T
	ctx    context.Context
	tx     mdm.Tx  // of the tenant that calls; nil for a call of its own
	a      *estate // of the other tenant
}

// nothing checks that a call found nothing: no error and a zero value.
func nothing[T any](x *crossing) func(v T, err error) {
	return func(v T, err error) {
		x.t.Helper()
		require.NoError(x.t, err)
		require.Empty(x.t, v)
	}
}

// missing checks that a call found that there is no such thing.
func missing[T any](x *crossing) func(v T, err error) {
	return func(_ T, err error) {
		x.t.Helper()
		require.ErrorIs(x.t, err, mdm.CodeNotFound)
	}
}

// fine checks that a call had nothing to do, or did it in its own tenant.
func (x *crossing) fine(err error) {
	x.t.Helper()
	require.NoError(x.t, err)
}

// fails checks that a call was refused.
func (x *crossing) fails(code mdm.Code, err error) {
	x.t.Helper()
	require.ErrorIs(x.t, err, code)
}

// of is the part of a dump that belongs to one tenant.
func of(t mdm.TenantID, lines []Line) (out []string) {
	for _, l := range lines {
		if l.Tenant == t {
			out = append(out, l.Row)
		}
	}
	return out
}

// tenants calls every method of every room with another tenant's keys.
func tenants() []test {
	return []test{
		{"sealed", "a handle on a tenant cannot reach another's rows", func(t *testing.T, w *world) {
			a := build(w)
			before := of(w.tenant, w.dump())
			require.Greater(t, len(before), 25, "the estate has one of everything")
			table := crossings()
			for i, m := range methods(w.s) {
				cross := table[m.String()]
				require.NotNil(t, cross, "%s has no line in the table of crossings: write one", m)
				delete(table, m.String())
				t.Run(m.String(), func(t *testing.T) {
					x := &crossing{world: over(t, w.h, w.s, mdm.TenantID(fmt.Sprintf("beta-%d", i))), t: t, ctx: w.ctx, a: a}
					if !m.joins() {
						cross(x)
					} else {
						x.do(func(ctx context.Context, tx mdm.Tx) error {
							x.ctx, x.tx = ctx, tx
							cross(x)
							return nil
						})
					}
					require.Equal(t, before, of(w.tenant, w.dump()), "the other tenant's rows")
				})
			}
			require.Empty(t, table, "lines about methods that do not exist")
		}},
		{"what a stranger leaves reaches nobody", "Rows of another tenant do not exist", func(t *testing.T, w *world) {
			a := build(w)
			b := over(t, w.h, w.s, "beta")
			b.do(func(ctx context.Context, tx mdm.Tx) error { // whatever of this is taken
				p := w.s.Profiles()
				for _, err := range []error{
					p.MarkHost(ctx, tx, a.host.Key, profiles.LaneHost), p.MarkDue(ctx, tx, a.host.Key, w.now), p.MarkTeam(ctx, tx, a.team.Key),
					p.PutRows(ctx, tx, []profiles.Row{a.row}), w.s.Apple().PutPush(ctx, tx, apple.Push{Enrollment: a.channel.Key}),
				} {
					require.NoError(t, err)
				}
				return nil
			})
			require.Empty(t, b.claimAll(), "hosts of another tenant are not to be planned")
			require.Zero(t, b.backlog())
			require.Empty(t, b.rowsOf(a.channel.Key), "nor is the name of its slot to be read")
			require.Empty(t, got[[]apple.Push](w)(w.s.Apple().Push(w.ctx, b.tenant, []mdm.EnrollmentKey{a.channel.Key})))
			require.Empty(t, b.waiting(0, 10))
			require.Empty(t, b.endBefore(a.channel, 1<<40))
		}},
		{"the same names twice", "Tenant is the first column of every key", func(t *testing.T, w *world) {
			a := build(w)
			before := of(w.tenant, w.dump())
			b := over(t, w.h, w.s, "beta")
			b.now = w.now
			e := b.enrollOn(b.host(func(h *mdm.Host) { h.ID, h.ExternalID = a.host.ID, a.host.ExternalID }), func(e *mdm.Enrollment) {
				e.ID, e.Natural, e.Pin = a.channel.ID, a.channel.Natural, a.channel.Pin
			})
			b.intent(func(i *identity.Intent) { i.ID, i.Link, i.Challenge = a.intent.ID, a.intent.Link, a.intent.Challenge })
			b.queued(e, func(x *queue.Entry) { x.ID, x.Idempotency = a.waiting.ID, a.waiting.Idempotency })
			b.profile(b.team(a.team.Name).Key, func(p *profiles.Profile) {
				p.ID, p.Name, p.Identifier = a.definition.ID, a.definition.Name, a.definition.Identifier
			})
			b.label(a.label.Name, profiles.No)
			require.Equal(t, []mdm.CommandID{a.waiting.ID}, b.fetch(e))
			require.Equal(t, queue.FilingNew, b.file(e, a.waiting.ID).Filing)
			require.Equal(t, before, of(w.tenant, w.dump()))
			require.Equal(t, a.channel, w.poll(a.channel, func(p *queue.Poll) { p.Judge = true }).Enrollment)
			require.True(t, slices.Contains(w.waiting(0, 10), a.channel.Key))
		}},
	}
}
