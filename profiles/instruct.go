package profiles

import (
	"context"
	"errors"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
)

// instruction makes the command of a step; false means that nothing needs to be
// sent and the row can go.
func (x *execution) instruction(ctx context.Context, c *ChannelPlan, s *Step) (queue.Command, bool, error) {
	format := x.g.c.Formats[s.Row.Family]
	if format == nil {
		return queue.Command{}, false, mdm.Errorf(mdm.CodeUnsupported, "family", "this server does not manage %s profiles", s.Row.Family)
	}
	var in Instruction
	ok := true
	if s.Row.Op == Install {
		content, err := x.content(ctx, s.Row.Content)
		if err != nil {
			// It could be read once; the next plan knows that it cannot any more.
			x.g.docs.spoil(libraryKey{x.tx.Tenant(), s.Row.Family, s.Row.Content})
			return queue.Command{}, false, err
		}
		if in, err = format.Install(x.docs[s.Row.Content], content, s.Left); err != nil {
			return queue.Command{}, false, err
		}
	} else {
		var err error
		if in, ok, err = format.Remove(s.Row.Identifier, s.Left); err != nil || !ok {
			return queue.Command{}, false, err
		}
	}
	return queue.Command{
		Enrollment: c.Enrollment.Key, Generation: c.Enrollment.Generation,
		Owner: mdm.OwnerProfiles, Ref: mdm.Ref{Key: int64(s.Row.Slot), Order: s.Row.Order},
		Kind: in.Kind, Content: in.Content, Lane: queue.LaneNormal,
		Resource: slotResource + s.Row.Identifier,
	}, true, nil
}

// unmade is the outcome of an instruction that could not be made. One bad
// profile is set aside like this, with its own retries, and the host's others go
// on.
func (x *execution) unmade(ctx context.Context, c *ChannelPlan, r *Row, err error) mdm.Result {
	x.g.c.Log.ErrorContext(ctx, "an instruction could not be made", "tenant", x.tx.Tenant(), "host_key", int64(c.Enrollment.Host),
		"identifier", r.Identifier, "op", r.Op, "error", err)
	detail := "the command could not be made"
	var e *mdm.Error
	if errors.As(err, &e) && e.Message != "" {
		detail += ": " + e.Message
	}
	return mdm.Result{
		Enrollment: c.Enrollment.Key, Life: c.Enrollment.ID, Host: c.Enrollment.Host,
		Generation: c.Enrollment.Generation, Current: c.Enrollment.Generation,
		Owner: mdm.OwnerProfiles, Ref: mdm.Ref{Key: int64(r.Slot), Order: r.Order},
		Outcome: mdm.OutcomeUnrenderable, Code: string(mdm.CodeOf(err)), Detail: detail, At: x.g.c.Clock.Now(),
	}
}

// question adds the command that observes rows, whose places in w.put are given.
// When it cannot be made, they are asked about later.
func (x *execution) question(ctx context.Context, c *ChannelPlan, f Family, places []int, w *writes) error {
	format := x.g.c.Formats[f]
	if format == nil || len(places) == 0 {
		return nil
	}
	var about []*Document
	for _, i := range places {
		if d := x.docs[w.put[i].row.Content]; d != nil {
			about = append(about, d)
		}
	}
	in, ok, err := format.Observe(about)
	if err != nil {
		x.g.c.Log.ErrorContext(ctx, "a question could not be made", "tenant", x.tx.Tenant(), "host_key", int64(c.Enrollment.Host), "error", err)
		for _, i := range places {
			w.put[i].row.Asked = 0
		}
		return x.g.c.Store.MarkDue(ctx, x.tx, c.Enrollment.Host, x.g.c.Clock.Now().Add(askAgain))
	}
	if !ok {
		return nil
	}
	cmd := queue.Command{
		Enrollment: c.Enrollment.Key, Generation: c.Enrollment.Generation,
		Owner: mdm.OwnerProfiles, Kind: in.Kind, Content: in.Content, Lane: queue.LaneObserve,
		Resource: observeResource,
	}
	if f == AppleProfile {
		// A ProfileList asks about everything, so that a newer one takes the
		// place of one that has not left. Windows questions name their nodes.
		cmd.Supersede = observeResource
	}
	w.commands = append(w.commands, cmd)
	for _, i := range places {
		w.put[i].question = len(w.commands)
	}
	return nil
}

// The resource keys of instructions, before the slot's name, and of questions.
const (
	slotResource    = "profile/"
	observeResource = "profiles/observe"
)
