package keelson_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/mdmtest"
	"github.com/keelson-mdm/keelson/storage"
)

// TestAKeyOutlivesTheEnrollment: the command that made a device leave, or come back
// as another channel, is not queued again when it is asked for again.
func TestAKeyOutlivesTheEnrollment(t *testing.T) {
	backends(t, func(t *testing.T, open func(storage.FaultHook) storage.Store) {
		w := serve(t, open(nil), nil)
		ctx := t.Context()
		pc := mdmtest.NewPC(w.url, "ada", "lovelace", &mdmtest.PCOptions{Key: w.rsaKey})
		enroll := func() {
			t.Helper()
			require.NoError(t, pc.Enroll(ctx))
			_, err := pc.Sync(ctx)
			require.NoError(t, err)
		}
		enroll()
		host := w.host()
		r := keelson.CommandRequest{
			Kind: mdm.KindSyncML, Idempotency: "wipe", Redelivery: mdm.Once, Expires: time.Now().Add(time.Hour),
			Content: []byte(`<Exec><Item><Target><LocURI>./Device/Vendor/MSFT/RemoteWipe/doWipe</LocURI></Target></Item></Exec>`),
		}
		first, err := w.Commands().Send(ctx, host.ID, r)
		require.NoError(t, err)
		same := func(when string) {
			t.Helper()
			again, err := w.Commands().Send(ctx, host.ID, r)
			require.NoError(t, err, when)
			require.Equal(t, first, again, when)
			other := r
			other.Redelivery = mdm.Frozen
			_, err = w.Commands().Send(ctx, host.ID, other)
			require.ErrorIs(t, err, mdm.CodeKeyReused, when)
		}
		same("while it waits")
		require.NoError(t, w.Hosts().Unenroll(ctx, host.ID))
		same("when the host has left")
		enroll()
		require.Equal(t, host.ID, w.host().ID)
		require.NotEqual(t, host.Enrollments[0].ID, w.host().Enrollments[len(w.host().Enrollments)-1].ID)
		same("when it has enrolled anew")
		r.Idempotency = "wipe again"
		second, err := w.Commands().Send(ctx, host.ID, r)
		require.NoError(t, err)
		require.NotEqual(t, first, second)
	})
}
