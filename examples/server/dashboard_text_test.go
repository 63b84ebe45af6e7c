package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/keelson-mdm/keelson/profiles"
)

func TestBars(t *testing.T) {
	b := newBar(map[profiles.Status]int{profiles.Failed: 1, profiles.Verified: 998, profiles.Pending: 1, profiles.Removing: 0})
	require.Equal(t, "998 verified, 1 pending, 1 failed", b.Text())
	require.Equal(t, 99, b.Percent(), "100 means all")
	require.Equal(t, 1, b.Failing())
	require.False(t, b.Done())
	require.True(t, newBar(map[profiles.Status]int{profiles.Verified: 2, profiles.Unprovable: 1}).Done())
	require.Equal(t, "on no host", newBar(nil).Text())
	require.Zero(t, newBar(nil).Percent())

	rapid.Check(t, func(t *rapid.T) {
		counts := rapid.MapOf(rapid.SampledFrom(statuses()), rapid.IntRange(0, 1_000_000)).Draw(t, "counts")
		b, at, sum := newBar(counts), 0.0, 0
		for _, s := range b.Segments {
			require.InDelta(t, at, s.X, 1e-6, "one after the other")
			require.Positive(t, s.W)
			at, sum = s.X+s.W, sum+s.Count
		}
		require.Equal(t, b.Total, sum)
		if b.Total > 0 {
			require.InDelta(t, 100, at, 1e-6, "from end to end")
		}
		require.Equal(t, b.Total > 0 && b.Percent() == 100, b.Total > 0 && b.Done())
	})
}

func TestEveryWordIsSaid(t *testing.T) {
	for _, s := range statuses() {
		require.NotContains(t, statusText(s), "_")
	}
	for _, r := range []profiles.Reason{
		profiles.ReasonNotPlanned, profiles.ReasonQueued, profiles.ReasonRetryLater, profiles.ReasonUnobserved, profiles.ReasonProven,
		profiles.ReasonUnreadable, profiles.ReasonSameUUID, profiles.ReasonRefused, profiles.ReasonMissing, profiles.ReasonHeld,
		profiles.ReasonNotDesired, profiles.ReasonNotEnrolled,
	} {
		require.NotEqual(t, sentence(string(r))+".", reasonText(r), "%s has a sentence of its own", r)
	}
	require.Equal(t, "Something new.", reasonText("something_new"), "a later reason is still readable")
	for d, want := range map[time.Duration]string{
		-time.Second: "just now", 2 * time.Second: "just now", 59 * time.Second: "59 s ago", 90 * time.Minute: "1 h ago",
		47 * time.Hour: "47 h ago", 72 * time.Hour: "3 days ago",
	} {
		require.Equal(t, want, ago(d))
	}
	for d, want := range map[time.Duration]string{
		-time.Hour: "1 h ago", 0: "just now", time.Second: "in 1 s", 89 * time.Second: "in 1 min", 24*time.Hour - time.Second: "in 24 h", 7*24*time.Hour - time.Second: "in 7 days",
	} {
		require.Equal(t, want, until(d))
	}
	require.Equal(t, "1 host", plural(1, "host", "hosts"))
	require.Equal(t, "0 hosts", plural(0, "host", "hosts"))
}
