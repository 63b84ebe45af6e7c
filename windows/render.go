package windows

import (
	"strconv"
	"strings"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
	"github.com/keelson-mdm/keelson/windows/syncml"
)

// read decodes the content of a hand-out into commands that a device may be
// sent. An error means that the entry can never leave.
func read(h *queue.Handout) ([]syncml.Command, error) {
	if h.Err != nil {
		return nil, h.Err
	}
	if h.Kind != mdm.KindSyncML {
		return nil, mdm.Errorf(mdm.CodeUnsupported, "kind", "a Windows device is sent commands of the kind %s, not %.60q", mdm.KindSyncML, h.Kind)
	}
	cmds, err := syncml.DecodeFragment(h.Data, nil)
	if err != nil {
		return nil, err
	}
	if len(cmds) == 0 {
		return nil, mdm.Errorf(mdm.CodeInvalid, "content", "the content holds no command")
	}
	if err := restrict(cmds); err != nil {
		return nil, err
	}
	// What cannot be written would fail the whole message, and with it all that
	// travels beside it.
	_, err = syncml.EncodeFragment(cmds)
	return cmds, err
}

// restrict allows what an administrator may send, and takes away what is ours to
// say: CmdIDs, and NoResp, without which no outcome would ever come.
func restrict(cmds []syncml.Command) error {
	for i := range cmds {
		c := &cmds[i]
		switch c.Kind {
		case syncml.Add, syncml.Replace, syncml.Get, syncml.Delete, syncml.Exec, syncml.Atomic, syncml.Sequence:
		default:
			return mdm.Errorf(mdm.CodeInvalid, "content", "%s is not a command that can be queued", c.Kind)
		}
		c.CmdID, c.NoResp = "", false
		for j := range c.Items {
			if c.Items[j].MoreData {
				return mdm.Errorf(mdm.CodeUnsupported, "content", "Windows takes no chunks of a large object")
			}
		}
		if err := restrict(c.Commands); err != nil {
			return err
		}
	}
	return nil
}

// userScope reports whether any of the commands is about the signed-in user.
func userScope(cmds []syncml.Command) bool {
	for i := range cmds {
		for j := range cmds[i].Items {
			key := syncml.URIKey(cmds[i].Items[j].Target.URI)
			if key == "user" || strings.HasPrefix(key, "user/") {
				return true
			}
		}
		if userScope(cmds[i].Commands) {
			return true
		}
	}
	return false
}

// ids numbers the commands of a session. The numbers go on from message to
// message, so that no answer is taken for that to another command.
type ids struct{ last int }

func (n *ids) next() string {
	n.last++
	return strconv.Itoa(n.last)
}

// rendering writes an entry's commands with CmdIDs, and fills in what the entry
// remembers of them. Of an entry that was mended it writes what has no code yet.
type rendering struct {
	e             *entry
	first         bool
	target, group int // how many were passed
	ids           *ids
}

// render returns what leaves of an entry now; nothing when all of it has a code.
func (e *entry) render(cmds []syncml.Command, n *ids) []syncml.Command {
	targets, groups := count(cmds)
	if targets != len(e.Targets) || groups != len(e.Groups) {
		// It leaves for the first time, or its content is another than it was.
		e.Targets, e.Groups = nil, nil
	}
	r := rendering{e: e, first: len(e.Targets) == 0, ids: n}
	return r.all(cmds, 0)
}

func count(cmds []syncml.Command) (targets, groups int) {
	for i := range cmds {
		t, g := count(cmds[i].Commands)
		targets, groups = targets+t+len(cmds[i].Items), groups+g
		if cmds[i].Kind == syncml.Atomic || cmds[i].Kind == syncml.Sequence {
			groups++
		}
	}
	return targets, groups
}

func (r *rendering) all(cmds []syncml.Command, in int) []syncml.Command {
	var out []syncml.Command
	for i := range cmds {
		if c := &cmds[i]; c.Kind == syncml.Atomic || c.Kind == syncml.Sequence {
			out = append(out, r.container(c, in)...)
		} else {
			out = append(out, r.leaf(c, in)...)
		}
	}
	return out
}

func (r *rendering) container(c *syncml.Command, in int) []syncml.Command {
	if r.first {
		r.e.Groups = append(r.e.Groups, group{Kind: c.Kind, In: in})
	}
	r.group++
	self, id := r.group, r.ids.next()
	kids := r.all(c.Commands, self)
	if len(kids) == 0 {
		return nil
	}
	r.e.Groups[self-1].Cmd, r.e.Groups[self-1].Code = id, 0
	out := *c
	out.CmdID, out.Commands = id, kids
	return []syncml.Command{out}
}

// leaf splits a command in two where some of its items leave as a Replace.
func (r *rendering) leaf(c *syncml.Command, in int) []syncml.Command {
	var out []syncml.Command
	at := map[syncml.Kind]int{}
	for _, it := range c.Items {
		if r.first {
			format := it.Meta.Format
			if format == "" {
				format = c.Meta.Format
			}
			r.e.Targets = append(r.e.Targets, target{
				Kind: c.Kind, URI: it.Target.URI, In: in, Node: strings.EqualFold(format, "node"),
			})
		}
		t := &r.e.Targets[r.target]
		r.target++
		if t.Skip || t.Code != 0 {
			continue
		}
		n, ok := at[t.Kind]
		if !ok {
			n = len(out)
			at[t.Kind] = n
			part := *c
			part.Kind, part.CmdID, part.Items = t.Kind, r.ids.next(), nil
			out = append(out, part)
		}
		t.Cmd = out[n].CmdID
		out[n].Items = append(out[n].Items, it)
	}
	return out
}
