package storagetest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/storage"
)

// Harness makes stores of one backend. Open and Dump are required.
type Harness struct {
	// Open returns an empty store, without tenants, that lives until the test
	// ends. fault may be nil; else the store calls it before every write and
	// before every commit, and fails them as it says.
	Open func(t *testing.T, fault storage.FaultHook) storage.Store
	// Dump returns everything that the store holds, one line a row, in an order
	// that depends on the content only. Values that only sequences are made of
	// stay out: a sequence may have gaps.
	Dump func(t *testing.T, s storage.Store) []Line
	// Reopen returns another store over the data of s, as a restarted process
	// would. Nil means that the backend forgets, and skips what needs it.
	Reopen func(t *testing.T, s storage.Store) storage.Store
}

// Line is one row of a dump.
type Line struct {
	Tenant mdm.TenantID // whose row it is
	Row    string       // its table and all of its columns
}

// test holds one sentence of a contract.
type test struct {
	name  string
	holds string // the sentence
	run   func(t *testing.T, w *world)
}

// Run holds the backend to every contract. Tests run in parallel, each on a
// store of its own.
func Run(t *testing.T, h Harness) {
	require.NotNil(t, h.Open, "a harness opens stores")
	require.NotNil(t, h.Dump, "a harness dumps stores")
	for _, theme := range []struct {
		name  string
		tests []test
	}{
		{"units of work", units()},
		{"strangers", strangers()},
		{"queue/order", queueOrder()},
		{"queue/time", queueTime()},
		{"queue/resource", queueResource()},
		{"queue/insert", queueInsert()},
		{"queue/idempotency", queueIdempotency()},
		{"queue/poll", queuePoll()},
		{"queue/report", queueReport()},
		{"queue/one step", queueOneStep()},
		{"queue/late", queueLate()},
		{"queue/cancel", queueCancel()},
		{"queue/end", queueEnd()},
		{"queue/read", queueRead()},
		{"queue/model", queueModel()},
		{"queue/prune", queuePrune()},
		{"leases", leases()},
		{"thirty days", thirtyDays()},
		{"identity/intents", identityIntents()},
		{"identity/lists", identityLists()},
		{"identity/certificates", identityCertificates()},
		{"identity/prune", identityPrune()},
		{"lifecycle/hosts", lifecycleHosts()},
		{"lifecycle/lists", lifecycleLists()},
		{"lifecycle/enrollments", lifecycleEnrollments()},
		{"lifecycle/outbox", lifecycleOutbox()},
		{"profiles/definitions", profilesDefinitions()},
		{"profiles/edits", profilesEdits()},
		{"profiles/members", profilesMembers()},
		{"profiles/marks", profilesMarks()},
		{"profiles/load", profilesLoad()},
		{"profiles/rows", profilesRows()},
		{"profiles/evidence", profilesEvidence()},
		{"apple", appleRoom()},
		{"windows", windowsRoom()},
		{"tenants", tenants()},
		{"faults", faults()},
		{"contention", contention()},
	} {
		t.Run(theme.name, func(t *testing.T) {
			for _, c := range theme.tests {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					t.Cleanup(func() {
						if t.Failed() {
							t.Logf("the contract: %s", c.holds)
						}
					})
					c.run(t, newWorld(t, h, nil))
				})
			}
		})
	}
}
