package keelson_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson"
)

// clock stands still at a time.
type clock time.Time

func (c clock) Now() time.Time { return time.Time(c) }

func TestDoctor(t *testing.T) {
	areas := func(change func(*keelson.Config)) map[string]bool {
		w := serve(t, newInmem(), change)
		out := make(map[string]bool)
		for _, f := range w.Doctor(t.Context()) {
			require.NotEmpty(t, f.Message)
			out[f.Area] = out[f.Area] || f.Broken
		}
		return out
	}
	require.Equal(t, map[string]bool{"apple": false}, areas(nil), "only the pusher is missing")
	require.Equal(t, map[string]bool{"apple": false, "windows": false},
		areas(func(c *keelson.Config) { c.Topic, c.Passwords = "", nil }))
	cert, _ := authority()
	require.Equal(t, map[string]bool{"apple": false, "ca": true, "scep": true},
		areas(func(c *keelson.Config) { c.Clock, c.Anchors = clock(cert.NotAfter.Add(time.Hour)), nil }))
	require.Equal(t, map[string]bool{"apple": false, "ca": false, "scep": false},
		areas(func(c *keelson.Config) { c.Clock, c.Anchors = clock(cert.NotAfter.Add(-time.Hour)), nil }))
	require.Equal(t, map[string]bool{"apple": false, "ca": true, "scep": true},
		areas(func(c *keelson.Config) { c.Clock, c.Anchors = clock(cert.NotBefore.Add(-time.Hour)), nil }))
}
