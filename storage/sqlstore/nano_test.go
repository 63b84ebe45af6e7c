package sqlstore_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"strings"
	"testing"
	"time"

	nanomdm "github.com/micromdm/nanomdm/mdm"
	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/storage/nanostore"
)

// TestNanoPlans makes every statement of the adapter's room, and holds it to a plan
// that reads no table whole, nor all rows of a tenant but in pages.
func TestNanoPlans(t *testing.T) {
	ctx := context.Background()
	file, made := fresh(t, template(t)), &book{}
	db := sql.OpenDB(&recorder{dsn: "file:" + file + "?" + pragmas, book: made})
	t.Cleanup(func() { _ = db.Close() })
	st := open(t, db, nil)
	require.NoError(t, st.Lifecycle().PutTenant(ctx, mdm.DefaultTenant))
	r := st.Nano()
	now := time.Unix(1, 0)
	require.NoError(t, st.InTx(ctx, mdm.DefaultTenant, func(ctx context.Context, tx mdm.Tx) error {
		require.NoError(t, r.PutChannel(ctx, tx, nanostore.Channel{Enrollment: 1, Tally: 3}))
		c, err := r.ChannelTx(ctx, tx, 1)
		require.NoError(t, err)
		require.Equal(t, 3, c.Tally)
		require.NoError(t, r.PutMessage(ctx, tx, nanostore.Message{Enrollment: 1, Kind: nanostore.Authenticate, Sealed: []byte("x"), At: now}))
		for range 3 {
			require.NoError(t, r.Associate(ctx, tx, "apple:D", "hash", now))
		}
		return r.PutPushCertificate(ctx, tx, nanostore.PushCertificate{Topic: "topic", Version: "1", At: now})
	}))
	_, err := r.Channel(ctx, mdm.DefaultTenant, 1)
	require.NoError(t, err)
	_, err = r.Devices(ctx, mdm.DefaultTenant, 0, 10)
	require.NoError(t, err)
	ms, err := r.Messages(ctx, mdm.DefaultTenant, 1)
	require.NoError(t, err)
	require.Equal(t, []nanostore.Message{{Enrollment: 1, Kind: nanostore.Authenticate, Sealed: []byte("x"), At: now.UTC()}}, ms)
	hash, err := r.HashOf(ctx, mdm.DefaultTenant, "apple:D")
	require.NoError(t, err)
	require.Equal(t, "hash", hash)
	_, err = r.ChannelOf(ctx, mdm.DefaultTenant, "hash")
	require.NoError(t, err)
	c, err := r.PushCertificate(ctx, mdm.DefaultTenant, "topic")
	require.NoError(t, err)
	require.Equal(t, now.UTC(), c.At)
	require.Len(t, table(t, db, "SELECT id FROM keelson_nano_certificate"), 1, "what said the same before is gone")

	seen := 0
	other := connect(t, file, pragmas)
	for _, q := range made.all() {
		if !strings.Contains(q, "keelson_nano_") || strings.HasPrefix(q, dumping) {
			continue
		}
		seen++
		for _, step := range plan(t, other, q) {
			require.NotRegexp(t, `^SCAN (c|e|keelson)`, step, q)
			require.NotContains(t, step, "(tenant=?)", q)
		}
	}
	require.Greater(t, seen, 10)
}

// A device without a push token hides no other, here either: no bytes are not NULL.
func TestNanoWithoutToken(t *testing.T) {
	ctx := context.Background()
	st, _ := newStore(t)
	box, err := mdm.NewBox(mdm.LocalKeyring{Current: "k", Keys: map[string][]byte{"k": bytes.Repeat([]byte{1}, 32)}}, rand.Reader)
	require.NoError(t, err)
	s, err := nanostore.New(nanostore.Config{Store: st, Box: box, Clock: mdm.SystemClock{}, Rand: rand.Reader})
	require.NoError(t, err)
	d := nanomdm.NewRequestWithContext(ctx, nil)
	d.EnrollID = &nanomdm.EnrollID{Type: nanomdm.Device, ID: "D"}
	require.NoError(t, s.StoreAuthenticate(d, &nanomdm.Authenticate{Raw: []byte("raw")}))
	require.NoError(t, s.StoreTokenUpdate(d, &nanomdm.TokenUpdate{Raw: []byte("raw")}))
	p, err := s.RetrievePushInfo(ctx, []string{"D"})
	require.NoError(t, err)
	require.Len(t, p, 1)
}
