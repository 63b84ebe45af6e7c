package mde

import (
	"github.com/beevik/etree"

	"github.com/keelson-mdm/keelson/mdm"
)

// ProvisioningDoc is an OMA client provisioning document, version 1.1, as a
// tree. [NewProvisioningDoc] makes the one that enrolls a device.
type ProvisioningDoc struct {
	Characteristics []Characteristic
}

// Characteristic is a node of the tree: its values first, then its children.
type Characteristic struct {
	Type            string
	Parms           []Parm
	Characteristics []Characteristic
}

// Parm is a value.
type Parm struct {
	Name  string
	Value string
	// Datatype is "", "string", "integer" or "boolean". Windows wants the
	// right one where the DMClient and Renew nodes have a type.
	Datatype string
	// Flag is set for a parm that has no value attribute at all: that it is
	// there is what it says.
	Flag bool
}

// Find returns the node at a path of types, taking the first of several, or
// nil.
func (d *ProvisioningDoc) Find(path ...string) *Characteristic {
	c := &Characteristic{Characteristics: d.Characteristics}
	for _, t := range path {
		if c = c.child(t); c == nil {
			return nil
		}
	}
	return c
}

func (c *Characteristic) child(typ string) *Characteristic {
	for i := range c.Characteristics {
		if c.Characteristics[i].Type == typ {
			return &c.Characteristics[i]
		}
	}
	return nil
}

// Parm returns the value of the first parm with that name, and whether there is
// one. A nil c has none.
func (c *Characteristic) Parm(name string) (string, bool) {
	if c == nil {
		return "", false
	}
	for _, p := range c.Parms {
		if p.Name == name {
			return p.Value, true
		}
	}
	return "", false
}

// Encode writes the document with its XML declaration, on one line: base64 in
// it must not be broken. Depth and text beyond what [ParseProvisioningDoc]
// reads are errors.
func (d *ProvisioningDoc) Encode() ([]byte, error) {
	doc := newDocument()
	doc.CreateProcInst("xml", `version="1.0" encoding="UTF-8"`)
	root := doc.CreateElement("wap-provisioningdoc")
	root.CreateAttr("version", "1.1")
	for _, c := range d.Characteristics {
		if err := c.write(root, maxDepth-2); err != nil {
			return nil, err
		}
	}
	return doc.WriteToBytes()
}

func (c Characteristic) write(parent *etree.Element, depth int) error {
	if depth == 0 {
		return mdm.Errorf(mdm.CodeTooLarge, "Characteristics", "the provisioning document is nested too deep")
	}
	e := parent.CreateElement("characteristic")
	if err := setAttr(e, "type", c.Type); err != nil {
		return err
	}
	for _, p := range c.Parms {
		pe := e.CreateElement("parm")
		if err := setAttr(pe, "name", p.Name); err != nil {
			return err
		}
		if !p.Flag {
			if err := setAttr(pe, "value", p.Value); err != nil {
				return err
			}
		}
		if p.Datatype != "" {
			if err := setAttr(pe, "datatype", p.Datatype); err != nil {
				return err
			}
		}
	}
	for _, k := range c.Characteristics {
		if err := k.write(e, depth-1); err != nil {
			return err
		}
	}
	return nil
}

// setAttr refuses a value that would not come back as it was.
func setAttr(e *etree.Element, name, value string) error {
	if value != plainText(value) {
		return mdm.Errorf(mdm.CodeInvalid, name, "a %s of the provisioning document has a control character or is not UTF-8", name)
	}
	e.CreateAttr(name, value)
	return nil
}

// ParseProvisioningDoc reads a document, as a device would: for tests, and for
// simulated devices. Errors are [*mdm.Error].
func ParseProvisioningDoc(b []byte) (*ProvisioningDoc, error) {
	root, err := parseTree(b)
	if err != nil {
		return nil, err
	}
	if !root.is("", "wap-provisioningdoc") || root.attr("version") != "1.1" {
		return nil, mdm.Errorf(mdm.CodeMalformed, "", "the document is not a wap-provisioningdoc of version 1.1")
	}
	c, err := readCharacteristic(root)
	if err != nil {
		return nil, err
	}
	if len(c.Parms) > 0 {
		return nil, mdm.Errorf(mdm.CodeMalformed, "", "the document has a parm outside every characteristic")
	}
	return &ProvisioningDoc{Characteristics: c.Characteristics}, nil
}

// readCharacteristic recurses no deeper than parseTree let the document be.
func readCharacteristic(e *element) (Characteristic, error) {
	c := Characteristic{Type: e.exactAttr("type")}
	for _, k := range e.kids {
		switch {
		case k.is("", "parm"):
			p := Parm{Name: k.exactAttr("name"), Value: k.exactAttr("value"), Datatype: k.exactAttr("datatype"), Flag: !k.has("value")}
			c.Parms = append(c.Parms, p)
		case k.is("", "characteristic"):
			kid, err := readCharacteristic(k)
			if err != nil {
				return c, err
			}
			c.Characteristics = append(c.Characteristics, kid)
		default:
			return c, mdm.Errorf(mdm.CodeMalformed, "", "the document has an element that is neither a characteristic nor a parm")
		}
	}
	return c, nil
}
