package storagetest

import (
	"context"
	"maps"
	"slices"
	"strings"
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

// What the fleet of the thirty days keeps.
const (
	keepDays    = 7
	keepChannel = 15
	lifeOfLeaf  = 3 * day
)

// thirtyDays has a fleet live for a month under retention.
func thirtyDays() []test {
	return []test{{"bounded", "a fleet that lives on does not make the store grow: of every table, no more rows after 30 days than after 20", func(t *testing.T, w *world) {
		f := &fleet{world: w, leaf: make(map[mdm.EnrollmentKey]identity.Certificate), row: make(map[mdm.EnrollmentKey]profiles.Row)}
		for range fleetDevices {
			f.channels = append(f.channels, w.enroll())
		}
		f.definition = w.profile(0)
		var at20, at30 map[string]int
		for d := 1; d <= 30; d++ {
			f.live(d)
			w.pass(day)
			f.prune()
			switch d {
			case 20:
				at20 = f.count()
			case 30:
				at30 = f.count()
			}
		}
		t.Logf("rows after 20 and after 30 days, of %d devices that had %d commands:", fleetDevices, f.commands)
		for _, table := range slices.Sorted(maps.Keys(at30)) {
			t.Logf("  %-28s %6d %6d", table, at20[table], at30[table])
			require.LessOrEqual(t, at30[table], at20[table]+at20[table]/50, "%s grows", table)
		}
		kept := len(w.list(f.channels[0], 0, 1000))
		require.Equal(t, keepChannel, kept, "and the young history is there")
		require.Greater(t, f.commands/fleetDevices, 2*kept, "of which there was much more")
	}}}
}

// fleet is what lives for a month.
type fleet struct {
	*world
	channels   []mdm.Enrollment
	leaf       map[mdm.EnrollmentKey]identity.Certificate
	definition profiles.Profile
	row        map[mdm.EnrollmentKey]profiles.Row
	commands   int
}

// count counts the rows of each table.
func (f *fleet) count() map[string]int {
	out := make(map[string]int)
	for _, l := range f.dump() {
		table, _, _ := strings.Cut(l.Row, " ")
		out[strings.TrimPrefix(table, "keelson_")]++
	}
	return out
}

// live is one day.
func (f *fleet) live(d int) {
	f.edit()
	f.plan(int64(d))
	shared := f.content(f.name("of all on this day"))
	var entries []queue.Entry
	for _, e := range f.channels {
		own := f.content(f.name("of one device"))
		entries = append(entries,
			f.entry(e, func(x *queue.Entry) { x.Hash = shared }),
			f.entry(e, func(x *queue.Entry) { x.Hash, x.Supersede = own, "one" }),
			f.entry(e, func(x *queue.Entry) {
				x.Hash, x.Supersede = own, "one"
				x.Owner, x.Ref = mdm.OwnerProfiles, mdm.Ref{Key: int64(f.definition.Slot), Order: int64(d)}
			}),
			f.entry(e, func(x *queue.Entry) {
				x.Resource, x.NotBefore, x.Expires = "r", f.now.Add(1000*day), f.now.Add(time.Hour)
			}),
		)
	}
	f.commands += len(entries)
	f.enqueue(entries...)
	for i, e := range f.channels {
		leaves := f.fetch(e)
		require.NotEmpty(f.t, leaves)
		f.do(func(ctx context.Context, tx mdm.Tx) error {
			for _, id := range leaves {
				filed, err := f.s.Queue().File(ctx, tx, e, queue.Report{Command: id, Now: f.now, Outcome: mdm.OutcomeAcknowledged, Body: []byte("result")})
				if err != nil {
					return err
				}
				if err := f.s.Profiles().Acknowledge(ctx, tx, filed.Result); err != nil {
					return err
				}
			}
			return all(
				func() error {
					return f.s.Apple().PutToken(ctx, tx, apple.Token{Enrollment: e.Key, Kind: apple.BootstrapToken, Generation: e.Generation, At: f.now})
				},
				func() error {
					return f.s.Apple().PutAside(ctx, tx, apple.Aside{Enrollment: e.Key, Why: "why", At: f.now})
				},
				func() error {
					return f.s.Windows().PutSession(ctx, tx, windows.Session{Enrollment: e.Key, ID: f.name("session"), At: f.now})
				},
				func() error {
					return f.s.Lifecycle().Append(ctx, tx, mdm.Event{ID: mdm.EventID(f.uuid()), Kind: mdm.EventEnrolled, At: f.now, Key: e.Key})
				},
			)
		})
		if (i+d)%2 == 0 {
			f.renew(e)
		}
	}
	f.pass(2 * time.Hour)
	f.expire(1000)
	f.intent() // a link that nobody follows
	for events := f.claim(1000); len(events) > 0; events = f.claim(1000) {
		for _, e := range events {
			require.NoError(f.t, f.s.Lifecycle().EventDone(f.ctx, f.tenant, e.Seq))
		}
	}
	f.seen(f.channels[0].Host, f.now)
}

// edit gives the profile another content.
func (f *fleet) edit() {
	p, h := f.definition, f.hash()
	p.Content, p.Revision = h, p.Revision+1
	f.do(func(ctx context.Context, tx mdm.Tx) error {
		s, q := f.s.Profiles(), p
		return all(
			func() error { return s.PutContent(ctx, tx, h, []byte("profile"), f.now) },
			func() error { return s.PutProfile(ctx, tx, &q) },
			func() error { return second(s.RaiseTeam(ctx, tx, 0)) },
			func() error { return s.MarkTeam(ctx, tx, 0) },
			func() error { f.definition = q; return nil },
		)
	})
}

// plan plans all hosts: each channel has the new content, and its row remembers
// the two before.
func (f *fleet) plan(order int64) {
	f.claimAll()
	var rows []profiles.Row
	for _, e := range f.channels {
		was, known := f.row[e.Key]
		r := f.world.row(e, f.definition, func(r *profiles.Row) { r.Order, r.Traces = order, nil })
		if known {
			r.Traces = append(slices.Clone(was.Traces[max(0, len(was.Traces)-1):]), profiles.Trace{Order: was.Order, Content: was.Content})
		}
		f.row[e.Key] = r
		rows = append(rows, r)
	}
	f.putRows(rows...)
}

// renew gives a channel another certificate, by an intent of its own.
func (f *fleet) renew(e mdm.Enrollment) {
	i := f.intent(func(i *identity.Intent) {
		i.Kind, i.Enrollment, i.Generation = identity.KindRenewal, e.ID, e.Generation
	})
	_, err := f.reserve(f.blank(i), 8) // a key that the device gave up
	require.NoError(f.t, err)
	c, err := f.reserve(f.blank(i), 8)
	require.NoError(f.t, err)
	c = f.finished(c)
	c.NotAfter = f.now.Add(lifeOfLeaf)
	c = f.finish(c)
	require.NoError(f.t, second(f.bind(c, e.Natural)))
	f.supersedeBound(e.Natural, c.Hash)
	f.leaf[e.Key] = c
}

// prune is what an instance does under its lease.
func (f *fleet) prune() {
	before := f.now.Add(-keepDays * day)
	for f.pruneDone(before, 200) == 200 {
	}
	f.pruneChannels(keepChannel, 200)
	for f.pruneContent(f.now.Add(-2*day), 200) == 200 {
	}
	for f.pruneCertificates(before, 200) == 200 {
	}
	f.pruneIntents(before, 200)
	for k, c := range f.leaf {
		require.Equal(f.t, identity.Bound, f.stateOf(c), "%d", k)
	}
	for _, e := range f.channels {
		require.True(f.t, f.kept(f.row[e.Key].Content))
		for _, tr := range f.row[e.Key].Traces[:min(1, len(f.row[e.Key].Traces))] {
			require.True(f.t, f.kept(tr.Content), "what may be on the device is remembered")
		}
	}
}
