package keelson

import (
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
	"github.com/keelson-mdm/keelson/windows/csp"
	"github.com/keelson-mdm/keelson/windows/syncml"
)

// windowsFormat lets the engine understand Windows profiles. Pure.
type windowsFormat struct{}

var _ profiles.Format = windowsFormat{}

// Parse refuses what may not be uploaded.
func (windowsFormat) Parse(content []byte) (*profiles.Document, error) {
	p, err := csp.ParseProfile(content, nil)
	if err != nil {
		return nil, err
	}
	d := &profiles.Document{Class: profiles.Plain, Provable: profiles.Accepted, Raw: p}
	for _, u := range p.LocURIs() {
		d.Nodes = append(d.Nodes, node(u))
	}
	switch p.Role() {
	case csp.Connectivity:
		d.Class = profiles.Connectivity
	case csp.Trust:
		d.Class = profiles.Trust
	}
	if len(csp.Probes(p.Operations)) > 0 {
		d.Provable = profiles.ContentMatched
	}
	for _, a := range p.Advise() {
		d.Warnings = append(d.Warnings, a.Path+": "+a.Text)
	}
	return d, nil
}

// Install sends the profile as it was uploaded, behind the removal of what is
// left over.
func (windowsFormat) Install(_ *profiles.Document, content []byte, left profiles.Leftovers) (profiles.Instruction, error) {
	deletes, ok, err := removal(left)
	if err != nil {
		return profiles.Instruction{}, err
	}
	if ok {
		content = append(append(deletes, '\n'), content...)
	}
	return profiles.Instruction{Kind: mdm.KindSyncML, Content: content}, nil
}

// Remove deletes what is left over.
func (windowsFormat) Remove(_ string, left profiles.Leftovers) (profiles.Instruction, bool, error) {
	deletes, ok, err := removal(left)
	return profiles.Instruction{Kind: mdm.KindSyncML, Content: deletes}, ok, err
}

func removal(left profiles.Leftovers) ([]byte, bool, error) {
	drop, err := addresses(left.Drop)
	if err != nil {
		return nil, false, err
	}
	keep, err := addresses(left.Keep)
	if err != nil {
		return nil, false, err
	}
	r := csp.RemoveNodes(drop, csp.NewSet(keep...))
	if len(r.Deletes) == 0 {
		return nil, false, nil
	}
	b, err := syncml.EncodeFragment(csp.Commands(r.Deletes))
	return b, true, err
}

func addresses(nodes []profiles.Node) ([]csp.LocURI, error) {
	out := make([]csp.LocURI, len(nodes))
	for i, n := range nodes {
		u, err := csp.Parse(n.Address)
		if err != nil {
			return nil, err
		}
		out[i] = u
	}
	return out, nil
}

// Observe gets what the documents wrote and Windows lets be read.
func (windowsFormat) Observe(docs []*profiles.Document) (profiles.Instruction, bool, error) {
	var ps []csp.Probe
	for _, d := range docs {
		if p, ok := d.Raw.(*csp.Profile); ok {
			ps = append(ps, csp.Probes(p.Operations)...)
		}
	}
	if len(ps) == 0 {
		return profiles.Instruction{}, false, nil
	}
	b, err := syncml.EncodeFragment(csp.Gets(ps))
	return profiles.Instruction{Kind: mdm.KindSyncML, Content: b}, true, err
}

// Conflicts compares values as Windows does.
func (windowsFormat) Conflicts(a, b *profiles.Document) []profiles.Node {
	p, _ := a.Raw.(*csp.Profile)
	q, _ := b.Raw.(*csp.Profile)
	if p == nil || q == nil {
		return nil
	}
	var out []profiles.Node
	for _, u := range csp.Conflicts(p.Operations, q.Operations) {
		out = append(out, node(u))
	}
	return out
}

func node(u csp.LocURI) profiles.Node { return profiles.Node{Key: u.Key(), Address: u.String()} }

// Judge holds what was read against what was written. The whole profile is as
// good as its worst node that can be read.
func (windowsFormat) Judge(_ string, doc *profiles.Document, o *mdm.Observation) (profiles.Evidence, string, bool) {
	if doc == nil {
		return profiles.NoEvidence, "", false // a removal is proven by its own statuses
	}
	p, ok := doc.Raw.(*csp.Profile)
	if !ok {
		return profiles.NoEvidence, "", false
	}
	read := make(map[string]mdm.Observed, len(o.Items))
	for _, it := range o.Items {
		read[syncml.URIKey(it.Identifier)] = it
	}
	level := profiles.ContentMatched
	judged := false
	for _, probe := range csp.Probes(p.Operations) {
		it, ok := read[syncml.URIKey(probe.At.String())]
		if !ok {
			continue
		}
		judged = true
		switch v := probe.Judge(it.Status, csp.Value{Format: it.Format, Data: it.Value}); {
		case v == csp.Pending:
			return profiles.NoEvidence, "", false
		case v.Failed():
			return profiles.Accepted, string(v) + ": " + probe.At.String(), true
		case v == csp.Unverifiable:
			level = min(level, profiles.Accepted)
		case v == csp.Present:
			level = min(level, profiles.Present)
		}
	}
	return level, "", judged
}
