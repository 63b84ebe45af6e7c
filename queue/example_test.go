package queue_test

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
	"github.com/keelson-mdm/keelson/storage/inmem"
)

// A command is queued for an enrollment and its life; the device that asks with
// its own certificate gets it, and its answer ends it.
func Example() {
	ctx := context.Background()
	store := inmem.New(nil)
	box, _ := mdm.NewBox(mdm.LocalKeyring{Current: "k", Keys: map[string][]byte{"k": make([]byte, 32)}}, rand.Reader)
	q, _ := queue.New(queue.Config{Store: store.Queue(), Box: box, Clock: noon, Rand: rand.Reader})
	_ = store.Lifecycle().PutTenant(ctx, "t")

	e := mdm.Enrollment{Natural: "apple:UDID", State: mdm.EnrollmentEnrolled, Generation: 1, Pin: mdm.Hash{1}}
	err := store.InTx(ctx, "t", func(ctx context.Context, tx mdm.Tx) error {
		if err := store.Lifecycle().PutEnrollment(ctx, tx, &e); err != nil {
			return err
		}
		_, err := q.Enqueue(ctx, tx, []queue.Command{{
			Enrollment: e.Key, Generation: e.Generation, Owner: mdm.OwnerApplication,
			Kind: mdm.KindDeviceInformation, Content: []byte("OSVersion"),
		}})
		return err
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	stranger, _ := q.Poll(ctx, "t", queue.Poll{Caller: queue.Caller{Natural: e.Natural, Pin: mdm.Hash{2}}, Now: noon.Now()})
	fmt.Println("a stranger gets", len(stranger.Handouts))
	device, _ := q.Poll(ctx, "t", queue.Poll{Caller: queue.Caller{Natural: e.Natural, Pin: e.Pin}, Now: noon.Now()})
	fmt.Println("the device gets", device.Handouts[0].Kind, string(device.Handouts[0].Data))

	err = store.InTx(ctx, "t", func(ctx context.Context, tx mdm.Tx) error {
		for range 2 { // a repeated answer changes nothing
			f, err := q.File(ctx, tx, e, queue.Report{Command: device.Handouts[0].ID, Outcome: mdm.OutcomeAcknowledged, Now: noon.Now()})
			if err != nil {
				return err
			}
			fmt.Println(f.Filing)
		}
		return nil
	})
	fmt.Println(err)
	// Output:
	// a stranger gets 0
	// the device gets DeviceInformation OSVersion
	// new
	// repeated
	// <nil>
}
