package main

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/mdmtest"
)

// newDevices makes the devices, which have not enrolled yet. Who they are is the
// same at every start.
func newDevices(d *demo) []*simulated {
	mac := &appleMachine{d: d, kind: mdmtest.AppleMac, platform: mdm.MacOS, opts: mdmtest.AppleOptions{
		UDID: "7D3B0C52-1F0E-5B7A-9C44-6B65656C736F", Serial: "DEMOMAC001", Name: "Maya’s MacBook Pro", RootCAs: d.s.identity.trust,
	}}
	phone := &appleMachine{d: d, kind: mdmtest.AppleIPhone, platform: mdm.IOS, opts: mdmtest.AppleOptions{
		UDID: "00008130-0006B65656C7001E", Serial: "DEMOIPH001", Name: "Noah’s iPhone", RootCAs: d.s.identity.trust,
	}}
	pc := &pcMachine{d: d, opts: mdmtest.PCOptions{
		DeviceID: "6B65656C736F4E00800064656D6F0001",
		HWDevID:  "6B65656C736F4E00800064656D6F00016B65656C736F4E00800064656D6F0001",
		Name:     "LENA-LAPTOP", Serial: "DEMOPC0001", Roots: d.s.identity.trust,
	}}
	mac.device.Store(mdmtest.NewApple(mac.kind, "", &mac.opts))
	phone.device.Store(mdmtest.NewApple(phone.kind, "", &phone.opts))
	pc.device = mdmtest.NewPC(d.s.url, d.s.people.user, d.s.people.password, &pc.opts)
	live := func(m machine, serial, file string, every time.Duration) *simulated {
		return &simulated{machine: m, d: d, serial: serial, file: "demo/" + file, every: every, woken: make(chan struct{}, 1)}
	}
	return []*simulated{
		live(mac, mac.opts.Serial, "mac.json", 30*time.Second),
		live(phone, phone.opts.Serial, "iphone.json", 30*time.Second),
		live(pc, pc.opts.Serial, "pc.json", 1500*time.Millisecond), // nothing wakes a PC yet
	}
}

// appleMachine is the Mac or the iPhone.
type appleMachine struct {
	d        *demo
	kind     mdmtest.AppleKind
	platform mdm.Platform
	opts     mdmtest.AppleOptions
	device   atomic.Pointer[mdmtest.Apple]
}

func (m *appleMachine) enrolled() bool                  { return m.device.Load().Enrolled() }
func (m *appleMachine) pushed(token, magic string) bool { return m.device.Load().Pushed(token, magic) }
func (m *appleMachine) snapshot() ([]byte, error)       { return m.device.Load().Snapshot(), nil }
func (m *appleMachine) restore(snapshot []byte) error   { return m.device.Load().Restore(snapshot) }

func (m *appleMachine) poll(ctx context.Context) error {
	_, err := m.device.Load().Poll(ctx)
	return err
}

// enroll follows a link, as an administrator makes it for one device.
func (m *appleMachine) enroll(ctx context.Context) error {
	who := mdm.WithActor(ctx, mdm.Actor{Kind: "system", Name: "demo"})
	link, err := m.d.s.mdm.Enrollments().Link(who, keelson.LinkRequest{
		Platform: m.platform, Serials: []string{m.opts.Serial}, Lifetime: time.Hour,
	})
	if err != nil {
		return err
	}
	device := mdmtest.NewApple(m.kind, link.URL, &m.opts)
	m.device.Store(device)
	return device.Enroll(ctx)
}

// pcMachine is the Windows PC.
type pcMachine struct {
	d      *demo
	opts   mdmtest.PCOptions
	device *mdmtest.PCDevice
}

func (m *pcMachine) enrolled() bool                   { return m.device.State() == mdmtest.PCEnrolled }
func (m *pcMachine) pushed(_, _ string) bool          { return false }
func (m *pcMachine) enroll(ctx context.Context) error { return m.device.Enroll(ctx) }
func (m *pcMachine) snapshot() ([]byte, error)        { return m.device.Snapshot() }
func (m *pcMachine) poll(ctx context.Context) error   { _, err := m.device.Sync(ctx); return err }

func (m *pcMachine) restore(snapshot []byte) (err error) {
	m.device, err = mdmtest.RestorePC(snapshot, &m.opts)
	return err
}
