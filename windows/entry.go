package windows

import (
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/windows/syncml"
)

// entry is a queued command that has left in this session and has not ended:
// what was sent, and what the device has said to it so far. It holds no content,
// which the queue gives again when it is needed.
type entry struct {
	ID   mdm.CommandID `json:"id"`
	Msg  int           `json:"msg"`  // our message that it left in
	Size int           `json:"size"` // bytes of its content
	Once bool          `json:"once,omitempty"`
	// Mended is set when the entry goes out again for the targets that have no
	// code: an Add as a Replace, an Atomic without what stood in its way.
	Mended  bool     `json:"mended,omitempty"`
	Targets []target `json:"targets,omitempty"` // in the order of the content
	Groups  []group  `json:"groups,omitempty"`  // Atomic and Sequence, in the order of the content
}

// target is one item of one command of an entry.
type target struct {
	Kind syncml.Kind `json:"kind"` // as it leaves: an Add may have become a Replace
	URI  string      `json:"uri"`
	In   int         `json:"in,omitempty"`   // 1 + index of the group around it; 0 is none
	Node bool        `json:"node,omitempty"` // makes an interior node, which has no value
	// Cmd is the CmdID of the command that it left in, last. Several targets may
	// share one.
	Cmd   string `json:"cmd"`
	Code  int    `json:"code,omitempty"` // 0 until the device has answered
	Error string `json:"error,omitempty"`
	// Inherited is set when the code is that of the group around it.
	Inherited bool `json:"inherited,omitempty"`
	// Skip is set when it is left out for good: what it wants is so already.
	Skip bool `json:"skip,omitempty"`

	Got    bool   `json:"got,omitempty"` // a Get has returned a value
	More   bool   `json:"more,omitempty"`
	Value  string `json:"value,omitempty"`
	Format string `json:"format,omitempty"`
}

// group is an Atomic or a Sequence of an entry.
type group struct {
	Kind  syncml.Kind `json:"kind"`
	In    int         `json:"in,omitempty"`
	Cmd   string      `json:"cmd,omitempty"`
	Code  int         `json:"code,omitempty"`
	Error string      `json:"error,omitempty"`
}

// maxValue bounds what one entry may bring back, in bytes, chunks included.
const maxValue = 4 << 20

// take notes what a message of the device says to the entry. The first answer to
// anything counts.
func (e *entry) take(r *syncml.Replies) {
	room := maxValue
	for i := range e.Targets {
		room -= len(e.Targets[i].Value)
	}
	for _, members := range e.commands() {
		sent := syncml.Command{Kind: e.Targets[members[0]].Kind, CmdID: e.Targets[members[0]].Cmd}
		for _, i := range members {
			sent.Items = append(sent.Items, syncml.Item{Target: syncml.Location{URI: e.Targets[i].URI}})
		}
		said := r.Find(e.Msg, &sent).Items
		// Results without a MsgRef mean message 1; CmdIDs are unique in the
		// session, so that there is no doubt which command is meant.
		first := r.Find(1, &sent).Items
		for k, i := range members {
			t, result := &e.Targets[i], said[k].Result
			if result == nil {
				result = first[k].Result
			}
			if st := said[k].Status; t.Code == 0 && st != nil {
				t.Code, t.Error = st.Code, hresult(st.OriginalError)
			}
			if result != nil && t.Kind == syncml.Get && (!t.Got || t.More) && len(result.Data) <= room {
				t.Got, t.More = true, result.MoreData
				t.Value += result.Data
				room -= len(result.Data)
				if result.Meta.Format != "" {
					t.Format = clip(result.Meta.Format, 16)
				}
			}
		}
	}
	for i := range e.Groups {
		g := &e.Groups[i]
		if st := r.Find(e.Msg, &syncml.Command{Kind: g.Kind, CmdID: g.Cmd}).Status; g.Code == 0 && st != nil {
			g.Code, g.Error = st.Code, hresult(st.OriginalError)
		}
	}
}

// commands returns the indexes of the targets that wait for an answer, together
// with the others of the command that they left in, by command.
func (e *entry) commands() [][]int {
	var out [][]int
	at := map[string]int{}
	for i := range e.Targets {
		t := &e.Targets[i]
		if t.Cmd == "" {
			continue
		}
		n, ok := at[t.Cmd]
		if !ok {
			n = len(out)
			at[t.Cmd] = n
			out = append(out, nil)
		}
		out[n] = append(out[n], i)
	}
	return out
}

// answered reports whether the device has said all that there is to say. At the
// end of a package there is no more to come: a group's answer then counts for
// what is in it, and a read whose value did not come is over.
func (e *entry) answered(final bool) bool {
	if final {
		e.inherit()
	}
	for i := range e.Targets {
		t := &e.Targets[i]
		if t.Skip {
			continue
		}
		if t.Code == 0 {
			return false
		}
		if !final && t.Kind == syncml.Get && (t.More || !t.Got && t.Code == 200) {
			return false
		}
	}
	if final {
		return true
	}
	for i := range e.Groups {
		if g := &e.Groups[i]; g.Cmd != "" && g.Code == 0 {
			return false
		}
	}
	return true
}

// inherit gives what a device did not answer the answer of the group around it.
func (e *entry) inherit() {
	from := func(in int) int {
		if in == 0 {
			return 0
		}
		return e.Groups[in-1].Code
	}
	for i := range e.Groups { // parents come before what is in them
		if g := &e.Groups[i]; g.Code == 0 && g.Cmd != "" {
			g.Code = from(g.In)
		}
	}
	for i := range e.Targets {
		if t := &e.Targets[i]; t.Code == 0 && !t.Skip {
			t.Code = from(t.In)
			t.Inherited = t.Code != 0
		}
	}
}

// atomic returns the index of the Atomic around a target, -1 when there is none.
func (e *entry) atomic(t *target) int {
	for in := t.In; in != 0; in = e.Groups[in-1].In {
		if e.Groups[in-1].Kind == syncml.Atomic {
			return in - 1
		}
	}
	return -1
}

// hresult keeps an error number of Windows, and nothing that only looks like one.
func hresult(s string) string {
	if len(s) > 18 {
		return ""
	}
	for _, c := range s {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') && c != 'x' && c != 'X' && c != '-' {
			return ""
		}
	}
	return s
}
