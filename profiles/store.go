package profiles

import (
	"context"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
)

// Store is what the engine needs of a backend. Methods that take a Tx join that
// unit of work and see its writes. Getters return a [mdm.CodeNotFound] error
// when there is no row. Rows of another tenant do not exist. Lists are in key
// order.
type Store interface {
	// Definitions. Put inserts when the key is zero, setting the key (and, of
	// a profile, the slot), and updates otherwise. A name, or a profile's
	// identifier, that is taken is a [mdm.CodeConflict] error naming the field.
	PutTeam(ctx context.Context, tx mdm.Tx, t *Team) error
	// DeleteTeam refuses a team that has profiles, with [mdm.CodeConflict];
	// its hosts come to no team and are marked.
	DeleteTeam(ctx context.Context, tx mdm.Tx, k mdm.TeamKey) error
	PutLabel(ctx context.Context, tx mdm.Tx, l *Label) error
	DeleteLabel(ctx context.Context, tx mdm.Tx, k mdm.LabelKey) error
	// PutProfile gives a new profile the edit 1. Else it is a compare-and-set:
	// it changes the profile that has p.Edit, and raises that by one, in the
	// row and in p. DeleteProfile deletes the profile that has edit was. A
	// profile that has another edit stays as it is, and the error is
	// [mdm.CodeConflict] with the field "edit".
	PutProfile(ctx context.Context, tx mdm.Tx, p *Profile) error
	DeleteProfile(ctx context.Context, tx mdm.Tx, k mdm.ProfileKey, was mdm.Edit) error
	Teams(ctx context.Context, t mdm.TenantID) ([]Team, error)
	Labels(ctx context.Context, t mdm.TenantID) ([]Label, error)
	Profile(ctx context.Context, t mdm.TenantID, id mdm.ProfileID) (Profile, error)
	Profiles(ctx context.Context, t mdm.TenantID, team *mdm.TeamKey) ([]Profile, error)
	// The same within a unit of work.
	LabelsTx(ctx context.Context, tx mdm.Tx) ([]Label, error)
	ProfileTx(ctx context.Context, tx mdm.Tx, id mdm.ProfileID) (Profile, error)
	ProfilesTx(ctx context.Context, tx mdm.Tx) ([]Profile, error)
	// RaiseTeam raises the version of a team (0 is no team) and returns it.
	RaiseTeam(ctx context.Context, tx mdm.Tx, k mdm.TeamKey) (int64, error)
	Definitions(ctx context.Context, tx mdm.Tx, k mdm.TeamKey) (*Definitions, error)
	TeamVersion(ctx context.Context, tx mdm.Tx, k mdm.TeamKey) (int64, error)

	// SetMember records a membership. Members lists the hosts for which one
	// was recorded.
	SetMember(ctx context.Context, tx mdm.Tx, l mdm.LabelKey, h mdm.HostKey, v Tri) error
	Members(ctx context.Context, t mdm.TenantID, l mdm.LabelKey, after mdm.HostKey, limit int) (map[mdm.HostKey]Tri, error)
	// SetHostTeam moves a host.
	SetHostTeam(ctx context.Context, tx mdm.Tx, h mdm.HostKey, k mdm.TeamKey) error

	// Marks: what is to be planned again. MarkHost and MarkTeam are appends
	// that never wait for a planner. MarkDue marks a host for a time; the
	// earliest wins.
	MarkHost(ctx context.Context, tx mdm.Tx, h mdm.HostKey, l Lane) error
	MarkTeam(ctx context.Context, tx mdm.Tx, k mdm.TeamKey) error
	MarkDue(ctx context.Context, tx mdm.Tx, h mdm.HostKey, at time.Time) error
	// Claim takes up to limit hosts to plan in this unit: dirty ones by lane,
	// then due ones, then the next page of a team walk, whose cursor it
	// advances. Their marks end with the unit's commit; another replica
	// claims others. Hosts are distinct and in key order. More is set when
	// there is more to claim at once.
	Claim(ctx context.Context, tx mdm.Tx, now time.Time, limit int) (hosts []mdm.HostKey, more bool, err error)
	// NextDue is the earliest time mark; zero means none.
	NextDue(ctx context.Context, t mdm.TenantID) (time.Time, error)
	// Backlog counts what is waiting to be planned: host marks, and hosts
	// that team walks have still to visit.
	Backlog(ctx context.Context, t mdm.TenantID) (int, error)

	// Load reads what planning needs to know of hosts; deleted and unknown
	// hosts are left out. Rows of one channel are in slot order.
	Load(ctx context.Context, tx mdm.Tx, hosts []mdm.HostKey) ([]HostState, error)
	// LoadTeam is Load for the hosts of a team, with keys above after.
	LoadTeam(ctx context.Context, t mdm.TenantID, k mdm.TeamKey, after mdm.HostKey, limit int) ([]HostState, error)
	// LoadSlot is LoadTeam with the rows of one slot only.
	LoadSlot(ctx context.Context, t mdm.TenantID, k mdm.TeamKey, s SlotKey, after mdm.HostKey, limit int) ([]HostState, error)
	// LoadHost is Load for one host, and LoadHosts for several, as a read of
	// its own.
	LoadHost(ctx context.Context, t mdm.TenantID, h mdm.HostKey) (HostState, error)
	LoadHosts(ctx context.Context, t mdm.TenantID, hosts []mdm.HostKey) ([]HostState, error)
	// LoadChannel returns the team of a channel's host, and the channel's rows in
	// slot order, as a read of its own.
	LoadChannel(ctx context.Context, t mdm.TenantID, e mdm.EnrollmentKey) (mdm.TeamKey, []Row, error)
	// RaisePlan is the compare-and-set that every plan passes before it
	// writes: the host's plan revision is was, its team is team, and that
	// team's version is version. Otherwise it returns a [mdm.CodeConflict]
	// error. It raises the plan revision by one.
	RaisePlan(ctx context.Context, tx mdm.Tx, h mdm.HostKey, was int64, team mdm.TeamKey, version int64) error
	// PutRows inserts and updates what the plan decides of rows, and never
	// what the device answered or showed: an acknowledgement that commits
	// beside a plan is not lost. DeleteRows deletes.
	PutRows(ctx context.Context, tx mdm.Tx, rows []Row) error
	DeleteRows(ctx context.Context, tx mdm.Tx, rows []RowKey) error
	// RowsOf returns the rows of one channel.
	RowsOf(ctx context.Context, tx mdm.Tx, e mdm.EnrollmentKey) ([]Row, error)
	// DropRows deletes every row of a channel.
	DropRows(ctx context.Context, tx mdm.Tx, e mdm.EnrollmentKey) error

	// Acknowledge is the evidence of a report: a compare-and-set on the
	// enrollment's generation and the row's Order, and a host mark. No
	// match means late, and is no error. It does not raise PlanRevision.
	Acknowledge(ctx context.Context, tx mdm.Tx, r mdm.Result) error
	// ForgetAsked makes the rows of a channel about which the question with
	// that sequence was queued unasked: the question failed.
	ForgetAsked(ctx context.Context, tx mdm.Tx, e mdm.EnrollmentKey, seq int64) error
	// RecordSeen stores what an observation proved, each guarded by the row's
	// Order (a row with another order is left alone), and marks the host.
	RecordSeen(ctx context.Context, tx mdm.Tx, h mdm.HostKey, seen []SeenRow, now time.Time) error

	// PutContent and the getters are the queue's content table.
	PutContent(ctx context.Context, tx mdm.Tx, h mdm.Hash, sealed []byte, now time.Time) error
	Content(ctx context.Context, t mdm.TenantID, h mdm.Hash) ([]byte, error)
	ContentTx(ctx context.Context, tx mdm.Tx, h mdm.Hash) ([]byte, error)
	// MendContent replaces what is kept under the hash, which PutContent leaves as
	// it is; of a hash that is not known it keeps nothing.
	MendContent(ctx context.Context, tx mdm.Tx, h mdm.Hash, sealed []byte) error
}

// Lane orders host marks: lower first.
type Lane int

// The lanes.
const (
	LaneEnroll Lane = 1 // enrollments and resends
	LaneHost   Lane = 2 // a host's team or labels changed
	LaneAnswer Lane = 3 // an answer or an observation came
)

// RowKey names a row.
type RowKey struct {
	Enrollment mdm.EnrollmentKey
	Slot       SlotKey
	Order      int64 // guards RecordSeen; ignored elsewhere
}

// SeenRow is what an observation proved about one row.
type SeenRow struct {
	RowKey
	Evidence Evidence
	Missing  string
}

// HostState is what planning knows of one host.
type HostState struct {
	Host         mdm.Host
	PlanRevision int64
	Members      map[mdm.LabelKey]Tri // labels for which a membership is recorded
	Labels       map[mdm.LabelKey]Tri // the default of every label
	Channels     []ChannelState       // enrolled ones only, in key order
}

// ChannelState is one enrolled channel of a host with its rows.
type ChannelState struct {
	Enrollment mdm.Enrollment
	Rows       []Row
}

// Queue is the part of the queue that the engine uses; [queue.Queue] has it.
type Queue interface {
	Enqueue(ctx context.Context, tx mdm.Tx, commands []queue.Command) ([]queue.Entry, error)
	// EndRef is [queue.Store.EndRef] for the engine's own commands.
	EndRef(ctx context.Context, tx mdm.Tx, e mdm.EnrollmentKey, o mdm.Owner, key int64) (taken, left int, err error)
}
