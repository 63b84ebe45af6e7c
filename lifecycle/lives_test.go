package lifecycle_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/lifecycle"
	"github.com/keelson-mdm/keelson/mdm"
)

func TestNewLife(t *testing.T) {
	w := newWorld(t, nil)
	first := mac("A", w.life("ada"))
	first.Team = 7
	tr := w.announce(first)
	require.Equal(t, lifecycle.Announced, tr.Kind)
	require.Equal(t, mdm.HostAuthenticating, tr.Host.State)
	require.Equal(t, mdm.TeamKey(7), tr.Host.Team)
	require.True(t, mdm.IsUUID(string(tr.Host.ID)))
	require.Empty(t, w.deliver(), "nobody is told before a confirmation")

	w.clock.add(time.Second)
	tr = w.confirm(first)
	e := w.enrollment(first.Natural)
	require.Equal(t, lifecycle.Transition{Kind: lifecycle.NewLife, Host: w.host(e.Host), Enrollment: e}, tr)
	require.Equal(t, mdm.Enrollment{
		Key: e.Key, ID: first.Next.ID, Natural: first.Natural, Protocol: mdm.AppleProtocol, Channel: mdm.DeviceChannel,
		Host: e.Host, HostID: tr.Host.ID, Platform: mdm.MacOS, Generation: first.Next.Generation,
		State: mdm.EnrollmentEnrolled, Pin: first.Next.Pin, EnrolledAt: w.clock.Now(),
	}, e)
	require.Equal(t, "ada", w.person(e.Host))
	events := w.deliver()
	require.Len(t, events, 1)
	require.Equal(t, mdm.EventEnrolled, events[0].Kind)
	require.Equal(t, first.Next.ID, events[0].Enrollment)
	require.Equal(t, first.Next.Generation, events[0].Generation)

	// The same machine again, by nobody and for another team.
	w.clock.add(time.Hour)
	second := mac("A", w.life(""))
	second.Team = 8
	second.Facts.OSVersion = "16"
	tr = w.enroll(second)
	require.Equal(t, e.Key, tr.Enrollment.Key, "one channel")
	require.Equal(t, second.Next.ID, tr.Enrollment.ID)
	require.Equal(t, w.clock.Now(), tr.Enrollment.EnrolledAt)
	require.Equal(t, e.Host, tr.Enrollment.Host)
	require.Empty(t, w.person(e.Host), "a person of an earlier life is not kept")
	require.Equal(t, mdm.TeamKey(7), w.host(e.Host).Team, "where it is, is not for an enrollment to say")
	require.Equal(t, "16", w.host(e.Host).OSVersion)
}

func TestRenewal(t *testing.T) {
	w := newWorld(t, nil)
	first := mac("A", w.life("ada"))
	before := w.enroll(first).Enrollment
	w.deliver()
	w.clock.add(time.Hour)
	next := mac("A", renewal(first.Next))
	next.Renewal = true
	next.Next.Person = "eve"
	w.announce(next)
	e := w.enrollment(first.Natural)
	require.Equal(t, first.Next.Pin, e.Pin, "the current certificate is good until the next is confirmed")
	tr := w.confirm(next)
	require.Equal(t, lifecycle.Renewed, tr.Kind)
	require.Empty(t, tr.Ended)
	want := before
	want.Pin = next.Next.Pin
	require.Equal(t, want, w.enrollment(first.Natural), "only the certificate has changed")
	require.Equal(t, want, tr.Enrollment)
	require.Equal(t, "ada", w.person(e.Host))
	events := w.deliver()
	require.Len(t, events, 1)
	require.Equal(t, mdm.EventRenewed, events[0].Kind)
}

// The current identity may say who it is again: facts are learned, and no life
// begins.
func TestAuthenticateAgain(t *testing.T) {
	w := newWorld(t, nil)
	a := mac("A", w.life("ada"))
	before := w.enroll(a).Enrollment
	w.deliver()
	a.Facts.OSVersion, a.Facts.HardwareID = "16", "B"
	require.Equal(t, lifecycle.None, w.announce(a).Kind)
	require.Equal(t, before, w.enrollment(a.Natural))
	require.Equal(t, "16", w.host(before.Host).OSVersion)
	require.Equal(t, "A", w.host(before.Host).HardwareID)
	require.Equal(t, lifecycle.None, w.confirm(a).Kind)
	require.Equal(t, before, w.enrollment(a.Natural))
	require.Empty(t, w.deliver())
}

func TestFacts(t *testing.T) {
	w := newWorld(t, nil)
	e := w.enroll(mac("A", w.life("ada"))).Enrollment
	was := w.host(e.Host)
	writes := 0
	w.fault = func(what string) error {
		if what == "host" {
			writes++
		}
		return nil
	}
	tell := func(f mdm.HostFacts) {
		tr, err := w.apply(mdm.Signal{Kind: mdm.SignalFacts, Key: e.Key, Host: e.Host, Data: f})
		require.NoError(t, err)
		require.Zero(t, tr)
	}
	tell(mdm.HostFacts{})
	tell(mdm.HostFacts{Name: was.Name, Serial: was.Serial, Platform: was.Platform})
	require.Zero(t, writes, "nothing new, nothing written")
	tell(mdm.HostFacts{Name: "Reception", OSVersion: "16", Model: "Mac15,3", HardwareID: "B"})
	require.Equal(t, 1, writes)
	want := was
	want.Name, want.OSVersion, want.Model = "Reception", "16", "Mac15,3"
	require.Equal(t, want, w.host(e.Host), "and its hardware id is not for it to say")

	w.delete(e.Host)
	gone := w.host(e.Host)
	tell(mdm.HostFacts{Name: "Ghost"})
	require.Equal(t, gone, w.host(e.Host))
}

// A CheckOut that took long on its way.
func TestLateCheckOut(t *testing.T) {
	w := newWorld(t, nil)
	first := mac("A", w.life("ada"))
	w.enroll(first)
	second := mac("A", w.life("ada"))
	w.announce(second)
	tr, err := w.checkOut(first.Natural, first.Next.Generation)
	require.NoError(t, err)
	require.Equal(t, lifecycle.TurnedOff, tr.Kind)
	require.Equal(t, second.Next, tr.Enrollment.Next, "the device left the old life for this one")
	require.Equal(t, lifecycle.NewLife, w.confirm(second).Kind)

	before := w.enrollment(first.Natural)
	w.deliver()
	for range 2 {
		tr, err = w.checkOut(first.Natural, first.Next.Generation)
		require.NoError(t, err)
		require.Zero(t, tr)
	}
	require.Equal(t, before, w.enrollment(first.Natural))
	require.Empty(t, w.deliver())
}

func TestCheckOutEndsARenewal(t *testing.T) {
	w := newWorld(t, nil)
	a := mac("A", w.life("ada"))
	w.enroll(a)
	next := mac("A", renewal(a.Next))
	next.Renewal = true
	w.announce(next)
	tr, err := w.checkOut(a.Natural, a.Next.Generation)
	require.NoError(t, err)
	require.Zero(t, tr.Enrollment.Next)
	require.Equal(t, mdm.HostUnenrolled, tr.Host.State)
	require.Equal(t, lifecycle.None, w.confirm(next).Kind)
}

// A machine that comes back under another natural key leaves its earlier channel
// for good, whatever was under way on it.
func TestOneChannelAHost(t *testing.T) {
	w := newWorld(t, nil)
	first, second, third := pc("D", w.life("ada")), pc("D", w.life("ada")), pc("D", w.life("ada"))
	w.enroll(first)
	w.announce(second)
	w.deliver()
	tr := w.enroll(third)
	require.Equal(t, w.enrollment(first.Natural).Host, tr.Host.Key)
	require.Equal(t, []mdm.Enrollment{w.enrollment(first.Natural), w.enrollment(second.Natural)}, tr.Ended)
	for _, e := range tr.Ended {
		require.Equal(t, mdm.EnrollmentEnded, e.State)
		require.Zero(t, e.Next)
		require.Equal(t, w.clock.Now(), e.EndedAt)
	}
	require.Equal(t, lifecycle.None, w.confirm(second).Kind)
	require.Equal(t, mdm.HostEnrolled, w.host(tr.Host.Key).State)
	require.Equal(t, []mdm.EventKind{mdm.EventEnrolled}, kinds(w.deliver()))

	tr = w.enroll(pc("D", w.life("ada")))
	require.Equal(t, []mdm.Enrollment{w.enrollment(third.Natural)}, tr.Ended, "what had ended before does not end again")
}

// Channels of users are not the device's to end.
func TestUserChannelsStay(t *testing.T) {
	w := newWorld(t, nil)
	first := w.enroll(pc("D", w.life("ada"))).Enrollment
	user := first
	user.Key, user.Natural, user.Channel, user.Parent = 0, "windows:user", mdm.UserChannel, first.Key
	require.NoError(t, w.do(func(ctx context.Context, tx mdm.Tx) error { return w.store.Lifecycle().PutEnrollment(ctx, tx, &user) }))
	tr := w.enroll(pc("D", w.life("ada")))
	require.Len(t, tr.Ended, 1)
	require.Equal(t, first.Key, tr.Ended[0].Key)
	require.Equal(t, mdm.EnrollmentEnrolled, w.enrollment(user.Natural).State)
}

// Whatever wrote it: no confirmation brings a tombstone back.
func TestTombstoneIsNotConfirmed(t *testing.T) {
	w := newWorld(t, nil)
	a := mac("A", w.life("ada"))
	h := w.announce(a).Host
	h.State = mdm.HostDeleted
	require.NoError(t, w.do(func(ctx context.Context, tx mdm.Tx) error { return w.store.Lifecycle().PutHost(ctx, tx, &h) }))
	e := w.enrollment(a.Natural)
	_, err := w.apply(mdm.Signal{Kind: mdm.SignalConfirmed, Key: e.Key, Data: mdm.Confirmed{Pin: a.Next.Pin}})
	require.ErrorIs(t, err, mdm.CodeIdentity)
	require.Equal(t, e, w.enrollment(a.Natural))
}

func kinds(es []mdm.Event) (out []mdm.EventKind) {
	for _, e := range es {
		out = append(out, e.Kind)
	}
	return out
}

// TestCleanUps is the table that the rooms follow.
func TestCleanUps(t *testing.T) {
	items := []lifecycle.Item{
		lifecycle.ItemQueue, lifecycle.ItemProfiles, lifecycle.ItemBootstrapToken, lifecycle.ItemUnlockToken,
		lifecycle.ItemPushInfo, lifecycle.ItemPerson, lifecycle.ItemCertificates,
	}
	transitions := []lifecycle.TransitionKind{
		lifecycle.NewLife, lifecycle.Renewed, lifecycle.TurnedOff, lifecycle.HostGone,
	}
	var table strings.Builder
	row := func(first string, cells []string) {
		fmt.Fprintf(&table, "%-16s", first)
		for _, c := range cells {
			fmt.Fprintf(&table, " %-10s", c)
		}
		table.WriteString("\n")
	}
	var head []string
	for _, k := range transitions {
		head = append(head, string(k))
		require.Len(t, lifecycle.CleanUps(k), len(items))
	}
	row("", head)
	for _, i := range items {
		var cells []string
		for _, k := range transitions {
			cells = append(cells, string(lifecycle.CleanUps(k)[i]))
		}
		require.False(t, slices.Contains(cells, ""), i)
		row(string(i), cells)
	}
	golden(t, "cleanups.txt", table.String())
	for _, k := range []lifecycle.TransitionKind{lifecycle.None, lifecycle.Announced, "of tomorrow"} {
		require.Empty(t, lifecycle.CleanUps(k))
	}
	lifecycle.CleanUps(lifecycle.NewLife)[lifecycle.ItemQueue] = lifecycle.Keep
	require.Equal(t, lifecycle.Cancel, lifecycle.CleanUps(lifecycle.NewLife)[lifecycle.ItemQueue], "the table is nobody's to change")
}
