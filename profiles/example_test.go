package profiles_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
	"github.com/keelson-mdm/keelson/queue"
	"github.com/keelson-mdm/keelson/storage/inmem"
)

// noteFormat is a format as small as one can be: a profile is its identifier, and
// nothing of it can be read back.
type noteFormat struct{}

func (noteFormat) Parse(content []byte) (*profiles.Document, error) {
	id := strings.TrimSpace(string(content))
	return &profiles.Document{Identifier: id, Name: id, Class: profiles.Plain, Provable: profiles.Accepted}, nil
}

func (noteFormat) Install(_ *profiles.Document, content []byte, _ profiles.Leftovers) (profiles.Instruction, error) {
	return profiles.Instruction{Kind: mdm.KindInstallProfile, Content: content}, nil
}

func (noteFormat) Remove(identifier string, _ profiles.Leftovers) (profiles.Instruction, bool, error) {
	return profiles.Instruction{Kind: mdm.KindRemoveProfile, Content: []byte(identifier)}, true, nil
}

func (noteFormat) Observe([]*profiles.Document) (profiles.Instruction, bool, error) {
	return profiles.Instruction{}, false, nil
}

func (noteFormat) Conflicts(_, _ *profiles.Document) []profiles.Node { return nil }

func (noteFormat) Judge(string, *profiles.Document, *mdm.Observation) (profiles.Evidence, string, bool) {
	return profiles.NoEvidence, "", false
}

// A profile is targeted at hosts by labels, reconciliation queues what is missing
// where, and Explain says why a host has it or not, and what happens next.
func Example() {
	ctx := context.Background()
	store := inmem.New(nil)
	must(store.Lifecycle().PutTenant(ctx, mdm.DefaultTenant))
	box, err := mdm.NewBox(mdm.LocalKeyring{Current: "2026", Keys: map[string][]byte{"2026": make([]byte, 32)}}, rand.Reader)
	must(err)
	q, err := queue.New(queue.Config{Store: store.Queue(), Box: box, Clock: mdm.SystemClock{}, Rand: rand.Reader})
	must(err)
	engine, err := profiles.New(profiles.Config{
		Store: store.Profiles(), Transactor: store, Queue: q, Box: box,
		Clock: mdm.SystemClock{}, Rand: rand.Reader,
		Formats: map[profiles.Family]profiles.Format{profiles.AppleProfile: noteFormat{}},
		Tenants: store.Lifecycle().Tenants,
	})
	must(err)

	// A Mac that is enrolled; apple.Server and lifecycle.Service do this.
	host := mdm.Host{ID: "host", Platform: mdm.MacOS, State: mdm.HostEnrolled}
	mac := mdm.Enrollment{Natural: mdm.AppleNatural("UDID"), Channel: mdm.DeviceChannel, Generation: 1, State: mdm.EnrollmentEnrolled, Pin: mdm.Hash{1}}
	must(store.InTx(ctx, mdm.DefaultTenant, func(ctx context.Context, tx mdm.Tx) error {
		if err := store.Lifecycle().PutHost(ctx, tx, &host); err != nil {
			return err
		}
		mac.Host = host.Key
		if err := store.Lifecycle().PutEnrollment(ctx, tx, &mac); err != nil {
			return err
		}
		return engine.Enrolled(ctx, tx, mac)
	}))

	// Target the pilot group. Nobody has said yet whether the Mac is in it.
	pilot, err := engine.CreateLabel(ctx, mdm.DefaultTenant, "pilot", profiles.Unknown)
	must(err)
	wifi, _, err := engine.Create(ctx, mdm.DefaultTenant, profiles.Upload{
		Family: profiles.AppleProfile, Content: []byte("com.example.wifi"),
		Scope: profiles.Scope{IncludeAny: []mdm.LabelKey{pilot.Key}},
	})
	must(err)
	explain := func(when string) {
		x, err := engine.Explain(ctx, mdm.DefaultTenant, host.Key, wifi.ID)
		must(err)
		last := x.Why[len(x.Why)-1]
		fmt.Printf("%s: %s %s, so %q\n", when, last.Condition, last.Result, x.Item.Status)
		fmt.Println("  ", x.Next)
	}
	explain("unknown")

	must(engine.SetMember(ctx, mdm.DefaultTenant, pilot.Key, host.Key, profiles.Yes))
	explain("a member")
	_, err = engine.ReconcileAll(ctx, mdm.DefaultTenant) // Run does this
	must(err)
	explain("planned")

	// The Mac asks what is next, and takes it.
	answer, err := q.Poll(ctx, mdm.DefaultTenant, queue.Poll{Caller: queue.Caller{Natural: mac.Natural, Pin: mac.Pin}, Now: time.Now()})
	must(err)
	command := answer.Handouts[0]
	fmt.Println(command.Kind, string(command.Data))
	must(store.InTx(ctx, mdm.DefaultTenant, func(ctx context.Context, tx mdm.Tx) error {
		f, err := q.File(ctx, tx, answer.Enrollment, queue.Report{Command: command.ID, Now: time.Now(), Outcome: mdm.OutcomeAcknowledged})
		if err != nil {
			return err
		}
		return engine.Result(ctx, tx, f.Result)
	}))
	explain("answered")

	// Output:
	// unknown: kept no, so ""
	//    Nothing: the profile does not reach this host.
	// a member: include_any yes, so "pending"
	//    It is planned within seconds, and sent when the device next asks.
	// planned: include_any yes, so "pending"
	//    The command waits for the device to fetch and answer it.
	// InstallProfile com.example.wifi
	// answered: include_any yes, so "accepted_not_verifiable"
	//    Nothing: this is how it should be.
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
