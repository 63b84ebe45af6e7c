package mdmtest

import (
	"encoding/base64"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// PCNode is the content of one node of a PC's management tree.
type PCNode struct {
	Value string `json:"value,omitempty"`
	// Format is chr, int, bool, b64, xml, node, null, bin or float. Empty
	// means chr.
	Format string `json:"format,omitempty"`
	Type   string `json:"type,omitempty"` // a media type; usually empty
}

// pcTree is the management tree: leaves, and the interior nodes that were made
// as such, by canonical LocURI. Other interior nodes are implied.
type pcTree struct {
	nodes    map[string]PCNode
	extra    []string // further CSPs
	signedIn bool     // the enrolled person, without whom ./User does not exist
}

func pcMatches(pattern string, s []string) bool {
	p := strings.Split(pattern, "/")
	for i, want := range p {
		if want == "**" {
			return true
		}
		if i >= len(s) || want != "*" && want != s[i] {
			return false
		}
	}
	return len(s) == len(p)
}

// children returns the names below a node, sorted.
func (t *pcTree) children(loc string) []string {
	names := map[string]bool{}
	for key := range t.nodes {
		if rest, ok := strings.CutPrefix(key, loc+"/"); ok {
			name, _, _ := strings.Cut(rest, "/")
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// apply performs one command on one node and returns its status code, the
// HRESULT that goes with a failure of the CSP itself, and what a Get returns.
func (t *pcTree) apply(verb string, s []string, n PCNode) (code int, origin string, got PCNode) {
	v := pcVerb(verb)
	if len(s) > 0 && s[0] == "User" && !t.signedIn {
		if v == pcGet {
			return 404, "", PCNode{}
		}
		return 405, "", PCNode{}
	}
	class, code := t.classOf(s)
	switch {
	case code != 0:
		return code, "", PCNode{}
	case class.verbs&v == 0:
		return 405, "", PCNode{}
	}
	loc := pcJoin(s)
	old, exists := t.nodes[loc]
	below := t.children(loc)
	switch v {
	case pcGet:
		return t.get(old, exists, below, class)
	case pcDelete:
		if !exists && len(below) == 0 {
			return 404, "", PCNode{}
		}
		t.remove(loc)
		return 200, "", PCNode{}
	case pcExec:
		if !exists {
			return 404, "", PCNode{}
		}
		return 200, "", PCNode{}
	case pcAdd:
		if exists || len(below) > 0 {
			return 418, "", PCNode{}
		}
	case pcReplace:
		switch {
		case !exists && len(below) == 0 && class.strict:
			return 404, "", PCNode{}
		case len(below) > 0 && n.Format != "node":
			return 405, "", PCNode{}
		}
	}
	if !pcFits(n) {
		return 500, "0x80070057", PCNode{} // E_INVALIDARG
	}
	for i := len(s) - 1; i > 0; i-- {
		if p, ok := t.nodes[pcJoin(s[:i])]; ok && p.Format != "node" {
			return 405, "", PCNode{} // a leaf has no children
		}
	}
	t.set(loc, n)
	return 200, "", PCNode{}
}

func (t *pcTree) get(old PCNode, exists bool, below []string, class pcClass) (int, string, PCNode) {
	switch {
	case len(below) > 0 || exists && old.Format == "node":
		for i, name := range below {
			u, _ := url.PathUnescape(name) // our own escapes
			below[i] = url.PathEscape(u)
		}
		return 200, "", PCNode{Value: strings.Join(below, "/"), Format: "node"}
	case !exists:
		return 404, "", PCNode{}
	case class.redact:
		old.Value = pcRedact(old.Value)
	}
	return 200, "", old
}

// set writes a node; a policy takes effect at once.
func (t *pcTree) set(loc string, n PCNode) {
	t.nodes[loc] = n
	if result, ok := pcResultOf(loc); ok {
		t.nodes[result] = n
	}
}

// remove deletes a node and all below it.
func (t *pcTree) remove(loc string) {
	gone := []string{loc}
	if result, ok := pcResultOf(loc); ok {
		gone = append(gone, result)
	}
	maps.DeleteFunc(t.nodes, func(key string, _ PCNode) bool {
		return slices.ContainsFunc(gone, func(g string) bool {
			return key == g || strings.HasPrefix(key, g+"/")
		})
	})
}

// pcResultOf returns where the effect of a Policy/Config node is read.
func pcResultOf(loc string) (string, bool) {
	for _, scope := range []string{"./Device", "./User"} {
		if rest, ok := strings.CutPrefix(loc, scope+"/Vendor/MSFT/Policy/Config/"); ok {
			return scope + "/Vendor/MSFT/Policy/Result/" + rest, true
		}
	}
	return "", false
}

// pcFits reports whether a value is of its format.
func pcFits(n PCNode) bool {
	var err error
	switch n.Format {
	case "int":
		_, err = strconv.ParseInt(strings.TrimSpace(n.Value), 10, 64)
	case "bool":
		s := strings.ToLower(strings.TrimSpace(n.Value))
		return s == "true" || s == "false"
	case "float":
		_, err = strconv.ParseFloat(strings.TrimSpace(n.Value), 64)
	case "b64", "bin":
		_, err = base64.StdEncoding.DecodeString(strings.Join(strings.Fields(n.Value), ""))
	case "node", "null":
		return n.Value == ""
	}
	return err == nil
}

// pcSecretElements are the elements whose text a PC does not give back.
var pcSecretElements = []string{"keyMaterial", "L2tpPsk", "Password", "sharedSecret"}

// pcRedact blanks the text of the secret elements of an XML value.
func pcRedact(value string) string {
	for _, name := range pcSecretElements {
		var b strings.Builder
		rest := value
		for {
			before, inside, ok := strings.Cut(rest, "<"+name+">")
			b.WriteString(before)
			if !ok {
				break
			}
			b.WriteString("<" + name + ">")
			_, after, closed := strings.Cut(inside, "</"+name+">")
			if !closed {
				break
			}
			b.WriteString("********</" + name + ">")
			rest = after
		}
		value = b.String()
	}
	return value
}

// Node returns the content of a leaf, or of an interior node that was made as
// such. The value is the real one: nothing is redacted.
func (d *PCDevice) Node(loc string) (PCNode, bool) {
	key, err := PCCanonical(loc)
	if err != nil {
		return PCNode{}, false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	n, ok := d.tree.nodes[key]
	return n, ok
}

// Tree returns a copy of the whole tree, by canonical LocURI.
func (d *PCDevice) Tree() map[string]PCNode {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.tree.nodes)
}

// SetNode writes a node behind the server's back: what a person, a group policy
// or another program does. A Policy/Config node changes its Policy/Result too;
// a Policy/Result node changes alone, as when another source wins.
func (d *PCDevice) SetNode(loc string, n PCNode) error {
	key, err := PCCanonical(loc)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tree.set(key, n)
	return nil
}

// RemoveNode deletes a node and all below it behind the server's back. A node
// that does not exist is not an error.
func (d *PCDevice) RemoveNode(loc string) error {
	key, err := PCCanonical(loc)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tree.remove(key)
	return nil
}
