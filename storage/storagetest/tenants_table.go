package storagetest

import (
	"maps"
	"math"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/apple"
	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/lifecycle"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
	"github.com/keelson-mdm/keelson/queue"
	"github.com/keelson-mdm/keelson/windows"
)

// crossings has a line for every method of every room: what it answers a tenant
// that has nothing and calls with the keys of another. That the other's rows
// stay as they are is checked after each.
func crossings() map[string]func(x *crossing) {
	all := make(map[string]func(x *crossing))
	for _, room := range []map[string]func(x *crossing){
		queueCrossings(), retentionCrossings(), identityCrossings(), lifecycleCrossings(), profilesCrossings(), protocolCrossings(),
	} {
		maps.Copy(all, room)
	}
	return all
}

func queueCrossings() map[string]func(x *crossing) {
	return map[string]func(x *crossing){
		"Queue.PutContent": func(x *crossing) {
			x.fine(x.s.Queue().PutContent(x.ctx, x.tx, x.a.waiting.Hash, []byte("another"), x.now))
		},
		"Queue.Content": func(x *crossing) { missing[[]byte](x)(x.s.Queue().Content(x.ctx, x.tenant, x.a.waiting.Hash)) },
		"Queue.Insert": func(x *crossing) {
			e := x.a.waiting
			e.ID, e.Seq, e.Idempotency = mdm.CommandID(x.uuid()), 0, "key"
			x.fails(mdm.CodeNotFound, x.s.Queue().Insert(x.ctx, x.tx, []queue.Entry{e}))
		},
		"Queue.First": func(x *crossing) {
			_, _, err := x.s.Queue().First(x.ctx, x.tx, x.a.channel.Key, x.a.waiting.Idempotency)
			x.fails(mdm.CodeNotFound, err)
		},
		"Queue.Poll": func(x *crossing) {
			a, err := x.s.Queue().Poll(x.ctx, x.tenant, queue.Poll{Caller: queue.Caller{Natural: x.a.channel.Natural, Pin: x.a.channel.Pin}, Now: x.now})
			x.fine(err)
			require.Equal(x.t, queue.Answer{Standing: queue.StandingUnknown}, a)
		},
		"Queue.File": func(x *crossing) {
			f, err := x.s.Queue().File(x.ctx, x.tx, x.a.channel, queue.Report{Command: x.a.waiting.ID, Now: x.now, Outcome: mdm.OutcomeAcknowledged})
			x.fine(err)
			require.Equal(x.t, queue.Filed{Filing: queue.FilingForeign}, f)
			f, err = x.s.Queue().File(x.ctx, x.tx, x.a.channel, queue.Report{Command: x.a.ended.ID, Now: x.now, Outcome: mdm.OutcomeAcknowledged})
			x.fine(err)
			require.Equal(x.t, queue.Filed{Filing: queue.FilingForeign}, f)
		},
		"Queue.Next": func(x *crossing) {
			nothing[[]queue.Handout](x)(x.s.Queue().Next(x.ctx, x.tx, x.a.channel, queue.Poll{Now: x.now, Limit: 9}))
		},
		"Queue.Cancel": func(x *crossing) {
			for _, id := range []mdm.CommandID{x.a.waiting.ID, x.a.ended.ID} {
				_, _, err := x.s.Queue().Cancel(x.ctx, x.tx, id, x.now)
				x.fails(mdm.CodeNotFound, err)
			}
		},
		"Queue.EndBefore": func(x *crossing) {
			nothing[[]mdm.Result](x)(x.s.Queue().EndBefore(x.ctx, x.tx, x.a.channel.Key, math.MaxInt64, x.now))
		},
		"Queue.EndRef": func(x *crossing) {
			taken, left, err := x.s.Queue().EndRef(x.ctx, x.tx, x.a.channel.Key, mdm.OwnerProfiles, 5, x.now)
			x.fine(err)
			require.Zero(x.t, taken+left)
		},
		"Queue.Expire": func(x *crossing) {
			nothing[[]mdm.Result](x)(x.s.Queue().Expire(x.ctx, x.tx, x.now.Add(24*time.Hour), 10))
		},
		"Queue.Waiting": func(x *crossing) {
			nothing[[]mdm.EnrollmentKey](x)(x.s.Queue().Waiting(x.ctx, x.tenant, x.now, 0, 10))
		},
		"Queue.Get": func(x *crossing) {
			missing[queue.Done](x)(x.s.Queue().Get(x.ctx, x.tenant, x.a.waiting.ID))
			missing[queue.Done](x)(x.s.Queue().Get(x.ctx, x.tenant, x.a.ended.ID))
		},
		"Queue.List": func(x *crossing) {
			nothing[[]queue.Done](x)(x.s.Queue().List(x.ctx, x.tenant, x.a.channel.Key, 0, 10))
		},
	}
}

func identityCrossings() map[string]func(x *crossing) {
	return map[string]func(x *crossing){
		"Identity.PutIntent": func(x *crossing) { x.fine(x.s.Identity().PutIntent(x.ctx, x.tx, x.a.intent)) },
		"Identity.Intent":    func(x *crossing) { missing[identity.Intent](x)(x.s.Identity().Intent(x.ctx, x.tenant, x.a.intent.ID)) },
		"Identity.IntentByLink": func(x *crossing) {
			missing[identity.Intent](x)(x.s.Identity().IntentByLink(x.ctx, x.tenant, x.a.intent.Link))
		},
		"Identity.IntentByChallenge": func(x *crossing) {
			missing[identity.Intent](x)(x.s.Identity().IntentByChallenge(x.ctx, x.tenant, x.a.intent.Challenge))
		},
		"Identity.Intents": func(x *crossing) {
			nothing[[]identity.Intent](x)(x.s.Identity().Intents(x.ctx, x.tenant, "", x.now, "", 10))
		},
		"Identity.UseIntent": func(x *crossing) { x.fails(mdm.CodeChallenge, x.s.Identity().UseIntent(x.ctx, x.tx, x.a.intent.ID)) },
		"Identity.RevokeIntent": func(x *crossing) {
			x.fails(mdm.CodeNotFound, x.s.Identity().RevokeIntent(x.ctx, x.tx, x.a.intent.ID, mdm.Actor{}))
		},
		"Identity.NextGeneration": func(x *crossing) {
			g, err := x.s.Identity().NextGeneration(x.ctx, x.tx)
			x.fine(err)
			require.Greater(x.t, g, x.a.channel.Generation, "one sequence over all tenants")
		},
		"Identity.Reserve": func(x *crossing) {
			missing[identity.Certificate](x)(x.s.Identity().Reserve(x.ctx, x.tx, x.a.reserved, 99))
		},
		"Identity.FinishIssue": func(x *crossing) {
			missing[identity.Certificate](x)(x.s.Identity().FinishIssue(x.ctx, x.tx, x.finished(x.a.reserved)))
		},
		"Identity.Certificate": func(x *crossing) {
			missing[identity.Certificate](x)(x.s.Identity().Certificate(x.ctx, x.tenant, x.a.bound.Hash))
		},
		"Identity.Bind": func(x *crossing) {
			missing[bool](x)(x.s.Identity().Bind(x.ctx, x.tx, x.a.issued.Hash, "apple:mine"))
			missing[bool](x)(x.s.Identity().Bind(x.ctx, x.tx, x.a.bound.Hash, x.a.channel.Natural))
		},
		"Identity.SupersedeBound": func(x *crossing) {
			x.fine(x.s.Identity().SupersedeBound(x.ctx, x.tx, x.a.channel.Natural, mdm.Hash{}))
		},
		"Identity.Enrollment": func(x *crossing) {
			missing[mdm.Enrollment](x)(x.s.Identity().Enrollment(x.ctx, x.tenant, x.a.channel.Natural))
		},
		"Identity.EnrollmentTx": func(x *crossing) {
			missing[mdm.Enrollment](x)(x.s.Identity().EnrollmentTx(x.ctx, x.tx, x.a.channel.Natural))
		},
	}
}

func lifecycleCrossings() map[string]func(x *crossing) {
	return map[string]func(x *crossing){
		"Lifecycle.PutHost": func(x *crossing) {
			h := x.a.host
			h.Name = "stolen"
			x.fails(mdm.CodeNotFound, x.s.Lifecycle().PutHost(x.ctx, x.tx, &h))
		},
		"Lifecycle.HostTx": func(x *crossing) { missing[mdm.Host](x)(x.s.Lifecycle().HostTx(x.ctx, x.tx, x.a.host.Key)) },
		"Lifecycle.HostByExternalTx": func(x *crossing) {
			missing[mdm.Host](x)(x.s.Lifecycle().HostByExternalTx(x.ctx, x.tx, x.a.host.ExternalID))
		},
		"Lifecycle.FindHosts": func(x *crossing) {
			nothing[[]mdm.Host](x)(x.s.Lifecycle().FindHosts(x.ctx, x.tx, x.a.host.HardwareID, x.a.host.Serial))
		},
		"Lifecycle.PutEnrollment": func(x *crossing) {
			e := x.a.channel
			e.State = mdm.EnrollmentEnded
			x.fails(mdm.CodeNotFound, x.s.Lifecycle().PutEnrollment(x.ctx, x.tx, &e))
		},
		"Lifecycle.EnrollmentTx": func(x *crossing) {
			missing[mdm.Enrollment](x)(x.s.Lifecycle().EnrollmentTx(x.ctx, x.tx, x.a.channel.Natural))
		},
		"Lifecycle.EnrollmentByKey": func(x *crossing) {
			missing[mdm.Enrollment](x)(x.s.Lifecycle().EnrollmentByKey(x.ctx, x.tx, x.a.channel.Key))
		},
		"Lifecycle.EnrollmentsOf": func(x *crossing) {
			nothing[[]mdm.Enrollment](x)(x.s.Lifecycle().EnrollmentsOf(x.ctx, x.tx, x.a.host.Key))
		},
		"Lifecycle.SetPerson": func(x *crossing) { x.fine(x.s.Lifecycle().SetPerson(x.ctx, x.tx, x.a.host.Key, "mallory")) },
		"Lifecycle.PersonOf":  func(x *crossing) { nothing[string](x)(x.s.Lifecycle().PersonOf(x.ctx, x.tx, x.a.host.Key)) },
		"Lifecycle.Seen": func(x *crossing) {
			x.fine(x.s.Lifecycle().Seen(x.ctx, x.tenant, map[mdm.HostKey]time.Time{x.a.host.Key: x.now.Add(time.Hour)}))
		},
		"Lifecycle.Host":      func(x *crossing) { missing[mdm.Host](x)(x.s.Lifecycle().Host(x.ctx, x.tenant, x.a.host.ID)) },
		"Lifecycle.HostByKey": func(x *crossing) { missing[mdm.Host](x)(x.s.Lifecycle().HostByKey(x.ctx, x.tenant, x.a.host.Key)) },
		"Lifecycle.HostByExternal": func(x *crossing) {
			missing[mdm.Host](x)(x.s.Lifecycle().HostByExternal(x.ctx, x.tenant, x.a.host.ExternalID))
		},
		"Lifecycle.Hosts": func(x *crossing) {
			for _, f := range []lifecycle.HostFilter{{}, {Deleted: true}, {Search: "needle"}, {Team: &x.a.team.Key}} {
				nothing[[]mdm.Host](x)(x.s.Lifecycle().Hosts(x.ctx, x.tenant, f, 0, 10))
			}
		},
		"Lifecycle.Enrollments": func(x *crossing) {
			nothing[[]mdm.Enrollment](x)(x.s.Lifecycle().Enrollments(x.ctx, x.tenant, x.a.host.Key))
		},
		"Lifecycle.CountHosts": func(x *crossing) {
			nothing[map[mdm.Platform]map[mdm.HostState]int](x)(x.s.Lifecycle().CountHosts(x.ctx, x.tenant))
		},
		"Lifecycle.Append": func(x *crossing) {
			x.fine(x.s.Lifecycle().Append(x.ctx, x.tx, mdm.Event{Tenant: x.a.tenant, ID: "mine", At: x.now, Key: x.a.channel.Key}))
		},
		"Lifecycle.ClaimEvents": func(x *crossing) {
			nothing[[]lifecycle.OutboxEvent](x)(x.s.Lifecycle().ClaimEvents(x.ctx, x.tenant, x.now.Add(24*time.Hour), time.Hour, 10))
		},
		"Lifecycle.EventDone":  func(x *crossing) { x.fine(x.s.Lifecycle().EventDone(x.ctx, x.tenant, x.a.event)) },
		"Lifecycle.EventRetry": func(x *crossing) { x.fine(x.s.Lifecycle().EventRetry(x.ctx, x.tenant, x.a.event, x.now)) },
		"Lifecycle.PutTenant":  func(x *crossing) { x.fine(x.s.Lifecycle().PutTenant(x.ctx, x.a.tenant)) },
		"Lifecycle.Tenants": func(x *crossing) {
			all, err := x.s.Lifecycle().Tenants(x.ctx) // of the house, not of a tenant
			x.fine(err)
			require.Contains(x.t, all, x.a.tenant)
		},
	}
}

func protocolCrossings() map[string]func(x *crossing) {
	return map[string]func(x *crossing){
		"Apple.PutPush":   func(x *crossing) { x.fine(x.s.Apple().PutPush(x.ctx, x.tx, apple.Push{Enrollment: x.a.channel.Key})) },
		"Apple.ClearPush": func(x *crossing) { x.fine(x.s.Apple().ClearPush(x.ctx, x.tx, x.a.channel.Key)) },
		"Apple.Push": func(x *crossing) {
			nothing[[]apple.Push](x)(x.s.Apple().Push(x.ctx, x.tenant, []mdm.EnrollmentKey{x.a.channel.Key}))
		},
		"Apple.PutToken": func(x *crossing) {
			x.fine(x.s.Apple().PutToken(x.ctx, x.tx, apple.Token{Enrollment: x.a.channel.Key, Kind: apple.BootstrapToken, Generation: x.a.channel.Generation}))
		},
		"Apple.Token": func(x *crossing) {
			missing[apple.Token](x)(x.s.Apple().Token(x.ctx, x.tenant, x.a.channel.Key, apple.BootstrapToken, x.a.channel.Generation))
		},
		"Apple.ClearTokens": func(x *crossing) {
			x.fine(x.s.Apple().ClearTokens(x.ctx, x.tx, x.a.channel.Key, apple.BootstrapToken, math.MaxInt64))
		},
		"Apple.PutAside": func(x *crossing) {
			for range 20 {
				x.fine(x.s.Apple().PutAside(x.ctx, x.tx, apple.Aside{Enrollment: x.a.channel.Key}))
			}
		},
		"Apple.Aside": func(x *crossing) { nothing[[]apple.Aside](x)(x.s.Apple().Aside(x.ctx, x.tenant, x.a.channel.Key)) },
		"Windows.PutDevice": func(x *crossing) {
			x.fine(x.s.Windows().PutDevice(x.ctx, x.tx, windows.Device{Enrollment: x.a.channel.Key}))
		},
		"Windows.DeviceTx": func(x *crossing) {
			missing[windows.Device](x)(x.s.Windows().DeviceTx(x.ctx, x.tx, x.a.channel.Key))
		},
		"Windows.PutSession": func(x *crossing) {
			for _, id := range []string{"1", "2", "3", "4", "5", "6"} {
				x.fine(x.s.Windows().PutSession(x.ctx, x.tx, windows.Session{Enrollment: x.a.channel.Key, ID: id}))
			}
		},
		"Windows.SessionTx": func(x *crossing) {
			missing[windows.Session](x)(x.s.Windows().SessionTx(x.ctx, x.tx, x.a.channel.Key, x.a.session.ID))
		},
		"Windows.DropSessions": func(x *crossing) { x.fine(x.s.Windows().DropSessions(x.ctx, x.tx, x.a.channel.Key)) },
	}
}

func profilesCrossings() map[string]func(x *crossing) {
	return map[string]func(x *crossing){
		"Profiles.PutTeam": func(x *crossing) {
			v := x.a.team
			v.Name = "stolen"
			x.fails(mdm.CodeNotFound, x.s.Profiles().PutTeam(x.ctx, x.tx, &v))
		},
		"Profiles.DeleteTeam": func(x *crossing) { x.fails(mdm.CodeNotFound, x.s.Profiles().DeleteTeam(x.ctx, x.tx, x.a.team.Key)) },
		"Profiles.PutLabel": func(x *crossing) {
			v := x.a.label
			v.Name = "stolen"
			x.fails(mdm.CodeNotFound, x.s.Profiles().PutLabel(x.ctx, x.tx, &v))
		},
		"Profiles.DeleteLabel": func(x *crossing) { x.fails(mdm.CodeNotFound, x.s.Profiles().DeleteLabel(x.ctx, x.tx, x.a.label.Key)) },
		"Profiles.PutProfile": func(x *crossing) {
			p := x.a.definition
			x.fails(mdm.CodeInvalid, x.s.Profiles().PutProfile(x.ctx, x.tx, &p)) // no such team
			p.Team = 0
			x.fails(mdm.CodeNotFound, x.s.Profiles().PutProfile(x.ctx, x.tx, &p))
		},
		"Profiles.DeleteProfile": func(x *crossing) {
			x.fails(mdm.CodeNotFound, x.s.Profiles().DeleteProfile(x.ctx, x.tx, x.a.definition.Key, x.a.definition.Edit))
		},
		"Profiles.Teams":  func(x *crossing) { nothing[[]profiles.Team](x)(x.s.Profiles().Teams(x.ctx, x.tenant)) },
		"Profiles.Labels": func(x *crossing) { nothing[[]profiles.Label](x)(x.s.Profiles().Labels(x.ctx, x.tenant)) },
		"Profiles.Profile": func(x *crossing) {
			missing[profiles.Profile](x)(x.s.Profiles().Profile(x.ctx, x.tenant, x.a.definition.ID))
		},
		"Profiles.Profiles": func(x *crossing) {
			nothing[[]profiles.Profile](x)(x.s.Profiles().Profiles(x.ctx, x.tenant, nil))
			nothing[[]profiles.Profile](x)(x.s.Profiles().Profiles(x.ctx, x.tenant, &x.a.team.Key))
		},
		"Profiles.LabelsTx": func(x *crossing) { nothing[[]profiles.Label](x)(x.s.Profiles().LabelsTx(x.ctx, x.tx)) },
		"Profiles.ProfileTx": func(x *crossing) {
			missing[profiles.Profile](x)(x.s.Profiles().ProfileTx(x.ctx, x.tx, x.a.definition.ID))
		},
		"Profiles.ProfilesTx":  func(x *crossing) { nothing[[]profiles.Profile](x)(x.s.Profiles().ProfilesTx(x.ctx, x.tx)) },
		"Profiles.RaiseTeam":   func(x *crossing) { missing[int64](x)(x.s.Profiles().RaiseTeam(x.ctx, x.tx, x.a.team.Key)) },
		"Profiles.TeamVersion": func(x *crossing) { missing[int64](x)(x.s.Profiles().TeamVersion(x.ctx, x.tx, x.a.team.Key)) },
		"Profiles.Definitions": func(x *crossing) {
			missing[*profiles.Definitions](x)(x.s.Profiles().Definitions(x.ctx, x.tx, x.a.team.Key))
			d, err := x.s.Profiles().Definitions(x.ctx, x.tx, 0)
			x.fine(err)
			require.Equal(x.t, &profiles.Definitions{}, d, "no team is each tenant's own")
		},
		"Profiles.SetMember": func(x *crossing) {
			x.fails(mdm.CodeNotFound, x.s.Profiles().SetMember(x.ctx, x.tx, x.a.label.Key, x.a.host.Key, profiles.Yes))
		},
		"Profiles.Members": func(x *crossing) {
			nothing[map[mdm.HostKey]profiles.Tri](x)(x.s.Profiles().Members(x.ctx, x.tenant, x.a.label.Key, 0, 10))
		},
		"Profiles.SetHostTeam": func(x *crossing) {
			x.fails(mdm.CodeNotFound, x.s.Profiles().SetHostTeam(x.ctx, x.tx, x.a.host.Key, 0))
		},
		"Profiles.MarkHost": func(x *crossing) { x.fine(x.s.Profiles().MarkHost(x.ctx, x.tx, x.a.host.Key, profiles.LaneEnroll)) },
		"Profiles.MarkTeam": func(x *crossing) { x.fine(x.s.Profiles().MarkTeam(x.ctx, x.tx, x.a.team.Key)) },
		"Profiles.MarkDue":  func(x *crossing) { x.fine(x.s.Profiles().MarkDue(x.ctx, x.tx, x.a.host.Key, x.now.Add(-time.Hour))) },
		"Profiles.Claim": func(x *crossing) {
			hosts, more, err := x.s.Profiles().Claim(x.ctx, x.tx, x.now.Add(24*time.Hour), 10)
			x.fine(err)
			require.Empty(x.t, hosts)
			require.False(x.t, more)
		},
		"Profiles.NextDue": func(x *crossing) { nothing[time.Time](x)(x.s.Profiles().NextDue(x.ctx, x.tenant)) },
		"Profiles.Backlog": func(x *crossing) { nothing[int](x)(x.s.Profiles().Backlog(x.ctx, x.tenant)) },
		"Profiles.Load": func(x *crossing) {
			nothing[[]profiles.HostState](x)(x.s.Profiles().Load(x.ctx, x.tx, []mdm.HostKey{x.a.host.Key}))
		},
		"Profiles.LoadTeam": func(x *crossing) {
			nothing[[]profiles.HostState](x)(x.s.Profiles().LoadTeam(x.ctx, x.tenant, x.a.team.Key, 0, 10))
		},
		"Profiles.LoadHost": func(x *crossing) {
			missing[profiles.HostState](x)(x.s.Profiles().LoadHost(x.ctx, x.tenant, x.a.host.Key))
		},
		"Profiles.LoadSlot": func(x *crossing) {
			nothing[[]profiles.HostState](x)(x.s.Profiles().LoadSlot(x.ctx, x.tenant, x.a.team.Key, x.a.row.Slot, 0, 10))
		},
		"Profiles.LoadHosts": func(x *crossing) {
			nothing[[]profiles.HostState](x)(x.s.Profiles().LoadHosts(x.ctx, x.tenant, []mdm.HostKey{x.a.host.Key}))
		},
		"Profiles.LoadChannel": func(x *crossing) {
			_, rows, err := x.s.Profiles().LoadChannel(x.ctx, x.tenant, x.a.channel.Key)
			missing[[]profiles.Row](x)(rows, err)
		},
		"Profiles.RaisePlan": func(x *crossing) {
			x.fails(mdm.CodeConflict, x.s.Profiles().RaisePlan(x.ctx, x.tx, x.a.host.Key, 0, x.a.team.Key, 1))
			x.fails(mdm.CodeConflict, x.s.Profiles().RaisePlan(x.ctx, x.tx, x.a.host.Key, 0, 0, 0))
		},
		"Profiles.PutRows": func(x *crossing) {
			r := x.a.row
			r.Order++
			x.fine(x.s.Profiles().PutRows(x.ctx, x.tx, []profiles.Row{r}))
		},
		"Profiles.DeleteRows": func(x *crossing) {
			x.fine(x.s.Profiles().DeleteRows(x.ctx, x.tx, []profiles.RowKey{{Enrollment: x.a.row.Enrollment, Slot: x.a.row.Slot}}))
		},
		"Profiles.RowsOf":   func(x *crossing) { nothing[[]profiles.Row](x)(x.s.Profiles().RowsOf(x.ctx, x.tx, x.a.channel.Key)) },
		"Profiles.DropRows": func(x *crossing) { x.fine(x.s.Profiles().DropRows(x.ctx, x.tx, x.a.channel.Key)) },
		"Profiles.Acknowledge": func(x *crossing) {
			x.fine(x.s.Profiles().Acknowledge(x.ctx, x.tx, x.answer(x.a.channel, x.a.row, mdm.OutcomeError)))
		},
		"Profiles.ForgetAsked": func(x *crossing) { x.fine(x.s.Profiles().ForgetAsked(x.ctx, x.tx, x.a.channel.Key, x.a.row.AskedSeq)) },
		"Profiles.RecordSeen": func(x *crossing) {
			x.fine(x.s.Profiles().RecordSeen(x.ctx, x.tx, x.a.host.Key, []profiles.SeenRow{seenRow(x.a.row, profiles.Effective, "")}, x.now))
		},
		"Profiles.PutContent": func(x *crossing) {
			x.fine(x.s.Profiles().PutContent(x.ctx, x.tx, x.a.waiting.Hash, []byte("another"), x.now))
		},
		"Profiles.MendContent": func(x *crossing) {
			x.fine(x.s.Profiles().MendContent(x.ctx, x.tx, x.a.waiting.Hash, []byte("another")))
		},
		"Profiles.Content":   func(x *crossing) { missing[[]byte](x)(x.s.Profiles().Content(x.ctx, x.tenant, x.a.waiting.Hash)) },
		"Profiles.ContentTx": func(x *crossing) { missing[[]byte](x)(x.s.Profiles().ContentTx(x.ctx, x.tx, x.a.waiting.Hash)) },
	}
}
