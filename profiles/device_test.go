package profiles_test

import (
	"context"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
	"github.com/keelson-mdm/keelson/queue"
)

func content(identifier, body string) []byte {
	return []byte("identifier " + identifier + "\n" + strings.ReplaceAll(body, "; ", "\n"))
}

// device is an enrolled device that fetches its commands, does as it is told, and
// says so.
type device struct {
	w     *world
	host  mdm.Host
	e     mdm.Enrollment
	apple map[string]string // identifier -> content
	nodes map[string]string // node in lower case -> value
	// done is what it was sent, in short, such as "install a".
	done []string
	// refuse, when not nil, gives the outcome of a command instead of executing
	// it; "" executes.
	refuse func(h *queue.Handout) mdm.Outcome
}

// fetch asks for the next command, as the protocol packages do; nil when there is
// none.
func (d *device) fetch() *queue.Handout {
	a, err := d.w.queue.Poll(d.w.ctx, tenant, queue.Poll{Caller: queue.Caller{Natural: d.e.Natural, Pin: d.e.Pin}, Now: d.w.clock.Now()})
	require.NoError(d.w.t, err)
	require.Equal(d.w.t, queue.StandingGood, a.Standing)
	if len(a.Handouts) == 0 {
		return nil
	}
	require.NoError(d.w.t, a.Handouts[0].Err)
	return &a.Handouts[0]
}

// execute does what a command says, and returns the outcome and what it shows.
func (d *device) execute(h *queue.Handout) (mdm.Outcome, *mdm.Observation) {
	if d.refuse != nil {
		if out := d.refuse(h); out != "" {
			d.done = append(d.done, "refuse "+h.Kind)
			return out, nil
		}
	}
	text := string(h.Data)
	switch h.Kind {
	case mdm.KindInstallProfile:
		id, _, _ := strings.Cut(strings.TrimPrefix(text, "identifier "), "\n")
		d.apple[id] = text
		d.done = append(d.done, "install "+id)
	case mdm.KindRemoveProfile:
		d.done = append(d.done, "remove "+text)
		if _, ok := d.apple[text]; !ok {
			return mdm.OutcomeError, nil
		}
		delete(d.apple, text)
	case mdm.KindProfileList:
		d.done = append(d.done, "list")
		o := &mdm.Observation{Complete: true, Asked: h.Seq}
		for id, text := range d.apple {
			o.Items = append(o.Items, mdm.Observed{Identifier: id, UUID: parsed(profiles.AppleProfile, text).UUID})
		}
		return ok, o
	case mdm.KindSyncML:
		return d.syncML(h)
	default:
		require.Fail(d.w.t, "unknown command", h.Kind)
	}
	return ok, nil
}

func (d *device) syncML(h *queue.Handout) (mdm.Outcome, *mdm.Observation) {
	var o *mdm.Observation
	unread := true
	for _, l := range lines(h.Data) {
		n, v, _ := strings.Cut(l[1], " ")
		key := strings.ToLower(n)
		switch l[0] {
		case "delete":
			delete(d.nodes, key)
			d.done = append(d.done, "delete "+n)
		case "node":
			d.nodes[key] = v
			d.done = append(d.done, "write "+n)
		case "get":
			if o == nil {
				o = &mdm.Observation{Asked: h.Seq}
			}
			it := mdm.Observed{Identifier: n, Status: 404}
			if v, ok := d.nodes[key]; ok {
				it.Status, it.Value, unread = 200, v, false
			}
			o.Items = append(o.Items, it)
			d.done = append(d.done, "get "+n)
		}
	}
	if o != nil && unread {
		return mdm.OutcomeError, o // nothing could be read; see the windows package
	}
	return ok, o
}

// report files an answer and tells the engine, in one unit of work.
func (d *device) report(h *queue.Handout, out mdm.Outcome, o *mdm.Observation) queue.Filing {
	f, err := d.tryReport(h, out, o)
	require.NoError(d.w.t, err)
	return f
}

func (d *device) tryReport(h *queue.Handout, out mdm.Outcome, o *mdm.Observation) (filing queue.Filing, err error) {
	w := d.w
	return filing, w.unit(func(ctx context.Context, tx mdm.Tx) error {
		e, err := w.store.Lifecycle().EnrollmentByKey(ctx, tx, d.e.Key)
		if err != nil {
			return err
		}
		f, err := w.queue.File(ctx, tx, e, queue.Report{Command: h.ID, Now: w.clock.Now(), Outcome: out, Detail: "as the device says"})
		if filing = f.Filing; err != nil || !f.Told() {
			return err
		}
		if o != nil && h.Kind == mdm.KindSyncML {
			f.Result.Body = *o
		}
		if err := w.engine.Result(ctx, tx, f.Result); err != nil || o == nil {
			return err
		}
		return w.engine.Observed(ctx, tx, mdm.Enrollment{Key: d.e.Key, Host: d.host.Key}, o)
	})
}

// poll fetches, executes and answers one command. It returns false when there was
// none.
func (d *device) poll() bool {
	h := d.fetch()
	if h == nil {
		return false
	}
	out, o := d.execute(h)
	d.report(h, out, o)
	return true
}

// pollAll does so until nothing is left.
func (d *device) pollAll() (n int) {
	for d.poll() {
		n++
	}
	return n
}

// said returns what the device was sent since it was last asked.
func (d *device) said() []string {
	done := d.done
	d.done = nil
	return done
}

// view is how administrators see the device.
func (d *device) view() profiles.HostView {
	v, err := d.w.engine.Host(d.w.ctx, tenant, d.host.Key)
	require.NoError(d.w.t, err)
	return v
}

// status is a slot's status and reason in short; "/" when it is not there.
func (d *device) status(identifier string) string {
	for _, it := range d.view().Items {
		if it.Identifier == identifier {
			return string(it.Status) + "/" + string(it.Reason)
		}
	}
	return "/"
}

// row is the stored row of a slot; nil when there is none.
func (d *device) row(identifier string) *profiles.Row {
	for _, it := range d.view().Items {
		if it.Identifier == identifier {
			return it.Row
		}
	}
	return nil
}

func (d *device) move(team mdm.TeamKey) {
	require.NoError(d.w.t, d.w.engine.SetHostTeam(d.w.ctx, tenant, d.host.Key, team))
}

func (d *device) member(l mdm.LabelKey, v profiles.Tri) {
	require.NoError(d.w.t, d.w.engine.SetMember(d.w.ctx, tenant, l, d.host.Key, v))
}

// commands lists everything that was ever queued for the device.
func (d *device) commands() []queue.Done {
	ds, err := d.w.queue.List(d.w.ctx, tenant, d.e.Key, 0, 1000)
	require.NoError(d.w.t, err)
	return ds
}
