package keelson_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/mdmtest"
	"github.com/keelson-mdm/keelson/profiles"
	"github.com/keelson-mdm/keelson/storage"
)

func TestMacCarriesItsProfiles(t *testing.T) {
	backends(t, func(t *testing.T, open func(storage.FaultHook) storage.Store) {
		w := serve(t, open(nil), nil)
		ctx := t.Context()
		p, err := w.Profiles().Create(ctx, keelson.ProfileUpload{Content: appleProfile("com.example.one", "One", "A")})
		require.NoError(t, err)
		mac := mdmtest.Mac(t, w.link(), &mdmtest.AppleOptions{RootCAs: w.roots}).Enroll()
		w.settle(mac.Poll)
		require.Equal(t, profiles.Verified, w.status(p.ID))
		have, ok := mac.Profile("com.example.one")
		require.True(t, ok)
		require.Equal(t, appleProfile("com.example.one", "One", "A"), have.Raw)
		require.Equal(t, 1, w.count(p.ID, profiles.Verified))
	})
}

// settle plans and lets a device poll until nothing moves any more.
func (w *world) settle(polls ...func() int) {
	w.t.Helper()
	for range 20 {
		moved := 0
		require.NoError(w.t, w.Plan(context.Background()))
		for _, poll := range polls {
			moved += poll()
		}
		if moved == 0 {
			return
		}
	}
	w.t.Fatal("devices and server never come to rest")
}

// host is the only host.
func (w *world) host() keelson.HostDetail {
	w.t.Helper()
	hs, err := w.Hosts().List(context.Background(), keelson.HostFilter{}, keelson.Page{})
	require.NoError(w.t, err)
	require.Len(w.t, hs, 1)
	d, err := w.Hosts().Get(context.Background(), hs[0].ID)
	require.NoError(w.t, err)
	return d
}

// status is that of one profile on the only host.
func (w *world) status(id mdm.ProfileID) profiles.Status {
	w.t.Helper()
	for _, p := range w.host().Profiles {
		if p.Profile == id {
			return p.Status
		}
	}
	return ""
}

func (w *world) count(id mdm.ProfileID, s profiles.Status) int {
	w.t.Helper()
	p, err := w.Profiles().Get(context.Background(), id)
	require.NoError(w.t, err)
	return p.Counts[s]
}

// appleProfile is a small profile with one payload of preferences.
func appleProfile(identifier, name, uuid string) []byte {
	id := "00000000-0000-4000-8000-00000000000" + uuid
	return []byte(`<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict>
	<key>PayloadType</key><string>Configuration</string>
	<key>PayloadVersion</key><integer>1</integer>
	<key>PayloadScope</key><string>System</string>
	<key>PayloadIdentifier</key><string>` + identifier + `</string>
	<key>PayloadUUID</key><string>` + id + `</string>
	<key>PayloadDisplayName</key><string>` + name + `</string>
	<key>PayloadContent</key><array><dict>
		<key>PayloadType</key><string>com.apple.screensaver</string>
		<key>PayloadVersion</key><integer>1</integer>
		<key>PayloadIdentifier</key><string>` + identifier + `.screensaver</string>
		<key>PayloadUUID</key><string>1` + id[1:] + `</string>
		<key>askForPassword</key><true/>
	</dict></array>
</dict></plist>
`)
}

func TestPCCarriesItsProfiles(t *testing.T) {
	backends(t, func(t *testing.T, open func(storage.FaultHook) storage.Store) {
		w := serve(t, open(nil), nil)
		ctx := t.Context()
		p, err := w.Profiles().Create(ctx, keelson.ProfileUpload{Name: "Camera off", Content: windowsProfile("Camera/AllowCamera", "0")})
		require.NoError(t, err)
		pc := mdmtest.PC(t, w.url, "ada", "lovelace").Enroll()
		sync := func() int { pc.Sync(); return 0 }
		for range 6 {
			w.settle(sync)
		}
		require.Equal(t, profiles.Verified, w.status(p.ID), "%+v", w.host().Profiles)
		pc.NoDuplicates()
	})
}

// TestPCThatLetsNothingBeRead: what a PC took and does not show is accepted, and
// nobody is told that it was seen.
func TestPCThatLetsNothingBeRead(t *testing.T) {
	w := serve(t, newInmem(), nil)
	ctx := t.Context()
	p, err := w.Profiles().Create(ctx, keelson.ProfileUpload{Name: "Camera off", Content: windowsProfile("Camera/AllowCamera", "0")})
	require.NoError(t, err)
	pc := mdmtest.PC(t, w.url, "ada", "lovelace").Enroll()
	pc.Sync() // delivered
	require.NoError(t, w.Plan(ctx))
	pc.Answer("./Device/Vendor/MSFT/Policy/Config/Camera/AllowCamera", 405, -1)
	for range 4 {
		w.settle(func() int { pc.Sync(); return 0 })
	}
	require.Equal(t, profiles.Unprovable, w.status(p.ID))
	on := w.host().Profiles[0]
	require.Equal(t, profiles.ReasonUnreadable, on.Reason)
	require.Equal(t, profiles.Accepted, on.Evidence)
	pc.NoDuplicates()
}

// windowsProfile sets one policy.
func windowsProfile(policy, value string) []byte {
	return []byte(`<Replace><Item><Target><LocURI>./Device/Vendor/MSFT/Policy/Config/` + policy + `</LocURI></Target>` +
		`<Meta><Format xmlns="syncml:metinf">int</Format></Meta><Data>` + value + `</Data></Item></Replace>`)
}
