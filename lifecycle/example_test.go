package lifecycle_test

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/keelson-mdm/keelson/lifecycle"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/storage/inmem"
)

// printer is an application that listens.
type printer struct{}

func (printer) HandleEvent(_ context.Context, e mdm.Event) error {
	fmt.Println("event:", e.Kind, "of", e.ExternalID)
	return nil
}

// A host that the application made beforehand enrolls: what a device does is a
// signal in its own unit of work, and the application hears of it after the commit.
func Example() {
	ctx := context.Background()
	store := inmem.New(nil)
	_ = store.Lifecycle().PutTenant(ctx, mdm.DefaultTenant)
	s, err := lifecycle.New(lifecycle.Config{
		Store: store.Lifecycle(), Transactor: store, Clock: mdm.SystemClock{}, Rand: rand.Reader, Hooks: printer{},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	facts := mdm.HostFacts{Platform: mdm.MacOS, Serial: "C02EXAMPLE", HardwareID: "UDID"}
	pin := mdm.Hash{1} // of the device's certificate
	err = store.InTx(ctx, mdm.DefaultTenant, func(ctx context.Context, tx mdm.Tx) error {
		if _, err := s.Ensure(ctx, tx, "asset-7", mdm.HostFacts{Serial: "C02EXAMPLE"}, 0); err != nil {
			return err
		}
		announced, err := s.Apply(ctx, tx, mdm.Signal{Kind: mdm.SignalAuthenticated, Data: mdm.Authenticated{
			Natural: mdm.AppleNatural("UDID"), Protocol: mdm.AppleProtocol, Channel: mdm.DeviceChannel, Facts: facts,
			Next: mdm.NextLife{ID: "0195f3c8-7a10-7c3e-9b52-4f0c6d1e2a77", Generation: 1, Pin: pin},
		}})
		if err != nil {
			return err
		}
		fmt.Println(announced.Kind, announced.Host.ExternalID, announced.Host.State)
		confirmed, err := s.Apply(ctx, tx, mdm.Signal{
			Kind: mdm.SignalConfirmed, Key: announced.Enrollment.Key, Data: mdm.Confirmed{Pin: pin},
		})
		if err != nil {
			return err
		}
		fmt.Println(confirmed.Kind, confirmed.Host.ExternalID, confirmed.Host.State)
		fmt.Println("what waits for it:", lifecycle.CleanUps(confirmed.Kind)[lifecycle.ItemQueue])
		return nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, _ = s.Deliver(ctx, mdm.DefaultTenant)
	// Output:
	// announced asset-7 authenticating
	// new_life asset-7 enrolled
	// what waits for it: cancel
	// event: host.enrolled of asset-7
}
