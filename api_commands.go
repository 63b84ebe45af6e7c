package keelson

import (
	"context"
	"strings"
	"time"

	"github.com/keelson-mdm/keelson/apple/command"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
	"github.com/keelson-mdm/keelson/windows/syncml"
)

// Commands is the API of the command queue.
type Commands struct{ t *Tenant }

// CommandRequest is a command for one host.
type CommandRequest struct {
	// Kind is mdm.KindDeviceInformation (Content: the queries, one a line),
	// mdm.KindRawApple (a property list with a RequestType) or mdm.KindSyncML.
	Kind        string         `json:"kind"`
	Content     []byte         `json:"content,omitempty"`
	Urgent      bool           `json:"urgent,omitempty"`
	NotBefore   time.Time      `json:"not_before,omitzero"`
	Expires     time.Time      `json:"expires,omitzero"`
	Redelivery  mdm.Redelivery `json:"redelivery,omitempty"`
	Resource    string         `json:"resource,omitempty"`
	Supersede   string         `json:"supersede,omitempty"`
	Idempotency string         `json:"-"` // empty queues each; see [Commands.Send]
}

// Command is a queued command as administrators see it.
type Command struct {
	ID      mdm.CommandID `json:"id"`
	Kind    string        `json:"kind"`
	Owner   mdm.Owner     `json:"owner"`
	Actor   mdm.Actor     `json:"actor,omitzero"` // who had it queued, and why; absent for engines
	Queued  time.Time     `json:"queued_at"`
	SentAt  time.Time     `json:"sent_at,omitzero"`
	Sent    int           `json:"sent"`
	Held    time.Time     `json:"not_now_at,omitzero"`
	Outcome mdm.Outcome   `json:"outcome,omitempty"` // empty while it waits
	Code    string        `json:"code,omitempty"`
	Detail  string        `json:"detail,omitempty"`
	EndedAt time.Time     `json:"ended_at,omitzero"`
	// Profile is what a command of the profiles engine is about; nil of other
	// owners' commands, and of questions.
	Profile *CommandProfile `json:"profile,omitempty"`
	seq     int64
}

// CommandProfile is the profile that a command is about: of the current
// instruction, the one that gave it; of an earlier one, that which has its
// identifier now and existed then.
type CommandProfile struct {
	Identifier string        `json:"identifier"` // that the device knows it by
	ID         mdm.ProfileID `json:"id,omitempty"`
	Name       string        `json:"name,omitempty"`
	// Deleted: no profile has the identifier any more. When ID is empty without
	// it, the profiles of several teams have it.
	Deleted bool `json:"deleted"`
}

// commands translates commands of one channel.
func (a *Commands) commands(ctx context.Context, e mdm.EnrollmentKey, ds []queue.Done) ([]Command, error) {
	abouts, err := a.t.m.profiles.About(ctx, a.t.id, e, ds)
	if err != nil {
		return nil, err
	}
	out := make([]Command, len(ds))
	for i, d := range ds {
		out[i] = public(d)
		if p, ok := abouts[d.ID]; ok {
			out[i].Profile = &CommandProfile{p.Identifier, p.Profile.ID, p.Profile.Name, p.Gone}
		}
	}
	return out, nil
}

func public(d queue.Done) Command {
	return Command{
		ID: d.ID, Kind: d.Kind, Owner: d.Owner, Actor: d.Actor, Queued: d.Queued, SentAt: d.SentAt, Sent: d.Sent, Held: d.Held,
		Outcome: d.Outcome, Code: d.Code, Detail: d.Detail, EndedAt: d.EndedAt, seq: d.Seq,
	}
}

// Send queues a command for a host's device channel, and wakes the device. The
// same request for the same host with the same idempotency key queues nothing and
// returns the first command, whatever became of it and of the host's enrollment.
// Another request with that key is a [mdm.CodeKeyReused] error. While the first is
// being queued, the second may be a [mdm.CodeConflict] error, and is to be made
// again.
func (a *Commands) Send(ctx context.Context, h mdm.HostID, r CommandRequest) (mdm.CommandID, error) {
	if err := a.t.may(ctx, "commands.write", string(h)); err != nil {
		return "", err
	}
	host, err := a.t.m.lifecycle.Host(ctx, a.t.id, h)
	if err != nil {
		return "", err
	}
	if err := checkCommand(host.Platform, r); err != nil {
		return "", err
	}
	c := queue.Command{
		Owner: mdm.OwnerApplication, Kind: r.Kind, Content: r.Content,
		NotBefore: r.NotBefore, Expires: r.Expires, Redelivery: r.Redelivery,
		Resource: r.Resource, Supersede: r.Supersede, Idempotency: r.Idempotency, Actor: mdm.ActorFrom(ctx),
	}
	if r.Urgent {
		c.Lane = queue.LaneUrgent
	}
	var id mdm.CommandID
	err = a.t.m.c.Store.InTx(ctx, a.t.id, func(ctx context.Context, tx mdm.Tx) error {
		es, err := a.t.m.c.Store.Lifecycle().EnrollmentsOf(ctx, tx, host.Key)
		if err != nil {
			return err
		}
		first, known, err := a.repeated(ctx, tx, es, c)
		if err != nil || known {
			id = first.ID
			return err
		}
		e, err := channel(es)
		if err != nil {
			return err
		}
		cmd := c
		cmd.Enrollment, cmd.Generation = e.Key, e.Generation
		entries, err := a.t.m.queue.Enqueue(ctx, tx, []queue.Command{cmd})
		if err != nil {
			return err
		}
		id = entries[0].ID
		tx.AfterCommit(func() { a.t.m.waker.wake(a.t.id, []mdm.EnrollmentKey{e.Key}) })
		return nil
	})
	return id, err
}

// repeated returns the command of the host that c repeats. A host that enrolls
// anew may have another channel, and its first command may be the very one that
// made it do so: a wipe that is asked for again must not wipe again.
func (a *Commands) repeated(ctx context.Context, tx mdm.Tx, es []mdm.Enrollment, c queue.Command) (queue.Entry, bool, error) {
	for _, e := range es {
		c.Enrollment = e.Key
		if first, known, err := a.t.m.queue.Repeated(ctx, tx, c); err != nil || known {
			return first, known, err
		}
	}
	return queue.Entry{}, false, nil
}

// channel is the enrolled device channel of a host.
func channel(es []mdm.Enrollment) (mdm.Enrollment, error) {
	for _, e := range es {
		if e.Channel == mdm.DeviceChannel && e.State == mdm.EnrollmentEnrolled {
			return e, nil
		}
	}
	return mdm.Enrollment{}, mdm.Errorf(mdm.CodeConflict, "host", "the host is not enrolled: nothing can be sent to it")
}

// checkCommand refuses what the platform's protocol could not carry.
func checkCommand(p mdm.Platform, r CommandRequest) error {
	switch {
	case r.Kind == mdm.KindDeviceInformation && p.Apple():
		_, err := command.Encode("check", command.DeviceInformation{Queries: strings.Fields(string(r.Content))})
		return err
	case r.Kind == mdm.KindRawApple && p.Apple():
		_, err := command.ParseRaw(r.Content)
		return err
	case r.Kind == mdm.KindSyncML && p == mdm.Windows:
		_, err := syncml.DecodeFragment(r.Content, nil)
		return err
	}
	return mdm.Errorf(mdm.CodeInvalid, "kind", "no command of kind %q for this host's platform", r.Kind)
}

// Get returns a command; its owner's answer is in Answer.
func (a *Commands) Get(ctx context.Context, id mdm.CommandID) (Command, error) {
	if err := a.t.may(ctx, "commands.read", string(id)); err != nil {
		return Command{}, err
	}
	d, err := a.t.m.queue.Get(ctx, a.t.id, id)
	if err != nil {
		return Command{}, err
	}
	cs, err := a.commands(ctx, d.Enrollment, []queue.Done{d})
	if err != nil {
		return Command{}, err
	}
	return cs[0], nil
}

// Answer returns what the device answered, byte for byte; nil when it has not,
// or when nothing was kept.
func (a *Commands) Answer(ctx context.Context, id mdm.CommandID) ([]byte, error) {
	if err := a.t.may(ctx, "commands.answer", string(id)); err != nil {
		return nil, err
	}
	d, err := a.t.m.queue.Get(ctx, a.t.id, id)
	return d.Body, err
}

// List lists a host's commands, the newest first; after is the last one of the
// page before, empty to begin.
func (a *Commands) List(ctx context.Context, h mdm.HostID, after mdm.CommandID, limit int) ([]Command, error) {
	if err := a.t.may(ctx, "commands.read", string(h)); err != nil {
		return nil, err
	}
	if limit <= 0 || limit > 1000 {
		limit = 100
	}
	host, err := a.t.m.lifecycle.Host(ctx, a.t.id, h)
	if err != nil {
		return nil, err
	}
	es, err := a.t.m.lifecycle.Enrollments(ctx, a.t.id, host.Key)
	if err != nil || len(es) == 0 {
		return nil, err
	}
	var before int64
	if after != "" {
		d, err := a.t.m.queue.Get(ctx, a.t.id, after)
		if err != nil {
			return nil, err
		}
		before = d.Seq
	}
	channel := es[len(es)-1].Key
	ds, err := a.t.m.queue.List(ctx, a.t.id, channel, before, limit)
	if err != nil {
		return nil, err
	}
	return a.commands(ctx, channel, ds)
}

// Cancel takes back a command of the application's, truthfully: queue.Canceled,
// queue.TooLate when it has left, or queue.Ended. Commands that an engine queued
// are taken back by changing what the engine works towards.
func (a *Commands) Cancel(ctx context.Context, id mdm.CommandID) (queue.CancelAnswer, error) {
	if err := a.t.may(ctx, "commands.write", string(id)); err != nil {
		return "", err
	}
	d, err := a.t.m.queue.Get(ctx, a.t.id, id)
	if err != nil {
		return "", err
	}
	if d.Owner != mdm.OwnerApplication {
		return "", mdm.Errorf(mdm.CodeForbidden, "id", "this command belongs to %s: change what it works towards instead", d.Owner)
	}
	who := mdm.ActorFrom(ctx)
	var answer queue.CancelAnswer
	err = a.t.m.c.Store.InTx(ctx, a.t.id, func(ctx context.Context, tx mdm.Tx) error {
		var r mdm.Result
		if answer, r, err = a.t.m.queue.Cancel(ctx, tx, id); err != nil || answer != queue.Canceled {
			return err
		}
		return a.t.m.results(ctx, tx, []mdm.Result{r}, who)
	})
	return answer, err
}
