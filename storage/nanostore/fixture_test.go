package nanostore_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"testing"
	"time"

	nanomdm "github.com/micromdm/nanomdm/mdm"
	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/storage/inmem"
	"github.com/keelson-mdm/keelson/storage/nanostore"
)

var (
	ctx   = context.Background()
	epoch = time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC)
)

// clock stands still until it is moved.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func box(t testing.TB, name string) *mdm.Box {
	b, err := mdm.NewBox(mdm.LocalKeyring{Current: name, Keys: map[string][]byte{name: bytes.Repeat([]byte(name), 32)}}, rand.Reader)
	require.NoError(t, err)
	return b
}

// fixture is a storage for a tenant of a store.
type fixture struct {
	*nanostore.Storage
	t      testing.TB
	store  nanostore.Backend
	tenant mdm.TenantID
	config nanostore.Config
}

func over(t testing.TB, b nanostore.Backend, tenant mdm.TenantID) *fixture {
	require.NoError(t, b.Lifecycle().PutTenant(ctx, tenant))
	f := &fixture{t: t, store: b, tenant: tenant}
	f.config = nanostore.Config{Store: b, Tenant: tenant, Box: box(t, "k"), Clock: &clock{epoch}, Rand: rand.Reader}
	var err error
	f.Storage, err = nanostore.New(f.config)
	require.NoError(t, err)
	return f
}

func newFixture(t testing.TB) *fixture { return over(t, inmem.New(nil), mdm.DefaultTenant) }

// request is one of a device.
func request(id string) *nanomdm.Request {
	r := nanomdm.NewRequestWithContext(ctx, nil)
	r.EnrollID = &nanomdm.EnrollID{Type: nanomdm.Device, ID: id}
	return r
}

// userRequest is one of a user of a device.
func userRequest(device, user string) *nanomdm.Request {
	r := nanomdm.NewRequestWithContext(ctx, nil)
	r.EnrollID = &nanomdm.EnrollID{Type: nanomdm.User, ID: device + ":" + user, ParentID: device}
	return r
}

const authenticate = `<plist version="1.0"><dict><key>MessageType</key><string>Authenticate</string>
<key>UDID</key><string>D</string><key>Topic</key><string>topic</string><key>SerialNumber</key><string>S1</string>
<key>ProductName</key><string>iPhone14,5</string><key>DeviceName</key><string>A phone</string><key>OSVersion</key><string>26.1</string></dict></plist>`

func (f *fixture) authenticate(id string) {
	f.t.Helper()
	require.NoError(f.t, f.StoreAuthenticate(request(id), &nanomdm.Authenticate{SerialNumber: "S1", Raw: []byte(authenticate)}))
}

func tokenUpdate(r *nanomdm.Request) *nanomdm.TokenUpdate {
	return &nanomdm.TokenUpdate{
		Push: nanomdm.Push{Topic: "topic", PushMagic: "magic of " + r.ID, Token: []byte("token of " + r.ID)}, UnlockToken: []byte("unlock of " + r.ID),
		Raw: []byte("raw of " + r.ID),
	}
}

func (f *fixture) update(r *nanomdm.Request) {
	f.t.Helper()
	require.NoError(f.t, f.StoreTokenUpdate(r, tokenUpdate(r)))
}

// enroll enrolls a device.
func (f *fixture) enroll(id string) *nanomdm.Request {
	f.t.Helper()
	f.authenticate(id)
	f.update(request(id))
	return request(id)
}

func newCommand(uuid string) *nanomdm.Command {
	c := &nanomdm.Command{CommandUUID: uuid, Raw: []byte("raw " + uuid)}
	c.Command.RequestType = "ProfileList"
	return c
}

// queue queues a command for channels; it is queued for all.
func (f *fixture) queue(uuid string, ids ...string) {
	f.t.Helper()
	failed, err := f.EnqueueCommand(ctx, ids, newCommand(uuid))
	require.NoError(f.t, err)
	require.Empty(f.t, failed)
}

// next is the CommandUUID of what leaves next, "" when nothing does.
func (f *fixture) next(r *nanomdm.Request) string {
	f.t.Helper()
	c, err := f.RetrieveNextCommand(r, false)
	require.NoError(f.t, err)
	if c == nil {
		return ""
	}
	return c.CommandUUID
}

func report(uuid, status string) *nanomdm.CommandResults {
	return &nanomdm.CommandResults{CommandUUID: uuid, Status: status, Raw: []byte("answer to " + uuid)}
}

func (f *fixture) enrollment(id string) mdm.Enrollment {
	f.t.Helper()
	e, err := f.store.Identity().Enrollment(ctx, f.tenant, mdm.AppleNatural(id))
	require.NoError(f.t, err)
	return e
}

func (f *fixture) host(id string) mdm.Host {
	f.t.Helper()
	h, err := f.store.Lifecycle().HostByKey(ctx, f.tenant, f.enrollment(id).Host)
	require.NoError(f.t, err)
	return h
}

func (f *fixture) tally(id string) int {
	f.t.Helper()
	n, err := f.RetrieveTokenUpdateTally(ctx, id)
	require.NoError(f.t, err)
	return n
}

func (f *fixture) push(ids ...string) map[string]*nanomdm.Push {
	f.t.Helper()
	p, err := f.RetrievePushInfo(ctx, ids)
	require.NoError(f.t, err)
	return p
}
