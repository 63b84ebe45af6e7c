package storagetest

import (
	"context"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/apple"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
	"github.com/keelson-mdm/keelson/queue"
	"github.com/keelson-mdm/keelson/windows"
)

// joined makes a scenario's unit of what joins it. It runs anew each time.
func joined(w *world, fn work) func() error { return func() error { return w.try(fn) } }

// all runs steps until one fails.
func all(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// scenarios are the units of work that the packages do.
func scenarios() []scenario {
	return []scenario{
		{"enqueue", func(w *world) func() error {
			e := w.enroll()
			w.queued(e, supersede("s"))
			a, b := w.entry(e, supersede("s")), w.entry(e, idempotent("i"))
			a.Hash, b.Hash = w.hash(), w.hash()
			return joined(w, func(ctx context.Context, tx mdm.Tx) error {
				q := w.s.Queue()
				return all(
					func() error { return q.PutContent(ctx, tx, a.Hash, []byte("a"), w.now) },
					func() error { return q.PutContent(ctx, tx, b.Hash, []byte("b"), w.now) },
					func() error { return q.Insert(ctx, tx, []queue.Entry{a, b}) },
				)
			})
		}},
		{"poll", func(w *world) func() error {
			e := w.enroll()
			w.queued(e)
			w.queued(e)
			return func() error {
				_, err := w.s.Queue().Poll(w.ctx, w.tenant, queue.Poll{Caller: queue.Caller{Natural: e.Natural, Pin: e.Pin}, Now: w.now, Limit: 2})
				return err
			}
		}},
		{"report and next", func(w *world) func() error {
			e, r, x := w.answered()
			w.queued(e)
			return joined(w, func(ctx context.Context, tx mdm.Tx) error {
				f, err := w.s.Queue().File(ctx, tx, e, queue.Report{Command: x.ID, Now: w.now, Outcome: mdm.OutcomeAcknowledged, Body: []byte("answer")})
				if err != nil {
					return err
				}
				f.Result.Ref = mdm.Ref{Key: int64(r.Slot), Order: r.Order}
				return all(
					func() error { return w.s.Profiles().Acknowledge(ctx, tx, f.Result) },
					func() error {
						return w.s.Profiles().RecordSeen(ctx, tx, e.Host, []profiles.SeenRow{seenRow(r, profiles.Present, "")}, w.now)
					},
					func() error { return w.s.Lifecycle().Append(ctx, tx, mdm.Event{ID: "ended", At: w.now, Key: e.Key}) },
					func() error { return second(w.s.Queue().Next(ctx, tx, e, queue.Poll{Now: w.now})) },
				)
			})
		}},
		{"not now and a late answer", func(w *world) func() error {
			e := w.enroll()
			a, b := w.queued(e), w.queued(e)
			w.cancel(b.ID)
			return joined(w, func(ctx context.Context, tx mdm.Tx) error {
				q := w.s.Queue()
				return all(
					func() error { return second(q.File(ctx, tx, e, queue.Report{Command: a.ID, Now: w.now, NotNow: true})) },
					func() error {
						return second(q.File(ctx, tx, e, queue.Report{Command: b.ID, Now: w.now, Outcome: mdm.OutcomeError}))
					},
				)
			})
		}},
		{"ending without the device", func(w *world) func() error {
			e := w.enroll()
			x := w.queued(e)
			w.queued(e, func(x *queue.Entry) { x.Generation-- })
			w.queued(e, about(mdm.OwnerProfiles, 5))
			w.queued(e, func(x *queue.Entry) { x.Expires = w.now })
			return joined(w, func(ctx context.Context, tx mdm.Tx) error {
				q := w.s.Queue()
				return all(
					func() error { _, _, err := q.Cancel(ctx, tx, x.ID, w.now); return err },
					func() error { return second(q.EndBefore(ctx, tx, e.Key, e.Generation, w.now)) },
					func() error { _, _, err := q.EndRef(ctx, tx, e.Key, mdm.OwnerProfiles, 5, w.now); return err },
					func() error { return second(q.Expire(ctx, tx, w.now, 10)) },
				)
			})
		}},
		{"issue", func(w *world) func() error {
			c := w.blank(w.intent())
			done := w.finished(c)
			return joined(w, func(ctx context.Context, tx mdm.Tx) error {
				return all(
					func() error { return second(w.s.Identity().NextGeneration(ctx, tx)) },
					func() error { return second(w.s.Identity().Reserve(ctx, tx, c, 8)) },
					func() error { return second(w.s.Identity().FinishIssue(ctx, tx, done)) },
				)
			})
		}},
		{"link withdrawn", func(w *world) func() error {
			i := w.intent()
			return joined(w, func(ctx context.Context, tx mdm.Tx) error {
				return w.s.Identity().RevokeIntent(ctx, tx, i.ID, mdm.Actor{Name: "ann"})
			})
		}},
		{"enrollment", enrollment},
		{"plan", plan},
		{"profile created", func(w *world) func() error {
			team := w.team("Sales")
			h := w.hash()
			blank := w.blankProfile(team.Key)
			return joined(w, func(ctx context.Context, tx mdm.Tx) error {
				p, s := blank, w.s.Profiles()
				return all(
					func() error { return s.PutContent(ctx, tx, h, []byte("sealed"), w.now) },
					func() error { return s.PutProfile(ctx, tx, &p) },
					func() error { return second(s.RaiseTeam(ctx, tx, team.Key)) },
					func() error { return second(s.RaiseTeam(ctx, tx, 0)) },
					func() error { return s.MarkTeam(ctx, tx, team.Key) },
				)
			})
		}},
		{"profile edited and another deleted", func(w *world) func() error {
			p, gone, h := w.profile(0), w.profile(0), w.hash()
			return joined(w, func(ctx context.Context, tx mdm.Tx) error {
				p, s := p, w.s.Profiles()
				p.Name, p.Content = "Renamed", h
				return all(
					func() error { return s.PutContent(ctx, tx, h, []byte("sealed"), w.now) },
					func() error { return s.PutProfile(ctx, tx, &p) },
					func() error { return s.DeleteProfile(ctx, tx, gone.Key, gone.Edit) },
					func() error { return second(s.RaiseTeam(ctx, tx, 0)) },
					func() error { return s.MarkTeam(ctx, tx, 0) },
				)
			})
		}},
		{"scopes", func(w *world) func() error {
			l, old, gone := w.label("old", profiles.No), w.label("gone", profiles.No), w.team("gone")
			h := w.host(func(h *mdm.Host) { h.Team = gone.Key })
			require.NoError(w.t, w.setMember(old.Key, h.Key, profiles.Yes))
			return joined(w, func(ctx context.Context, tx mdm.Tx) error {
				s, team, label := w.s.Profiles(), profiles.Team{ID: "t", Name: "new"}, profiles.Label{ID: "l", Name: "new"}
				return all(
					func() error { return s.PutTeam(ctx, tx, &team) },
					func() error { return s.PutLabel(ctx, tx, &label) },
					func() error { return s.SetMember(ctx, tx, l.Key, h.Key, profiles.Yes) },
					func() error { return s.DeleteLabel(ctx, tx, old.Key) },
					func() error { return s.SetHostTeam(ctx, tx, h.Key, team.Key) },
					func() error { return s.SetHostTeam(ctx, tx, h.Key, gone.Key) },
					func() error { return s.DeleteTeam(ctx, tx, gone.Key) },
				)
			})
		}},
		{"lease taken", func(w *world) func() error {
			return func() error {
				_, _, err := w.s.Leases().Acquire(w.ctx, "job", "a", time.Hour, w.now)
				return err
			}
		}},
		{"identities pruned", func(w *world) func() error {
			w.issued(w.intent())
			require.NoError(w.t, second(w.reserve(w.blank(w.intent()), 8)))
			w.intent()
			w.pass(1000 * day)
			return joined(w, func(ctx context.Context, tx mdm.Tx) error {
				i := w.s.Identity()
				return all(
					func() error { return second(i.PruneCertificates(ctx, tx, w.now, 10)) },
					func() error { return second(i.PruneIntents(ctx, tx, w.now, "", 10)) },
				)
			})
		}},
		{"history and content pruned", func(w *world) func() error {
			w.history(w.enroll(), 3)
			w.content("used by nobody")
			w.pass(90 * 24 * time.Hour)
			return joined(w, func(ctx context.Context, tx mdm.Tx) error {
				q := w.s.Queue()
				return all(
					func() error { _, _, err := q.PruneChannels(ctx, tx, 2, 0, 10); return err },
					func() error { return second(q.PruneDone(ctx, tx, w.now.Add(-time.Hour), 1)) },
					func() error { return second(q.PruneContent(ctx, tx, w.now.Add(-2*time.Hour), w.now, 10)) },
				)
			})
		}},
		{"outbox claimed", func(w *world) func() error {
			w.event(1)
			w.event(0)
			return func() error {
				return second(w.s.Lifecycle().ClaimEvents(w.ctx, w.tenant, w.now, time.Minute, 10))
			}
		}},
		{"outbox delivered", func(w *world) func() error {
			w.event(0)
			seq := w.claim(1)[0].Seq
			return func() error { return w.s.Lifecycle().EventDone(w.ctx, w.tenant, seq) }
		}},
		{"outbox retried", func(w *world) func() error {
			w.event(0)
			seq := w.claim(1)[0].Seq
			return func() error { return w.s.Lifecycle().EventRetry(w.ctx, w.tenant, seq, w.now.Add(time.Hour)) }
		}},
		{"seen", func(w *world) func() error {
			at := map[mdm.HostKey]time.Time{w.host().Key: w.now, w.host().Key: w.now}
			return func() error { return w.s.Lifecycle().Seen(w.ctx, w.tenant, at) }
		}},
		{"trimming", func(w *world) func() error {
			e := w.enroll()
			for range 16 {
				w.aside(e, "why")
			}
			for _, id := range []string{"1", "2", "3", "4"} {
				w.session(e, id)
			}
			return joined(w, func(ctx context.Context, tx mdm.Tx) error {
				return all(
					func() error { return w.s.Apple().PutAside(ctx, tx, apple.Aside{Enrollment: e.Key}) },
					func() error { return w.s.Windows().PutSession(ctx, tx, windows.Session{Enrollment: e.Key, ID: "5"}) },
				)
			})
		}},
	}
}

// answered makes a channel with a profile's row and its command, which has left.
func (w *world) answered() (mdm.Enrollment, profiles.Row, queue.Entry) {
	w.t.Helper()
	e := w.enroll()
	r := w.row(e, w.profile(0))
	w.putRows(r)
	x := w.queued(e, about(mdm.OwnerProfiles, int64(r.Slot)))
	w.fetch(e)
	return e, r, x
}

// enrollment is the unit in which a device enrolls: identity, host, channel and
// what hangs on them.
func enrollment(w *world) func() error {
	i := w.intent()
	c, n := w.issued(i), mdm.AppleNatural("UDID")
	old := w.issued(w.intent())
	require.NoError(w.t, second(w.bind(old, n)))
	return joined(w, func(ctx context.Context, tx mdm.Tx) error {
		h := mdm.Host{ID: "host", Platform: mdm.MacOS, State: mdm.HostAuthenticating, CreatedAt: w.now}
		e := mdm.Enrollment{ID: c.Enrollment, Natural: n, Protocol: mdm.AppleProtocol, Channel: mdm.DeviceChannel}
		return all(
			func() error { return second(w.s.Identity().Bind(ctx, tx, c.Hash, n)) },
			func() error { return w.s.Identity().UseIntent(ctx, tx, i.ID) },
			func() error { return w.s.Lifecycle().PutHost(ctx, tx, &h) },
			func() error {
				e.Host, e.State, e.Pin, e.Generation = h.Key, mdm.EnrollmentEnrolled, c.Hash, c.Generation
				return w.s.Lifecycle().PutEnrollment(ctx, tx, &e)
			},
			func() error { return w.s.Identity().SupersedeBound(ctx, tx, n, c.Hash) },
			func() error { return w.s.Lifecycle().SetPerson(ctx, tx, h.Key, "ann") },
			func() error { return w.s.Apple().PutPush(ctx, tx, apple.Push{Enrollment: e.Key, Token: []byte("t")}) },
			func() error {
				return w.s.Apple().PutToken(ctx, tx, apple.Token{Enrollment: e.Key, Kind: apple.UnlockToken, At: w.now})
			},
			func() error { return w.s.Apple().ClearTokens(ctx, tx, e.Key, apple.UnlockToken, e.Generation) },
			func() error {
				return w.s.Windows().PutDevice(ctx, tx, windows.Device{Enrollment: e.Key, DeviceID: "d"})
			},
			func() error { return w.s.Lifecycle().Append(ctx, tx, mdm.Event{ID: "enrolled", At: w.now, Key: e.Key}) },
			func() error { return w.s.Profiles().MarkDue(ctx, tx, h.Key, w.now.Add(time.Minute)) },
		)
	})
}

// plan is the unit in which a host is planned: its mark's end, its revision, the
// commands that end and begin, its rows.
func plan(w *world) func() error {
	e, r, _ := w.answered()
	gone := w.row(e, w.profile(0))
	w.putRows(gone)
	w.mark(e.Host, profiles.LaneHost)
	w.markTeam(0)
	w.markDue(e.Host, w.now)
	next := w.entry(e, about(mdm.OwnerProfiles, int64(r.Slot)))
	return joined(w, func(ctx context.Context, tx mdm.Tx) error {
		p, q := w.s.Profiles(), w.s.Queue()
		r.Order, r.Command = 5, next.ID
		return all(
			func() error { _, _, err := p.Claim(ctx, tx, w.now, 10); return err },
			func() error { return second(p.Load(ctx, tx, []mdm.HostKey{e.Host})) },
			func() error { return p.MarkDue(ctx, tx, e.Host, w.now.Add(time.Hour)) },
			func() error { return p.RaisePlan(ctx, tx, e.Host, 0, 0, 0) },
			func() error {
				_, _, err := q.EndRef(ctx, tx, e.Key, mdm.OwnerProfiles, int64(r.Slot), w.now)
				return err
			},
			func() error { return q.Insert(ctx, tx, []queue.Entry{next}) },
			func() error { return p.DeleteRows(ctx, tx, []profiles.RowKey{{Enrollment: e.Key, Slot: gone.Slot}}) },
			func() error { return p.PutRows(ctx, tx, []profiles.Row{r}) },
		)
	})
}
