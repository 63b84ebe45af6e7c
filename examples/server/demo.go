package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/apple/apns"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/mdmtest"
	"github.com/keelson-mdm/keelson/profiles"
)

// demoTopic is the push topic of the demonstration. Devices remember it, so it
// is the same at every start.
const demoTopic = "com.apple.mgmt.External.6b65656c-736f-4e00-8000-64656d6f0000"

// demo is a push service, three devices and the profiles for them.
type demo struct {
	s       *server
	apns    *mdmtest.APNs
	devices []*simulated
}

// openDemo starts the push service and fills in what the demonstration needs of
// the server: its pusher, and somebody who may enroll the PC.
func openDemo(s *server) (*demo, error) {
	fake, err := mdmtest.StartAPNs(&mdmtest.APNsOptions{Topic: demoTopic, Keep: -1})
	if err != nil {
		return nil, fmt.Errorf("start the simulated push service: %w", err)
	}
	d := &demo{s: s, apns: fake}
	s.closers = append(s.closers, d.close)
	pusher, err := apns.New(fake.Certificate, &apns.Options{Host: fake.URL, RootCAs: fake.RootCAs, Logger: s.log})
	if err != nil {
		return nil, err
	}
	s.push = &push{pusher: pusher, topic: demoTopic}
	s.closers = append(s.closers, s.push.close)
	if s.people.user == "" {
		if s.people.password, err = s.data.secret("demo/password"); err != nil {
			return nil, err
		}
		s.people.user = "demo"
	}
	d.devices = newDevices(d)
	if err := d.move(); err != nil {
		return nil, err
	}
	fake.OnPush(func(token, magic string) {
		for _, dev := range d.devices {
			if dev.pushed(token, magic) {
				dev.wake()
			}
		}
	})
	return d, nil
}

// move forgets the devices of another URL: they would go on asking there. They
// enroll again, as what they were.
func (d *demo) move() error {
	if !d.s.db.lasts {
		return nil
	}
	const file = "demo/url"
	before, err := d.s.data.read(file)
	if err != nil || string(before) == d.s.url {
		return err
	}
	for _, dev := range d.devices {
		if err := os.Remove(d.s.data.path(dev.file)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return d.s.data.write(file, []byte(d.s.url))
}

func (d *demo) close() error {
	d.apns.Close()
	return nil
}

// run lives the lives of the devices until ctx ends.
func (d *demo) run(ctx context.Context) {
	if err := seed(ctx, d.s.mdm.Profiles()); err != nil {
		d.s.log.Error("the profiles of the demonstration were not uploaded", "error", err)
		return
	}
	var wg sync.WaitGroup
	for _, dev := range d.devices {
		wg.Go(func() { dev.live(ctx) })
	}
	wg.Go(func() { d.announce(ctx) })
	wg.Wait()
}

// announce says so once every device is enrolled and carries what it should.
func (d *demo) announce(ctx context.Context) {
	begin := time.Now()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		n, ok, err := d.settled(ctx)
		if ok {
			fmt.Fprintf(d.s.out, "%d devices are enrolled, and all %d profiles on them are verified: %.1f s.\n\n", len(d.devices), n, time.Since(begin).Seconds())
			return
		}
		if err != nil && ctx.Err() == nil {
			d.s.log.Warn("the demonstration cannot be watched", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// settled counts the verified profiles on the devices, and reports whether there
// is nothing else.
func (d *demo) settled(ctx context.Context) (n int, ok bool, err error) {
	for _, dev := range d.devices {
		hs, err := d.s.mdm.Hosts().List(ctx, keelson.HostFilter{State: mdm.HostEnrolled, Search: dev.serial}, keelson.Page{})
		if err != nil || len(hs) == 0 {
			return n, false, err
		}
		h, err := d.s.mdm.Hosts().Get(ctx, hs[0].ID)
		if err != nil || h.Status != profiles.Verified {
			return n, false, err
		}
		n += len(h.Profiles)
	}
	return n, true, nil
}
