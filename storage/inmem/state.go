package inmem

import (
	"time"

	"github.com/keelson-mdm/keelson/apple"
	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/lifecycle"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
	"github.com/keelson-mdm/keelson/queue"
	"github.com/keelson-mdm/keelson/storage/nanostore"
	"github.com/keelson-mdm/keelson/windows"
)

// state is one tenant's tables. What is looked up on every poll has an index of
// its own; the rest is found by walking, which is enough for tests.
type state struct {
	hosts       table[mdm.HostKey, mdm.Host]
	persons     table[mdm.HostKey, string]
	enrollments table[mdm.EnrollmentKey, mdm.Enrollment]
	naturals    table[mdm.Natural, mdm.EnrollmentKey]

	intents      table[mdm.IntentID, identity.Intent]
	certificates table[string, identity.Certificate] // intent + public key
	leaves       table[string, string]               // hash -> key of certificates

	contents table[string, contentRow]
	// waiting holds, by enrollment, sequences in the order of insertion.
	waiting table[int64, queue.Entry] // by Seq
	lines   table[mdm.EnrollmentKey, []int64]
	ids     table[mdm.CommandID, int64]
	done    table[int64, queue.Done]
	idem    table[string, int64]

	outbox table[int64, outboxRow]

	teams    table[mdm.TeamKey, profiles.Team]
	noTeam   int64 // version of no team
	labels   table[mdm.LabelKey, profiles.Label]
	profiles table[mdm.ProfileKey, profiles.Profile]
	slots    table[string, profiles.SlotKey]
	members  table[string, profiles.Tri]
	plans    table[mdm.HostKey, int64]
	rows     table[mdm.EnrollmentKey, map[profiles.SlotKey]profiles.Row]
	dirty    table[int64, dirtyMark]
	walks    table[int64, walkMark]
	dues     table[mdm.HostKey, time.Time]

	push     table[mdm.EnrollmentKey, apple.Push]
	tokens   table[int64, tokenRow]
	asides   table[int64, apple.Aside]
	devices  table[mdm.EnrollmentKey, windows.Device]
	sessions table[string, sessionRow]

	nanoChannels     table[mdm.EnrollmentKey, nanostore.Channel]
	nanoMessages     table[string, nanostore.Message]
	nanoCertificates table[int64, nanoCertificate]
	nanoPush         table[string, nanostore.PushCertificate]
}

type contentRow struct {
	sealed []byte
	used   time.Time
}

type outboxRow struct {
	lifecycle.OutboxEvent
	due time.Time
}

type dirtyMark struct {
	host mdm.HostKey
	lane profiles.Lane
}

type walkMark struct {
	team   mdm.TeamKey
	cursor mdm.HostKey
}

type tokenRow struct {
	apple.Token
	cleared bool
}

type sessionRow struct {
	windows.Session
	seq int64
}
