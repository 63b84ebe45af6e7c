package mdmtest

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"
)

// PCDelivery is one item of one command that the server sent: what a PC saw,
// how it answered, and whether the answer arrived. CmdIDs are unique in a
// message only, so that what a command is, over retries, is its verb, its
// address and its data.
type PCDelivery struct {
	// Seq orders the deliveries of a PC, from 1.
	Seq     int       `json:"seq"`
	At      time.Time `json:"at"`
	Session string    `json:"session"` // SessionID
	MsgID   string    `json:"msg"`     // of the server's message
	CmdID   string    `json:"cmd"`
	Verb    string    `json:"verb"` // Add, Alert, Atomic, Delete, Exec, Get, Replace or Sequence
	// LocURI is canonical, see [PCCanonical]; as it was sent when it has no
	// canonical form; empty for Alert, Atomic and Sequence.
	LocURI string `json:"loc,omitempty"`
	// Hash is the hexadecimal SHA-256 of format, type and data.
	Hash string `json:"hash"`
	// Parent is the CmdID of the Atomic or Sequence around it.
	Parent string `json:"parent,omitempty"`
	// Status is what the PC answered; 0 when it never did, because the
	// message was lost or rejected, or the session ended.
	Status int `json:"status,omitempty"`
	// Lost is set when the reply that brought it was dropped on demand: the PC
	// never saw it.
	Lost bool `json:"lost,omitempty"`
	// Confirmed is set once the server answered HTTP 200 to the message that
	// carried Status.
	Confirmed bool `json:"confirmed,omitempty"`
	// Repeat is set when the same command came before and nothing else was
	// written there in between; Explained when that was right, for Reason.
	Repeat    bool   `json:"repeat,omitempty"`
	Explained bool   `json:"explained,omitempty"`
	Reason    string `json:"reason,omitempty"`
}

// same reports whether two deliveries are of one command, as far as a device
// can tell.
func (p *PCDelivery) same(q *PCDelivery) bool {
	return p.Verb == q.Verb && p.LocURI == q.LocURI && p.Hash == q.Hash
}

// touches reports whether q may undo what p did, so that p again is new.
func (p *PCDelivery) touches(q *PCDelivery) bool {
	if q.Lost || q.Verb == "Get" || q.Verb == "Alert" || q.LocURI == "" || p.LocURI == "" {
		return false
	}
	return q.LocURI == p.LocURI || strings.HasPrefix(p.LocURI, q.LocURI+"/") || strings.HasPrefix(q.LocURI, p.LocURI+"/")
}

// why says what explains that the server sends p again; empty means nothing.
func (p *PCDelivery) why() string {
	switch {
	case p.Lost:
		return "the reply that first brought it was lost"
	case p.Status == 0:
		return "it was never answered"
	case !p.Confirmed:
		return "its answer was never taken"
	case p.Status >= 300 || p.Status >= 213 && p.Status <= 216:
		return "it was answered with an error, or undone"
	}
	return ""
}

// Deliveries returns everything that the server sent in sessions, in order.
func (d *PCDevice) Deliveries() []PCDelivery {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.record)
}

// Duplicates returns the deliveries of commands that the server had no reason
// to send again: it had taken the answer, that was a success, and nothing else
// was sent there in between. A Get is never a duplicate, and an enrollment
// begins anew. A test that itself
// queues the same command twice calls [PCDevice.ForgetDeliveries] between.
func (d *PCDevice) Duplicates() []PCDelivery {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []PCDelivery
	for _, p := range d.record {
		if p.Repeat && !p.Explained && p.Verb != "Get" && p.Verb != "Alert" {
			out = append(out, p)
		}
	}
	return out
}

// ForgetDeliveries empties the record: what comes from here on is new.
func (d *PCDevice) ForgetDeliveries() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.record = nil
}

// saw records a delivery, judges whether it is a repeat, and returns its
// sequence number. The caller holds the lock.
func (d *PCDevice) saw(p PCDelivery) int {
	d.seq++
	p.Seq, p.At = d.seq, d.now().UTC()
	if p.Verb != "Atomic" && p.Verb != "Sequence" {
		for i := len(d.record) - 1; i >= 0 && d.record[i].Seq > d.epoch; i-- {
			q := &d.record[i]
			if q.same(&p) {
				p.Repeat, p.Reason = true, q.why()
				p.Explained = p.Reason != ""
				break
			}
			if p.touches(q) {
				break
			}
		}
	}
	if keep := d.opts.Keep; keep > 0 && len(d.record) >= keep {
		d.record = slices.Delete(d.record, 0, len(d.record)-keep+1)
	}
	d.record = append(d.record, p)
	return p.Seq
}

// delivery finds a record by its sequence number, or nil when it was dropped.
// The caller holds the lock.
func (d *PCDevice) delivery(seq int) *PCDelivery {
	i, ok := slices.BinarySearchFunc(d.record, seq, func(p PCDelivery, s int) int { return p.Seq - s })
	if !ok {
		return nil
	}
	return &d.record[i]
}

// sawMessage records every command of a message, and returns the sequence
// number for each item, in order: of a command without items, for itself.
func (d *PCDevice) sawMessage(m *pcMessage, lost bool) map[*pcCommand][]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := map[*pcCommand][]int{}
	var walk func(c *pcCommand, parent string)
	walk = func(c *pcCommand, parent string) {
		p := PCDelivery{
			Session: m.sessionID, MsgID: m.msgID, CmdID: c.cmdID, Verb: c.name, Parent: parent, Lost: lost,
			Hash: pcHash(PCNode{Value: c.data}),
		}
		if len(c.items) == 0 || c.name == "Alert" {
			out[c] = []int{d.saw(p)}
		} else {
			for _, it := range c.items {
				loc, err := PCCanonical(it.target)
				if err != nil {
					loc = it.target
				}
				p.LocURI, p.Hash = loc, pcHash(c.node(it))
				out[c] = append(out[c], d.saw(p))
			}
		}
		for _, k := range c.children {
			walk(k, c.cmdID)
		}
	}
	for _, c := range m.commands {
		walk(c, "")
	}
	return out
}

// pcHash is the identity of a value.
func pcHash(n PCNode) string {
	sum := sha256.Sum256([]byte(n.Format + "\x00" + n.Type + "\x00" + n.Value))
	return hex.EncodeToString(sum[:])
}

// confirm marks the answers that a message carried as taken.
func (d *PCDevice) confirm(seqs []int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range seqs {
		if p := d.delivery(s); p != nil {
			p.Confirmed = true
		}
	}
}
