package profiles

import "github.com/keelson-mdm/keelson/mdm"

// freeze finds the slots about which nothing can be decided until a content can
// be read again: those that it should fill, and on Windows, where a removal
// deletes what the content names, those that it should leave. Apple's removals
// name the slot alone.
//
// The brakes hold for what they cannot see: what is to come may be a network or a
// root, and so may what is to go.
func (c *channel) freeze() {
	for i := range c.slots {
		s := &c.slots[i]
		if s.want != nil {
			s.frozen = c.unreadable(s.want.Content)
		} else {
			s.frozen = lost(s.row, c.in.Documents) != nil
		}
	}
}

func (c *channel) unreadable(h mdm.Hash) bool {
	d := c.in.Documents[h]
	return d != nil && d.Unreadable != ""
}

// lost returns a document of the row's that cannot be read, and without which
// nobody knows what a removal has to delete; nil when there is none.
func lost(r *Row, docs map[mdm.Hash]*Document) *Document {
	if r.Family != WindowsProfile {
		return nil
	}
	for _, t := range settled(r) {
		if d := docs[t.Content]; d != nil && d.Unreadable != "" {
			return d
		}
	}
	return nil
}
