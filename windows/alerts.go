package windows

import (
	"context"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/windows/syncml"
)

// heed does what the alerts of a message say, and takes up what it tells of the
// device. Alerts that mean nothing here are only acknowledged.
func (x *exchange) heed(ctx context.Context) error {
	for i := range x.msg.Commands {
		c := &x.msg.Commands[i]
		switch {
		case c.Kind == syncml.Alert && c.Code == syncml.AlertSessionAbort:
			// What was not answered waits in the queue.
			x.stop, x.dirty = true, true
			x.st.Open = nil
		case c.Kind == syncml.Alert && leaves(c):
			if err := x.checkOut(ctx); err != nil {
				return err
			}
		case c.Kind == syncml.Replace:
			if err := x.learn(ctx, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// leaves reports whether an alert says that the device unenrolls: sent once, as
// a generic alert, and never again.
func leaves(c *syncml.Command) bool {
	if c.Code != syncml.AlertGeneric && c.Code != syncml.AlertClientEvent {
		return false
	}
	for i := range c.Items {
		if syncml.IsUnenroll(c.Items[i].Meta.Type) {
			return true
		}
	}
	return false
}

func (x *exchange) checkOut(ctx context.Context) error {
	x.stop, x.dirty = true, true
	x.st.Open = nil
	return x.tell("check-out", func() error {
		return x.s.c.Sink.Signal(ctx, x.tx, mdm.Signal{
			Kind: mdm.SignalCheckedOut, Key: x.e.Key, Host: x.e.Host, Generation: x.e.Generation,
		})
	})
}

// learn takes the host's model from DevInfo; what else stands there says nothing
// about the host. Facts that are known already change nothing.
func (x *exchange) learn(ctx context.Context, c *syncml.Command) error {
	f := mdm.HostFacts{Platform: mdm.Windows}
	for i := range c.Items {
		it := &c.Items[i]
		uri := it.Source.URI
		if uri == "" {
			uri = it.Target.URI
		}
		if syncml.URIKey(uri) == "device/devinfo/mod" {
			f.Model = plain(it.Data)
		}
	}
	if f.Model == "" {
		return nil
	}
	return x.tell("facts", func() error {
		return x.s.c.Sink.Signal(ctx, x.tx, mdm.Signal{
			Kind: mdm.SignalFacts, Key: x.e.Key, Host: x.e.Host, Generation: x.e.Generation, Data: f,
		})
	})
}
