package lifecycle_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/keelson-mdm/keelson/lifecycle"
	"github.com/keelson-mdm/keelson/mdm"
)

const udid = "A"

// place is where a Mac stands, with the certificates that it might use.
type place struct {
	first, second mdm.NextLife // its lives so far; second may be yet to come
	host          mdm.HostKey
}

// places brings a Mac to each state that there is.
var places = []struct {
	name string
	make func(*world) place
}{
	{"nothing", func(w *world) place { return place{first: w.life("")} }},
	{"authenticating", func(w *world) place {
		p := place{first: w.life("ada")}
		p.host = w.announce(mac(udid, p.first)).Host.Key
		return p
	}},
	{"enrolled", func(w *world) place {
		p := place{first: w.life("ada")}
		p.host = w.enroll(mac(udid, p.first)).Host.Key
		return p
	}},
	{"renewal announced", func(w *world) place {
		p := place{first: w.life("ada")}
		p.host = w.enroll(mac(udid, p.first)).Host.Key
		w.announce(renewing(p.first))
		return p
	}},
	{"next life announced", func(w *world) place {
		p := place{first: w.life("ada"), second: w.life("bob")}
		p.host = w.enroll(mac(udid, p.first)).Host.Key
		w.announce(mac(udid, p.second))
		return p
	}},
	{"second life", func(w *world) place {
		p := place{first: w.life("ada"), second: w.life("bob")}
		w.enroll(mac(udid, p.first))
		p.host = w.enroll(mac(udid, p.second)).Host.Key
		return p
	}},
	{"checked out", func(w *world) place {
		p := place{first: w.life("ada")}
		p.host = w.enroll(mac(udid, p.first)).Host.Key
		_, err := w.checkOut(mac(udid, p.first).Natural, p.first.Generation)
		require.NoError(w.t, err)
		return p
	}},
	{"checked out, next life announced", func(w *world) place {
		p := place{first: w.life("ada"), second: w.life("bob")}
		p.host = w.enroll(mac(udid, p.first)).Host.Key
		_, err := w.checkOut(mac(udid, p.first).Natural, p.first.Generation)
		require.NoError(w.t, err)
		w.announce(mac(udid, p.second))
		return p
	}},
	{"sent away", func(w *world) place {
		p := place{first: w.life("ada")}
		p.host = w.enroll(mac(udid, p.first)).Host.Key
		w.unenroll(p.host)
		return p
	}},
	{"sent away, next life announced", func(w *world) place {
		p := place{first: w.life("ada"), second: w.life("bob")}
		p.host = w.enroll(mac(udid, p.first)).Host.Key
		w.announce(mac(udid, p.second))
		w.unenroll(p.host)
		return p
	}},
	{"deleted", func(w *world) place {
		p := place{first: w.life("ada")}
		p.host = w.enroll(mac(udid, p.first)).Host.Key
		w.delete(p.host)
		return p
	}},
	{"deleted while authenticating", func(w *world) place {
		p := place{first: w.life("ada")}
		p.host = w.announce(mac(udid, p.first)).Host.Key
		w.delete(p.host)
		return p
	}},
}

// renewing is a device that authenticates with a renewed certificate.
func renewing(l mdm.NextLife) mdm.Authenticated {
	a := mac(udid, renewal(l))
	a.Renewal = true
	return a
}

// deeds are everything that a device can do in a place.
var deeds = []struct {
	name string
	do   func(*world, place) (lifecycle.Transition, error)
}{
	{"authenticates: a new life", func(w *world, _ place) (lifecycle.Transition, error) {
		return w.apply(authenticated(mac(udid, w.life("eve"))))
	}},
	{"authenticates: its first life", func(w *world, p place) (lifecycle.Transition, error) {
		return w.apply(authenticated(mac(udid, p.first)))
	}},
	{"authenticates: renewal of its first life", func(w *world, p place) (lifecycle.Transition, error) {
		return w.apply(authenticated(renewing(p.first)))
	}},
	{"authenticates: renewal of another life", func(w *world, p place) (lifecycle.Transition, error) {
		a := renewing(p.first)
		a.Next.ID = "another"
		return w.apply(authenticated(a))
	}},
	{"confirms: its first life", confirming(func(p place) mdm.Hash { return p.first.Pin })},
	{"confirms: a renewal of it", confirming(func(p place) mdm.Hash { return renewal(p.first).Pin })},
	{"confirms: its second life", confirming(func(p place) mdm.Hash { return p.second.Pin })},
	{"confirms: any certificate", confirming(func(place) mdm.Hash { return mdm.Hash{99} })},
	{"confirms: no certificate", confirming(func(place) mdm.Hash { return mdm.Hash{} })},
	{"leaves its first life", leaving(func(p place) mdm.Generation { return p.first.Generation })},
	{"leaves its second life", leaving(func(p place) mdm.Generation { return p.second.Generation })},
	{"leaves no life", leaving(func(place) mdm.Generation { return 0 })},
	{"tells facts", func(w *world, p place) (lifecycle.Transition, error) {
		return w.apply(mdm.Signal{Kind: mdm.SignalFacts, Host: p.host, Data: mdm.HostFacts{OSVersion: "99", HardwareID: "B"}})
	}},
	{"shows what it carries", func(w *world, p place) (lifecycle.Transition, error) {
		return w.apply(mdm.Signal{Kind: mdm.SignalObserved, Host: p.host, Data: mdm.Observation{}})
	}},
}

// key is the channel's, or one that nothing has.
func (w *world) key() mdm.EnrollmentKey {
	for _, h := range w.hosts() {
		es, err := w.Enrollments(w.ctx, tenant, h.Key)
		require.NoError(w.t, err)
		for _, e := range es {
			return e.Key
		}
	}
	return 999
}

func confirming(pin func(place) mdm.Hash) func(*world, place) (lifecycle.Transition, error) {
	return func(w *world, p place) (lifecycle.Transition, error) {
		return w.apply(mdm.Signal{Kind: mdm.SignalConfirmed, Key: w.key(), Data: mdm.Confirmed{Pin: pin(p)}})
	}
}

func leaving(g func(place) mdm.Generation) func(*world, place) (lifecycle.Transition, error) {
	return func(w *world, p place) (lifecycle.Transition, error) {
		return w.apply(mdm.Signal{Kind: mdm.SignalCheckedOut, Key: w.key(), Generation: g(p)})
	}
}

// picture is what there is: each host with its channel.
func (w *world) picture() string {
	var out []string
	for _, h := range w.hosts() {
		es, err := w.Enrollments(w.ctx, tenant, h.Key)
		require.NoError(w.t, err)
		s := "host " + string(h.State)
		if p := w.person(h.Key); p != "" {
			s += " of " + p
		}
		for _, e := range es {
			s += fmt.Sprintf(", %s life %d", e.State, e.Generation)
			if !e.Next.Pin.IsZero() {
				s += fmt.Sprintf(" → %d", e.Next.Generation)
			}
		}
		out = append(out, s)
	}
	return strings.Join(out, "; ")
}

// TestStates is a table of every state and every signal. What changes nothing is
// shown as such, so that a change stands out.
func TestStates(t *testing.T) {
	var table strings.Builder
	for _, p := range places {
		w := newWorld(t, nil)
		p.make(w)
		fmt.Fprintf(&table, "%s: %s\n", p.name, w.picture())
		for _, d := range deeds {
			w := newWorld(t, nil)
			at := p.make(w)
			before := w.picture()
			w.deliver()
			tr, err := d.do(w, at)
			after, kinds := w.picture(), ""
			for _, e := range w.deliver() {
				kinds += " +" + string(e.Kind)
			}
			line := "transition " + string(tr.Kind)
			if tr.Kind == lifecycle.None {
				line = "nothing"
			}
			if err != nil {
				line = "refused: " + string(mdm.CodeOf(err))
				require.Equal(t, before, after, "%s %s", p.name, d.name)
				require.Zero(t, tr)
			}
			if line += kinds; before != after {
				line += " | " + after
			}
			fmt.Fprintf(&table, "    %-42s %s\n", d.name, line)
		}
	}
	golden(t, "states.txt", table.String())
}

func TestSignalsWithoutTheirData(t *testing.T) {
	w := newWorld(t, nil)
	e := w.enroll(mac(udid, w.life("ada"))).Enrollment
	before := w.picture()
	for _, g := range []mdm.Signal{
		{Kind: mdm.SignalAuthenticated}, {Kind: mdm.SignalConfirmed, Key: e.Key, Data: mdm.HostFacts{}}, {Kind: mdm.SignalFacts, Host: e.Host, Data: 7},
		authenticated(mac(udid, mdm.NextLife{ID: "x", Generation: 9})), authenticated(mac(udid, mdm.NextLife{ID: "x", Pin: mdm.Hash{9}})),
	} {
		_, err := w.apply(g)
		require.ErrorIs(t, err, mdm.CodeInternal)
	}
	tr, err := w.apply(mdm.Signal{Kind: "of tomorrow", Data: mdm.Confirmed{}})
	require.NoError(t, err)
	require.Zero(t, tr)
	require.Equal(t, before, w.picture())
}

// TestAnyStory: whatever devices and administrators do, in whatever order, what
// must hold holds.
func TestAnyStory(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		w := newWorld(t, nil)
		type device struct {
			name  string
			lives []mdm.Authenticated
		}
		devices := []*device{{name: "A"}, {name: "B"}}
		generations := make(map[mdm.EnrollmentKey]mdm.Generation)
		for range rapid.IntRange(1, 25).Draw(r, "steps") {
			d := rapid.SampledFrom(devices).Draw(r, "device")
			any := func() (mdm.Authenticated, bool) {
				if len(d.lives) == 0 {
					return mdm.Authenticated{}, false
				}
				return rapid.SampledFrom(d.lives).Draw(r, "life"), true
			}
			switch rapid.SampledFrom([]string{"new", "new", "again", "renew", "confirm", "confirm", "confirm", "leave", "unenroll", "delete"}).Draw(r, "deed") {
			case "new":
				a := mac(d.name, w.life(d.name))
				if rapid.Bool().Draw(r, "windows") {
					a = pc("PC-"+d.name, a.Next)
				}
				d.lives = append(d.lives, a)
				_, err := w.apply(authenticated(a))
				require.NoError(r, err)
			case "again":
				if a, ok := any(); ok {
					_, _ = w.apply(authenticated(a))
				}
			case "renew":
				if a, ok := any(); ok {
					a.Next, a.Renewal = renewal(a.Next), true
					if _, err := w.apply(authenticated(a)); err == nil {
						d.lives = append(d.lives, a)
					}
				}
			case "confirm":
				if a, ok := any(); ok {
					e := w.enrollment(a.Natural)
					_, _ = w.apply(mdm.Signal{Kind: mdm.SignalConfirmed, Key: e.Key, Data: mdm.Confirmed{Pin: a.Next.Pin}})
				}
			case "leave":
				if a, ok := any(); ok {
					_, err := w.checkOut(a.Natural, a.Next.Generation)
					require.NoError(r, err)
				}
			case "unenroll":
				if a, ok := any(); ok {
					w.unenroll(w.enrollment(a.Natural).Host)
				}
			case "delete":
				if a, ok := any(); ok {
					w.delete(w.enrollment(a.Natural).Host)
				}
			}
			for _, h := range w.hosts() {
				es, err := w.Enrollments(w.ctx, tenant, h.Key)
				require.NoError(r, err)
				enrolled := 0
				for _, e := range es {
					require.GreaterOrEqual(r, e.Generation, generations[e.Key], "a generation only rises")
					generations[e.Key] = e.Generation
					require.Equal(r, e.Generation == 0, e.Pin.IsZero(), "who has lived has a certificate")
					switch e.State {
					case mdm.EnrollmentEnrolled:
						enrolled++
						require.NotZero(r, e.Generation)
						require.True(r, e.EndedAt.IsZero())
						require.False(r, e.EnrolledAt.IsZero())
					case mdm.EnrollmentEnded:
						require.False(r, e.EndedAt.IsZero())
					}
					if h.State == mdm.HostDeleted {
						require.Equal(r, mdm.EnrollmentEnded, e.State)
						require.Zero(r, e.Next, "nothing brings a tombstone back")
					}
				}
				require.LessOrEqual(r, enrolled, 1, "a host is managed over one device channel")
				require.Equal(r, h.State == mdm.HostEnrolled, enrolled == 1)
			}
		}
	})
}
