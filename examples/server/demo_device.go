package main

import (
	"bytes"
	"context"
	"time"
)

const (
	enrollPause = 2 * time.Second  // between two attempts to enroll
	pollLimit   = 30 * time.Second // for one session
)

// machine is a device of package mdmtest, Apple or Windows.
type machine interface {
	enrolled() bool
	enroll(ctx context.Context) error
	poll(ctx context.Context) error
	pushed(token, magic string) bool // reports whether a push is for it
	snapshot() ([]byte, error)
	restore(snapshot []byte) error
}

// simulated is one device of the demonstration: it polls when it is pushed, and
// every now and then.
type simulated struct {
	machine
	d      *demo
	serial string
	file   string // of its snapshot, in the data directory
	every  time.Duration
	woken  chan struct{}
	kept   []byte // what stands in the file
}

// wake makes the device poll; several wakes while it is at it are one.
func (v *simulated) wake() {
	select {
	case v.woken <- struct{}{}:
	default:
	}
}

// live restores the device or enrolls it, and lets it poll until ctx ends.
func (v *simulated) live(ctx context.Context) {
	log := v.d.s.log.With("device", v.serial)
	if err := v.load(); err != nil {
		log.Error("the simulated device cannot be restored; delete the file to begin anew", "file", v.d.s.data.path(v.file), "error", err)
		return
	}
	tick := time.NewTicker(v.every)
	defer tick.Stop()
	for !v.enrolled() {
		err := v.enroll(ctx)
		if err == nil {
			err = v.keep() // whoever is enrolled must not forget it
		}
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return
		}
		log.Warn("the simulated device did not enroll", "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(enrollPause):
		}
	}
	for v.enrolled() {
		// A session is not cut off when the server stops: it ends in a moment.
		session, cancel := context.WithTimeout(context.WithoutCancel(ctx), pollLimit)
		if err := v.poll(session); err != nil {
			log.Debug("the simulated device could not poll", "error", err)
		}
		cancel()
		if err := v.keep(); err != nil {
			log.Error("the simulated device was not kept", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-v.woken:
		case <-tick.C:
		}
	}
}

// load restores the device from its file, if there is one.
func (v *simulated) load() error {
	if !v.d.s.db.lasts {
		return nil // the server will not know it
	}
	b, err := v.d.s.data.read(v.file)
	if err != nil || b == nil {
		return err
	}
	v.kept = b
	return v.restore(b)
}

// keep writes the device to its file, if it has changed.
func (v *simulated) keep() error {
	if !v.d.s.db.lasts {
		return nil
	}
	b, err := v.snapshot()
	if err != nil || bytes.Equal(b, v.kept) {
		return err
	}
	if err := v.d.s.data.write(v.file, b); err != nil {
		return err
	}
	v.kept = b
	return nil
}
