package syncml

// Key names what a Status or an item of a Results answers. Target is the
// [URIKey] of the node, empty when the answer is for the whole command.
type Key struct {
	MsgRef int
	CmdRef string
	Target string
}

// NewKey returns the key for a command of a message and a node as it was sent or
// echoed. An empty target means the whole command.
func NewKey(msgRef int, cmdRef, target string) Key {
	return Key{msgRef, cmdRef, URIKey(target)}
}

// Replies finds answers in one message of a device. Where a device answers
// twice, the first answer counts. A Replies refers to the message and is safe
// for concurrent use.
type Replies struct {
	status  map[Key]*Command
	results map[Key]*Item
	single  map[Key]*Item // the only item of a command's Results, by command
	headers []*Command    // Status for whole messages, in order
}

// NewReplies indexes the Status and Results of a message.
func NewReplies(m *Message) *Replies {
	r := &Replies{status: map[Key]*Command{}, results: map[Key]*Item{}, single: map[Key]*Item{}}
	for i := range m.Commands {
		c := &m.Commands[i]
		switch c.Kind {
		case Status:
			if c.CmdRef == "0" {
				r.headers = append(r.headers, c)
				continue
			}
			if len(c.TargetRefs) == 0 {
				setFirst(r.status, NewKey(c.MsgRef, c.CmdRef, ""), c)
			}
			for _, t := range c.TargetRefs {
				setFirst(r.status, NewKey(c.MsgRef, c.CmdRef, t), c)
			}
		case Results:
			r.addResults(c)
		}
	}
	return r
}

func (r *Replies) addResults(c *Command) {
	for i := range c.Items {
		it := &c.Items[i]
		node := it.Source.URI // where a Results names the node
		if node == "" {
			node = it.Target.URI
		}
		if node == "" && len(c.Items) == 1 && len(c.TargetRefs) == 1 {
			node = c.TargetRefs[0]
		}
		setFirst(r.results, NewKey(c.MsgRef, c.CmdRef, node), it)
	}
	if len(c.Items) == 1 {
		setFirst(r.single, NewKey(c.MsgRef, c.CmdRef, ""), &c.Items[0])
	}
}

func setFirst[V any](m map[Key]*V, k Key, v *V) {
	if _, dup := m[k]; !dup {
		m[k] = v
	}
}

// Header returns the Status for a whole message of ours, nil when there is none.
// One with MsgRef 0 stands for a message that the device could not even read,
// and is returned when there is none for msgID.
func (r *Replies) Header(msgID int) *Command {
	var unread *Command
	for _, c := range r.headers {
		if c.MsgRef == msgID {
			return c
		}
		if c.MsgRef == 0 && unread == nil {
			unread = c
		}
	}
	return unread
}

// Answer is what a device said to one command.
type Answer struct {
	Command *Command // as it was sent
	// Status is the answer to the command as a whole. For a command with
	// several items that were answered one by one it is nil.
	Status   *Command
	Items    []ItemAnswer // one for each item sent, in order
	Children []Answer     // of an Atomic or a Sequence, in order
}

// ItemAnswer is what a device said to one item. A Status for the whole command
// counts for each of its items that has none of its own.
type ItemAnswer struct {
	Target string   // the LocURI as it was sent
	Status *Command // nil: not answered
	Result *Item    // what a Get read; nil when it read nothing
}

// Find returns the answers to a command that was sent in the message msgID.
func (r *Replies) Find(msgID int, sent *Command) Answer {
	a := Answer{Command: sent, Status: r.status[NewKey(msgID, sent.CmdID, "")]}
	for i := range sent.Items {
		it := &sent.Items[i]
		k := NewKey(msgID, sent.CmdID, it.Target.URI)
		ia := ItemAnswer{Target: it.Target.URI, Status: r.status[k], Result: r.results[k]}
		if ia.Status == nil {
			ia.Status = a.Status
		}
		if len(sent.Items) == 1 {
			if ia.Result == nil {
				ia.Result = r.single[NewKey(msgID, sent.CmdID, "")]
			}
			if a.Status == nil {
				a.Status = ia.Status
			}
		}
		a.Items = append(a.Items, ia)
	}
	for i := range sent.Commands {
		a.Children = append(a.Children, r.Find(msgID, &sent.Commands[i]))
	}
	return a
}

// Answered reports whether every item and child has a Status. An Atomic or a
// Sequence needs its own besides.
func (a *Answer) Answered() bool {
	if len(a.Items) == 0 && a.Status == nil {
		return false
	}
	for i := range a.Items {
		if a.Items[i].Status == nil {
			return false
		}
	}
	for i := range a.Children {
		if !a.Children[i].Answered() {
			return false
		}
	}
	return true
}

// Failure names the node at which a command failed.
type Failure struct {
	Kind          Kind
	Target        string // LocURI; empty when the device named none
	Code          int
	Class         Class
	OriginalError string
}

// Failure returns the failure that is the cause, nil when nothing failed. Within
// an Atomic that is the first child that failed on its own, not the siblings
// that were rolled back for it; only when there is none, what stands on the
// Atomic.
func (a *Answer) Failure() *Failure {
	var consequence *Failure
	consider := func(f *Failure) *Failure {
		if f == nil || f.Class.Cause() {
			return f
		}
		if consequence == nil {
			consequence = f
		}
		return nil
	}
	for i := range a.Children {
		if f := consider(a.Children[i].Failure()); f != nil {
			return f
		}
	}
	for i := range a.Items {
		if f := consider(failure(a.Command.Kind, a.Items[i].Status, a.Items[i].Target)); f != nil {
			return f
		}
	}
	if f := consider(failure(a.Command.Kind, a.Status, "")); f != nil {
		return f
	}
	return consequence
}

func failure(cmd Kind, st *Command, target string) *Failure {
	if st == nil {
		return nil
	}
	class := Outcome(cmd, st.Code)
	if class.OK() {
		return nil
	}
	return &Failure{Kind: cmd, Target: target, Code: st.Code, Class: class, OriginalError: st.OriginalError}
}
