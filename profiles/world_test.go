package profiles_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
	"github.com/keelson-mdm/keelson/queue"
	"github.com/keelson-mdm/keelson/storage/inmem"
)

const tenant = mdm.DefaultTenant

// world is an engine on a store in memory, with a real queue and devices.
type world struct {
	t      testing.TB
	ctx    context.Context
	clock  *clock
	store  *inmem.Store
	queue  *queue.Queue
	engine *profiles.Engine
	config profiles.Config

	fault func(write string) error // nil fails no write
	woken []mdm.EnrollmentKey
	hosts int
}

// clock stands still until it is moved.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.at }

func (c *clock) add(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.at = c.at.Add(d) }

// seeded is randomness that is the same in every run.
func seeded() *rand.ChaCha8 { return rand.NewChaCha8([32]byte{1}) }

// newWorld makes a world; change, when not nil, alters the engine's
// configuration.
func newWorld(t testing.TB, change func(*profiles.Config)) *world {
	w := &world{t: t, ctx: t.Context(), clock: &clock{at: epoch}}
	w.store = inmem.New(&inmem.Options{Fault: func(write string) error {
		if w.fault == nil {
			return nil
		}
		return w.fault(write)
	}})
	require.NoError(t, w.store.Lifecycle().PutTenant(w.ctx, tenant))
	box, err := mdm.NewBox(mdm.LocalKeyring{Current: "k", Keys: map[string][]byte{"k": make([]byte, 32)}}, seeded())
	require.NoError(t, err)
	w.queue, err = queue.New(queue.Config{Store: w.store.Queue(), Box: box, Clock: w.clock, Rand: seeded()})
	require.NoError(t, err)
	w.config = profiles.Config{
		Store: w.store.Profiles(), Transactor: w.store, Queue: w.queue, Box: box, Clock: w.clock, Rand: seeded(),
		Formats: map[profiles.Family]profiles.Format{
			profiles.AppleProfile:   textFormat{family: profiles.AppleProfile},
			profiles.WindowsProfile: textFormat{family: profiles.WindowsProfile},
		},
		Reserved: []string{"com.example.mdm."},
		Wake:     func(_ mdm.TenantID, es []mdm.EnrollmentKey) { w.woken = append(w.woken, es...) },
		Tenants:  w.store.Lifecycle().Tenants,
	}
	if change != nil {
		change(&w.config)
	}
	w.engine, err = profiles.New(w.config)
	require.NoError(t, err)
	return w
}

// unit runs fn in a unit of work.
func (w *world) unit(fn func(ctx context.Context, tx mdm.Tx) error) error {
	return w.store.InTx(w.ctx, tenant, fn)
}

// enroll makes a host that is enrolled in a team, and plans it as enrollment
// does.
func (w *world) enroll(p mdm.Platform, team mdm.TeamKey) *device {
	w.hosts++
	d := &device{w: w, apple: map[string]string{}, nodes: map[string]string{}}
	d.host = mdm.Host{ID: mdm.HostID(fmt.Sprintf("host-%d", w.hosts)), Platform: p, Team: team, State: mdm.HostEnrolled}
	d.e = mdm.Enrollment{
		ID: mdm.EnrollmentID(fmt.Sprintf("life-%d", w.hosts)), Natural: mdm.Natural(fmt.Sprintf("apple:%d", w.hosts)),
		Channel: mdm.DeviceChannel, Generation: 1, State: mdm.EnrollmentEnrolled, Pin: mdm.Hash{byte(w.hosts), byte(w.hosts >> 8), 1},
	}
	require.NoError(w.t, w.unit(func(ctx context.Context, tx mdm.Tx) error {
		d.host.Key, d.e.Key = 0, 0
		if err := w.store.Lifecycle().PutHost(ctx, tx, &d.host); err != nil {
			return err
		}
		d.e.Host, d.e.HostID, d.e.Platform = d.host.Key, d.host.ID, p
		if err := w.store.Lifecycle().PutEnrollment(ctx, tx, &d.e); err != nil {
			return err
		}
		return w.engine.Enrolled(ctx, tx, d.e)
	}))
	return d
}

// upload creates a profile. Body is the content without its identifier.
func (w *world) upload(team mdm.TeamKey, identifier, body string, scope ...profiles.Scope) profiles.Profile {
	p, _, err := w.engine.Create(w.ctx, tenant, upload(team, identifier, body, scope...))
	require.NoError(w.t, err)
	return p
}

func upload(team mdm.TeamKey, identifier, body string, scope ...profiles.Scope) profiles.Upload {
	u := profiles.Upload{Name: identifier, Family: profiles.AppleProfile, Team: team, Content: content(identifier, body)}
	if len(scope) > 0 {
		u.Scope = scope[0]
	}
	return u
}

// windows makes an upload a Windows profile.
func windows(u profiles.Upload) profiles.Upload {
	u.Family, u.Identifier = profiles.WindowsProfile, u.Name
	return u
}

func (w *world) uploadWindows(team mdm.TeamKey, identifier, body string) profiles.Profile {
	p, _, err := w.engine.Create(w.ctx, tenant, windows(upload(team, identifier, body)))
	require.NoError(w.t, err)
	return p
}

func (w *world) update(p profiles.Profile, ch profiles.Change) profiles.Profile {
	p, _, err := w.engine.Update(w.ctx, tenant, p.ID, ch)
	require.NoError(w.t, err)
	return p
}

// reconcile plans until nothing is left to do at once.
func (w *world) reconcile() (units int) {
	units, err := w.engine.ReconcileAll(w.ctx, tenant)
	require.NoError(w.t, err)
	return units
}

// settle plans and lets devices answer until all is quiet, without time passing.
func (w *world) settle(devices ...*device) {
	for range 100 {
		w.reconcile()
		busy := false
		for _, d := range devices {
			busy = d.pollAll() > 0 || busy
		}
		if !busy {
			return
		}
	}
	require.Fail(w.t, "the devices do not come to rest")
}

// counts are a profile's, empty statuses left out.
func (w *world) counts(p profiles.Profile) profiles.Counts {
	all, err := w.engine.CountsOf(w.ctx, tenant, p.Team)
	require.NoError(w.t, err)
	return all[p.Key]
}

// team makes a team.
func (w *world) team(name string) mdm.TeamKey {
	t, err := w.engine.CreateTeam(w.ctx, tenant, name)
	require.NoError(w.t, err)
	return t.Key
}

// label makes a label.
func (w *world) label(name string, def profiles.Tri) mdm.LabelKey {
	l, err := w.engine.CreateLabel(w.ctx, tenant, name, def)
	require.NoError(w.t, err)
	return l.Key
}

// backlog is how many hosts wait to be planned.
func (w *world) backlog() int {
	n, err := w.engine.Backlog(w.ctx, tenant)
	require.NoError(w.t, err)
	return n
}
