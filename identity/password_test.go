package identity_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/mdm"
)

// checker is an application's directory.
type checker func(ctx context.Context, user, password string) (string, error)

func (c checker) CheckPassword(ctx context.Context, _ mdm.TenantID, user, password string) (string, error) {
	return c(ctx, user, password)
}

func TestCheckPassword(t *testing.T) {
	busy := &mdm.Error{Code: mdm.CodeBusy, RetryAfter: time.Minute}
	for name, c := range map[string]struct {
		check checker
		want  string
		code  mdm.Code
	}{
		"right":        {func(_ context.Context, user, password string) (string, error) { return user + password, nil }, "adalovelace", ""},
		"wrong":        {func(context.Context, string, string) (string, error) { return "", mdm.CodeUnauthenticated }, "", mdm.CodeUnauthenticated},
		"wrong, told":  {func(context.Context, string, string) (string, error) { return "ada", mdm.CodeUnauthenticated }, "", mdm.CodeUnauthenticated},
		"locked":       {func(context.Context, string, string) (string, error) { return "", mdm.CodeForbidden }, "", mdm.CodeForbidden},
		"too often":    {func(context.Context, string, string) (string, error) { return "", busy }, "", mdm.CodeBusy},
		"fails":        {func(context.Context, string, string) (string, error) { return "ada", errors.New("down") }, "", mdm.CodeUnavailable},
		"times out":    {func(ctx context.Context, _, _ string) (string, error) { <-ctx.Done(); return "", ctx.Err() }, "", mdm.CodeUnavailable},
		"panics":       {func(context.Context, string, string) (string, error) { panic("down") }, "", mdm.CodeUnavailable},
		"names nobody": {func(context.Context, string, string) (string, error) { return "", nil }, "", mdm.CodeInternal},
		"names a book": {func(context.Context, string, string) (string, error) { return strings.Repeat("a", 256), nil }, "", mdm.CodeInternal},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(f *identity.Config) { f.Passwords, f.AdmitTimeout = c.check, time.Millisecond })
			person, err := w.CheckPassword(w.ctx, mdm.DefaultTenant, "ada", "lovelace")
			require.Equal(t, c.want, person)
			require.Equal(t, c.code, mdm.CodeOf(err))
			require.NotContains(t, fmt.Sprint(err), "lovelace")
		})
	}
	_, err := newWorld(t, nil).CheckPassword(context.Background(), mdm.DefaultTenant, "ada", "lovelace")
	require.ErrorIs(t, err, mdm.CodeUnauthenticated)
}

func TestIssueTo(t *testing.T) {
	var asked []mdm.Admission
	w := newWorld(t, func(c *identity.Config) {
		c.Admitter = admitter(func(_ context.Context, a mdm.Admission) error { asked = append(asked, a); return nil })
	})
	cl := identity.Claim{
		Protocol: mdm.WindowsProtocol, Channel: mdm.DeviceChannel,
		Facts: mdm.HostFacts{Platform: mdm.Windows, HardwareID: "DEVICE", Name: "PC"},
	}
	key := newKey(t)
	leaf, a, err := w.IssueTo(w.ctx, mdm.DefaultTenant, "ada", cl, 7, &key.PublicKey)
	require.NoError(t, err)
	require.NoError(t, w.Verify(w.ctx, mdm.DefaultTenant, leaf))
	require.True(t, key.PublicKey.Equal(leaf.PublicKey))
	c := w.stored(leaf)
	require.Equal(t, identity.Issued, c.State)
	require.Equal(t, mdm.Admission{Tenant: mdm.DefaultTenant, Protocol: mdm.WindowsProtocol, Facts: cl.Facts, Intent: c.Intent, Person: "ada"}, asked[0])

	require.NoError(t, w.do(func(ctx context.Context, tx mdm.Tx) error {
		auth, err := w.Bind(ctx, tx, a)
		require.Equal(t, mdm.Authenticated{
			Natural: mdm.WindowsNatural(c.Enrollment), Protocol: mdm.WindowsProtocol, Channel: mdm.DeviceChannel,
			Next:  mdm.NextLife{ID: c.Enrollment, Generation: c.Generation, Pin: identity.HashOf(leaf), Person: "ada"},
			Facts: cl.Facts, Intent: c.Intent, Team: 7,
		}, auth)
		return err
	}))
	require.Equal(t, identity.Bound, w.stored(leaf).State)

	again, _, err := w.IssueTo(w.ctx, mdm.DefaultTenant, "ada", cl, 7, &key.PublicKey)
	require.NoError(t, err)
	require.NotEqual(t, w.stored(leaf).Enrollment, w.stored(again).Enrollment, "each time another channel")
	require.Greater(t, w.stored(again).Generation, w.stored(leaf).Generation)

	before := w.dump()
	_, _, err = w.IssueTo(w.ctx, mdm.DefaultTenant, strings.Repeat("a", 256), cl, 0, &key.PublicKey)
	require.ErrorIs(t, err, mdm.CodeInvalid)
	_, _, err = w.IssueTo(w.ctx, "nobody", "ada", cl, 0, &key.PublicKey)
	require.ErrorIs(t, err, mdm.CodeNotFound)
	require.Equal(t, before, w.dump())
}
