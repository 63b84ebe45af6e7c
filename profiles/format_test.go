package profiles_test

import (
	"crypto/sha256"
	"strings"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

// textFormat is a small format in which tests write profiles. A profile is lines
// of "key value":
//
//	identifier com.example.wifi
//	uuid U1
//	class connectivity
//	prove content
//	node ./Device/A 1
//
// Instructions are lines as well: "delete NODE" and "node NODE VALUE" to write,
// "get NODE" to read.
type textFormat struct {
	family profiles.Family
	// fail, when not nil, may refuse to make the instruction for a profile.
	fail func(doc *profiles.Document) error
}

var _ profiles.Format = textFormat{}

func lines(b []byte) (out [][2]string) {
	for line := range strings.Lines(string(b)) {
		k, v, _ := strings.Cut(strings.TrimSpace(line), " ")
		if k != "" {
			out = append(out, [2]string{k, v})
		}
	}
	return out
}

func (f textFormat) Parse(content []byte) (*profiles.Document, error) {
	d := &profiles.Document{Class: profiles.Plain, Provable: profiles.VersionMatched}
	if f.family == profiles.WindowsProfile {
		d.Provable = profiles.ContentMatched
	}
	for _, l := range lines(content) {
		switch v := l[1]; l[0] {
		case "identifier":
			d.Identifier = v
		case "name":
			d.Name = v
		case "uuid":
			d.UUID = v
		case "class":
			d.Class = profiles.Class(v)
		case "prove":
			d.Provable = map[string]profiles.Evidence{
				"accepted": profiles.Accepted, "present": profiles.Present, "version": profiles.VersionMatched, "content": profiles.ContentMatched,
			}[v]
		case "warn":
			d.Warnings = append(d.Warnings, v)
		case "node":
			n, _, _ := strings.Cut(v, " ")
			d.Nodes = append(d.Nodes, profiles.Node{Key: strings.ToLower(n), Address: n})
		default:
			return nil, mdm.Errorf(mdm.CodeInvalid, "content", "unknown key %q", l[0])
		}
	}
	if f.family == profiles.AppleProfile && d.Identifier == "" {
		return nil, mdm.Errorf(mdm.CodeInvalid, "content.identifier", "a profile needs an identifier")
	}
	if f.family == profiles.WindowsProfile && len(d.Nodes) == 0 {
		d.Provable = profiles.Accepted
	}
	d.Raw = string(content)
	return d, nil
}

func deletes(left profiles.Leftovers) string {
	var b strings.Builder
	for _, n := range left.Drop {
		b.WriteString("delete " + n.Address + "\n")
	}
	return b.String()
}

func (f textFormat) Install(doc *profiles.Document, content []byte, left profiles.Leftovers) (profiles.Instruction, error) {
	if f.fail != nil {
		if err := f.fail(doc); err != nil {
			return profiles.Instruction{}, err
		}
	}
	if f.family == profiles.AppleProfile {
		return profiles.Instruction{Kind: mdm.KindInstallProfile, Content: content}, nil
	}
	return profiles.Instruction{Kind: mdm.KindSyncML, Content: []byte(deletes(left) + string(content))}, nil
}

func (f textFormat) Remove(identifier string, left profiles.Leftovers) (profiles.Instruction, bool, error) {
	if f.family == profiles.AppleProfile {
		return profiles.Instruction{Kind: mdm.KindRemoveProfile, Content: []byte(identifier)}, true, nil
	}
	d := deletes(left)
	return profiles.Instruction{Kind: mdm.KindSyncML, Content: []byte(d)}, d != "", nil
}

func (f textFormat) Observe(docs []*profiles.Document) (profiles.Instruction, bool, error) {
	if f.family == profiles.AppleProfile {
		return profiles.Instruction{Kind: mdm.KindProfileList}, true, nil
	}
	var b strings.Builder
	for _, d := range docs {
		if f.fail != nil {
			if err := f.fail(d); err != nil {
				return profiles.Instruction{}, false, err
			}
		}
		for _, n := range d.Nodes {
			b.WriteString("get " + n.Address + "\n")
		}
	}
	return profiles.Instruction{Kind: mdm.KindSyncML, Content: []byte(b.String())}, b.Len() > 0, nil
}

func (f textFormat) Judge(identifier string, doc *profiles.Document, o *mdm.Observation) (profiles.Evidence, string, bool) {
	if f.family == profiles.WindowsProfile {
		return judgeNodes(doc, o)
	}
	if !o.Complete {
		return profiles.NoEvidence, "", false
	}
	for _, it := range o.Items {
		switch {
		case it.Identifier != identifier:
		case doc == nil || doc.UUID == "":
			return profiles.Present, "", true
		case it.UUID == doc.UUID:
			return profiles.VersionMatched, "", true
		default:
			return profiles.Present, "another version", true
		}
	}
	return profiles.NoEvidence, "not there", true
}

func (f textFormat) Conflicts(a, b *profiles.Document) (out []profiles.Node) {
	mine, theirs := writes(a), writes(b)
	for _, n := range a.Nodes {
		if v, ok := theirs[n.Key]; ok && v != mine[n.Key] {
			out = append(out, n)
		}
	}
	return out
}

// writes are the values of a document's nodes.
func writes(d *profiles.Document) map[string]string {
	m := make(map[string]string)
	for _, l := range lines([]byte(d.Raw.(string))) {
		if l[0] == "node" {
			k, v, _ := strings.Cut(l[1], " ")
			m[strings.ToLower(k)] = v
		}
	}
	return m
}

func judgeNodes(doc *profiles.Document, o *mdm.Observation) (profiles.Evidence, string, bool) {
	if doc == nil {
		return profiles.NoEvidence, "", false
	}
	read := make(map[string]mdm.Observed)
	for _, it := range o.Items {
		read[strings.ToLower(it.Identifier)] = it
	}
	judged := false
	for _, l := range lines([]byte(doc.Raw.(string))) {
		if l[0] != "node" {
			continue
		}
		n, value, _ := strings.Cut(l[1], " ")
		it, ok := read[strings.ToLower(n)]
		judged = judged || ok
		if ok && (it.Status != 200 || it.Value != value) {
			return profiles.Accepted, "differs: " + n, true
		}
	}
	return profiles.ContentMatched, "", judged
}

// parsed returns the document of a content, as the engine makes it.
func parsed(f profiles.Family, content string) *profiles.Document {
	d, err := textFormat{family: f}.Parse([]byte(content))
	if err != nil {
		panic(err)
	}
	d.Hash = sha256.Sum256([]byte(content))
	return d
}
