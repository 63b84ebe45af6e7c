package windows_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/mdmtest"
	"github.com/keelson-mdm/keelson/queue"
	"github.com/keelson-mdm/keelson/windows"
	"github.com/keelson-mdm/keelson/windows/syncml"
)

// live is a world behind real TLS, with simulated PCs in front of it that judge
// every word of the server.
type live struct {
	*world
	srv *httptest.Server
}

func newLive(t testing.TB) *live {
	t.Helper()
	mux := http.NewServeMux()
	l := &live{srv: httptest.NewUnstartedServer(mux)}
	l.srv.EnableHTTP2 = true
	l.srv.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	l.srv.StartTLS()
	t.Cleanup(l.srv.Close)
	l.world = newWorld(t, func(c *windows.Config) { c.URL, c.ClientCertificate, c.MaxBody = l.srv.URL, nil, 1<<20 })
	mount(mux, l.server)
	return l
}

// mount gives the handlers the paths that devices know.
func mount(mux *http.ServeMux, s *windows.Server) {
	mux.Handle("/EnrollmentServer/Discovery.svc", s.Discovery(mdm.DefaultTenant))
	for route, handler := range map[string]func(mdm.TenantID) http.Handler{
		"discovery": s.Discovery, "policy": s.Policy, "enroll": s.Enroll, "manage": s.Manage,
	} {
		mux.HandleFunc("/mdm/v1/{tenant}/windows/"+route, func(w http.ResponseWriter, r *http.Request) {
			handler(mdm.TenantID(r.PathValue("tenant"))).ServeHTTP(w, r)
		})
	}
}

// keys draws from a pool: RSA keys are slow to make.
func keys() func() (*rsa.PrivateKey, error) {
	n := -1
	return func() (*rsa.PrivateKey, error) { n++; return rsaKeys()[n%2], nil }
}

func (l *live) options() *mdmtest.PCOptions {
	pool := x509.NewCertPool()
	pool.AddCert(l.srv.Certificate())
	return &mdmtest.PCOptions{Roots: pool, Key: keys(), Rand: rand.Reader}
}

// managedPC enrolls a PC and holds its first session. The second value queues and
// reads for it.
func (l *live) managedPC(t mdmtest.PCTB, change func(*mdmtest.PCOptions)) (*mdmtest.PCTest, *pc) {
	o := l.options()
	if change != nil {
		change(o)
	}
	p := mdmtest.PCWith(t, l.srv.URL, "ada@example.com", "correct horse", o).Enroll()
	auth := l.sink.of(mdm.SignalAuthenticated)
	d := &pc{w: l.world, t: l.t, natural: auth[len(auth)-1].Data.(mdm.Authenticated).Natural, deviceID: p.DeviceID()}
	require.Equal(l.t, mdmtest.PCEndDone, p.Sync().End)
	require.Equal(l.t, mdm.EnrollmentEnrolled, d.enrollment().State)
	return p, d
}

func TestPCEnrolls(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*mdmtest.PCOptions)
	}{
		{"a new build", nil},
		{"the odd certificate request of an old one", func(o *mdmtest.PCOptions) { o.OddCSR, o.RequestVersion = true, "4.0" }},
		{"for the device", func(o *mdmtest.PCOptions) { o.DeviceEnrollment, o.LoginStatus = true, "none" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLive(t)
			p, d := l.managedPC(t, tt.change)
			require.Equal(t, l.srv.URL+"/mdm/v1/default/windows/manage", p.Enrollment().Address)
			h, err := l.store.Lifecycle().HostByKey(context.Background(), mdm.DefaultTenant, d.enrollment().Host)
			require.NoError(t, err)
			require.Equal(t, p.Name(), h.Name)
			require.Equal(t, p.DeviceID(), h.HardwareID)
			require.Equal(t, "Book 5", h.Model)
			require.Equal(t, 1, l.seen[h.Key])
		})
	}
	l := newLive(t)
	err := mdmtest.NewPC(l.srv.URL, "ada@example.com", "wrong", l.options()).Enroll(t.Context())
	var fault *mdmtest.PCSOAPFault
	require.ErrorAs(t, err, &fault)
	require.Empty(t, l.sink.signals)
}

func TestPCCommands(t *testing.T) {
	for _, q := range []mdmtest.PCQuirks{{}, {JoinStatuses: true}, {ResultsFirst: true}, {OmitMsgRef: true}} {
		t.Run(fmt.Sprintf("%+v", q), func(t *testing.T) {
			l := newLive(t)
			p, d := l.managedPC(t, func(o *mdmtest.PCOptions) { o.PolicyStatus = 202 })
			p.Misbehave(q)
			ids := d.enqueue(
				write(syncml.Add, base+"Area/One", "1"),
				atomic(del(base+"Area/Gone"), write(syncml.Replace, base+"Area/Two", "2"), write(syncml.Add, base+"Area/One", "one")),
				get(base+"Area/One", base+"Area/Two", base+"Area/Gone", "./DevDetail/SwV"),
				write(syncml.Exec, "./Device/Vendor/MSFT/Reboot/RebootNow", ""),
				write(syncml.Replace, "./Device/Vendor/MSFT/DeviceStatus/OS/Edition", "1"),
				del(base+"Area/Gone"))
			p.RepeatPosts(2)
			p.Sync()
			n, _ := p.Node(base + "Area/One")
			require.Equal(t, "one", n.Value)
			require.Equal(t, 1, p.Reboots())
			for i, want := range []mdm.Outcome{mdm.OutcomeAccepted, mdm.OutcomeAccepted, mdm.OutcomeAcknowledged, mdm.OutcomeAcknowledged, mdm.OutcomeError, mdm.OutcomeAcknowledged} {
				require.Equal(t, want, d.done(ids[i]).Outcome, "%d: %s", i, d.done(ids[i]).Detail)
			}
			o := l.sink.of(mdm.SignalObserved)
			require.Len(t, o, 1)
			seen := map[string]mdm.Observed{}
			for _, it := range o[0].Data.(mdm.Observation).Items {
				seen[it.Identifier] = it
			}
			require.Equal(t, 404, seen[base+"Area/Gone"].Status)
			require.Equal(t, "10.0.22621.2715", seen["./DevDetail/SwV"].Value)
			require.Len(t, l.sink.results, len(ids))
			p.NoDuplicates()
		})
	}
}

func TestPCLostReplies(t *testing.T) {
	for _, then := range []mdmtest.PCAfterLoss{mdmtest.PCRepeat, mdmtest.PCRestart, mdmtest.PCGiveUp} {
		for n := 1; n <= 3; n++ {
			t.Run(fmt.Sprintf("%s %d", then, n), func(t *testing.T) {
				l := newLive(t)
				p, d := l.managedPC(t, nil)
				d.enqueue(write(syncml.Add, base+"A/One", "1"), get(base+"A/One"))
				p.LoseReply(n, then)
				if _, err := p.PCDevice.Sync(t.Context()); err != nil {
					require.ErrorIs(t, err, mdmtest.ErrPCReplyLost)
				}
				p.LoseReply(0, "")
				ids := d.enqueue(write(syncml.Replace, base+"A/Two", "2"))
				p.Sync()
				require.True(t, d.done(ids[0]).Outcome.OK())
				require.Len(t, l.sink.results, 3, "each ended once")
				p.NoDuplicates()
			})
		}
	}
}

func TestPCPoison(t *testing.T) {
	l := newLive(t)
	p, d := l.managedPC(t, nil)
	p.Poison(base + "Bad/One")
	ids := d.enqueue(write(syncml.Replace, base+"A/One", "1"), write(syncml.Replace, base+"Bad/One", "1"), write(syncml.Replace, base+"A/Two", "1"))
	p.Sync()
	require.Equal(t, mdm.OutcomeMalformed, d.done(ids[1]).Outcome)
	require.True(t, d.done(ids[0]).Outcome.OK())
	require.True(t, d.done(ids[2]).Outcome.OK())
	p.NoDuplicates()
}

func TestPCAbortsAndUsers(t *testing.T) {
	l := newLive(t)
	p, d := l.managedPC(t, nil)
	require.NoError(t, p.SetLoginStatus("others"))
	ids := d.enqueue(write(syncml.Replace, "./User/Vendor/MSFT/Policy/Config/A/One", "1"), write(syncml.Replace, base+"A/One", "1"))
	p.AbortNext()
	require.Equal(t, mdmtest.PCEndAborted, p.Sync().End)
	require.Empty(t, d.done(ids[1]).Outcome)
	p.Sync()
	require.True(t, d.done(ids[1]).Outcome.OK())
	require.Empty(t, d.done(ids[0]).Outcome)
	require.NoError(t, p.SetLoginStatus("user"))
	p.Sync()
	require.True(t, d.done(ids[0]).Outcome.OK())
	p.NoDuplicates()
}

func TestPCLeaves(t *testing.T) {
	l := newLive(t)
	p, d := l.managedPC(t, nil)
	p.RepeatPosts(5)
	p.Unenroll()
	require.Equal(t, mdm.EnrollmentEnded, d.enrollment().State)
	require.Len(t, l.sink.of(mdm.SignalCheckedOut), 1)
	p.Misbehave(mdmtest.PCQuirks{Zombie: true})
	_, err := p.PCDevice.Sync(t.Context())
	var refused *mdmtest.PCRefusedError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, 401, refused.Code)

	// It enrolls again, as another life of the same host.
	p.Misbehave(mdmtest.PCQuirks{})
	p.Enroll()
	p.Sync()
	auth := l.sink.of(mdm.SignalAuthenticated)
	again := &pc{w: l.world, t: t, natural: auth[1].Data.(mdm.Authenticated).Natural}
	require.Equal(t, d.enrollment().Host, again.enrollment().Host)

	// The server's order to leave: the device says so, or falls silent.
	for _, how := range []mdmtest.PCUnenrollAnswer{mdmtest.PCUnenrollAlert, mdmtest.PCUnenrollStatus, mdmtest.PCUnenrollSilent} {
		p.Misbehave(mdmtest.PCQuirks{Unenroll: how})
		if p.State() != mdmtest.PCEnrolled {
			p.Enroll()
			p.Sync()
			auth = l.sink.of(mdm.SignalAuthenticated)
			again.natural = auth[len(auth)-1].Data.(mdm.Authenticated).Natural
		}
		id := again.enqueue(write(syncml.Exec, "./Device/Vendor/MSFT/DMClient/Provider/Keelson/Unenroll", "Keelson"))[0]
		require.Equal(t, mdmtest.PCEndUnenrolled, p.Sync().End)
		want := map[mdmtest.PCUnenrollAnswer]mdm.Outcome{
			mdmtest.PCUnenrollAlert: mdm.OutcomeCanceled, mdmtest.PCUnenrollStatus: mdm.OutcomeAcknowledged, mdmtest.PCUnenrollSilent: "",
		}
		require.Equal(t, want[how], again.done(id).Outcome)
	}
}

func TestPCRenews(t *testing.T) {
	l := newLive(t)
	p, d := l.managedPC(t, nil)
	before := d.enrollment()
	p.Renew()
	p.Misbehave(mdmtest.PCQuirks{OldCertificate: true})
	p.Sync() // the old one is good until the new one was seen
	require.Equal(t, before.Pin, d.enrollment().Pin)
	p.Misbehave(mdmtest.PCQuirks{})
	id := d.enqueue(write(syncml.Replace, base+"A/One", "1"))[0]
	p.Sync()
	require.NotEqual(t, before.Pin, d.enrollment().Pin)
	require.Equal(t, before.Generation, d.enrollment().Generation)
	require.True(t, d.done(id).Outcome.OK())
	p.Misbehave(mdmtest.PCQuirks{OldCertificate: true})
	_, err := p.PCDevice.Sync(t.Context())
	var refused *mdmtest.PCRefusedError
	require.ErrorAs(t, err, &refused)
}

func TestPCAttacks(t *testing.T) {
	l := newLive(t)
	victim, d := l.managedPC(t, nil)
	thief, _ := l.managedPC(t, nil)
	id := d.enqueue(write(syncml.Replace, base+"A/One", "1"))[0]
	for name, q := range map[string]mdmtest.PCQuirks{
		"the victim's name":        {SourceDeviceID: victim.DeviceID()},
		"the victim's certificate": {Certificate: victim.Certificate()},
		"no certificate":           {NoCertificate: true, SourceDeviceID: victim.DeviceID()},
		"WBXML":                    {WBXML: true},
		"too much":                 {PadBody: 2 << 20},
	} {
		thief.Misbehave(q)
		_, err := thief.PCDevice.SendUnenrollAlert(t.Context())
		var http *mdmtest.PCHTTPError
		var refused *mdmtest.PCRefusedError
		require.True(t, errors.As(err, &http) || errors.As(err, &refused), "%s: %v", name, err)
		if http != nil {
			require.Contains(t, mdm.DeviceStatuses(), http.Status)
		}
	}
	require.Empty(t, l.sink.of(mdm.SignalCheckedOut))
	require.Empty(t, d.done(id).Outcome)
	victim.Sync()
	require.True(t, d.done(id).Outcome.OK())
}

// tb is what a rapid test lacks of a test.
type tb struct {
	*rapid.T
	ctx context.Context
}

func (t tb) Context() context.Context { return t.ctx }

// Whatever goes wrong on the way, every command ends once and nothing runs twice
// without a reason.
func TestPCSoak(t *testing.T) {
	l := newLive(t)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		o := l.options()
		p := mdmtest.NewPC(l.srv.URL, "ada@example.com", "correct horse", o)
		require.NoError(rt, p.Enroll(t.Context()))
		test := mdmtest.PCOf(tb{rt, t.Context()}, p)
		auth := l.sink.of(mdm.SignalAuthenticated)
		d := &pc{w: l.world, t: t, natural: auth[len(auth)-1].Data.(mdm.Authenticated).Natural}
		test.Sync()
		told := len(l.sink.results)
		var ids []mdm.CommandID
		var poison []mdm.CommandID
		p.Poison(base + "Bad/One")
		losses := []mdmtest.PCAfterLoss{mdmtest.PCRepeat, mdmtest.PCRestart, mdmtest.PCGiveUp}
		for step := range rapid.IntRange(1, 8).Draw(rt, "steps") {
			uri := fmt.Sprintf("%sArea/N%d", base, step)
			switch rapid.IntRange(0, 9).Draw(rt, "what") {
			case 0, 1:
				ids = append(ids, d.enqueue(write(syncml.Add, uri, "1"), get(uri))...)
			case 2:
				ids = append(ids, d.enqueue(atomic(del(uri), write(syncml.Add, uri+"a", "1"), write(syncml.Replace, uri+"b", "1")))...)
			case 3:
				ids = append(ids, d.enqueue(write(syncml.Replace, "./User/Vendor/MSFT/Policy/Config/Area/N", fmt.Sprint(step)))...)
			case 4:
				bad := d.enqueue(write(syncml.Replace, base+"Bad/One", fmt.Sprint(step)))
				poison, ids = append(poison, bad...), append(ids, bad...)
			case 5:
				require.NoError(rt, p.SetLoginStatus(rapid.SampledFrom([]string{"user", "others", "none"}).Draw(rt, "login")))
			case 6:
				p.LoseReply(rapid.IntRange(1, 4).Draw(rt, "reply"), rapid.SampledFrom(losses).Draw(rt, "then"))
			case 7:
				p.RepeatPosts(rapid.IntRange(1, 4).Draw(rt, "posts"))
			case 8:
				p.AbortNext()
			case 9:
				if _, err := p.Sync(t.Context()); err != nil {
					require.ErrorIs(rt, err, mdmtest.ErrPCReplyLost)
				}
			}
		}
		p.LoseReply(0, "")
		require.NoError(rt, p.SetLoginStatus("user"))
		for range 6 {
			test.Sync()
		}
		bad := map[mdm.CommandID]bool{}
		for _, id := range poison {
			bad[id] = true
		}
		for _, id := range ids {
			done := d.done(id)
			if bad[id] {
				require.Equal(rt, mdm.OutcomeMalformed, done.Outcome)
			} else {
				require.True(rt, done.Outcome.OK(), "%s %s", done.Outcome, done.Detail)
			}
		}
		require.Len(rt, l.sink.results, told+len(ids))
		test.NoDuplicates()
	})
	require.Positive(t, n)
}

// A batch of a thousand commands reaches a PC within one session.
func TestPCLongQueue(t *testing.T) {
	l := newLive(t)
	p, d := l.managedPC(t, nil)
	var cmds []queue.Command
	for i := range 1000 {
		cmds = append(cmds, queue.Command{Content: []byte(write(syncml.Replace, fmt.Sprintf("%sArea/N%d", base, i), "1"))})
	}
	ids := d.enqueueAll(cmds...)
	s := p.Sync()
	require.Equal(t, 1000, s.Commands)
	for _, id := range ids {
		require.True(t, d.done(id).Outcome.OK())
	}
	p.NoDuplicates()
}
