package mdmtest

import (
	"slices"
	"strconv"
)

// pcChar is a characteristic.
type pcChar struct {
	kind  string
	parms map[string]string
	kinds map[string]string // datatype of each parm
	elem  *pcElem
}

// pcCharacteristics reads the characteristics below e and checks their form.
func pcCharacteristics(e *pcElem, where string, f *pcFindings) []pcChar {
	var out []pcChar
	for _, k := range e.kids {
		switch k.name.Local {
		case "parm":
			continue // read with its parent
		case "characteristic":
		default:
			f.add(PCRuleProvisioning, "unknown element %s in %s", k.name.Local, where)
			continue
		}
		c := pcChar{parms: map[string]string{}, kinds: map[string]string{}, elem: k}
		c.kind, _ = k.attr("type")
		if c.kind == "" || len(k.attrs) != 1 {
			f.add(PCRuleProvisioning, "a characteristic in %s has other attributes than a type", where)
		}
		for _, m := range k.all("", "parm") {
			c.readParm(m, f)
		}
		out = append(out, c)
	}
	return out
}

func (c *pcChar) readParm(m *pcElem, f *pcFindings) {
	name, _ := m.attr("name")
	value, has := m.attr("value")
	datatype, _ := m.attr("datatype")
	for _, a := range m.attrs {
		if !slices.Contains([]string{"name", "value", "datatype"}, a.Name.Local) {
			f.add(PCRuleProvisioning, "parm %s/%s has the attribute %s", c.kind, name, a.Name.Local)
		}
	}
	if _, twice := c.parms[name]; twice || name == "" {
		f.add(PCRuleProvisioning, "parm %q of %s is empty or occurs twice", name, c.kind)
	}
	if !has && name != "BACKCOMPATRETRYDISABLED" {
		f.add(PCRuleProvisioning, "parm %s/%s has no value", c.kind, name)
	}
	switch datatype {
	case "", "string":
	case "integer":
		if _, err := strconv.Atoi(value); err != nil {
			f.add(PCRuleProvisioning, "parm %s/%s is %q, not an integer", c.kind, name, value)
		}
	case "boolean":
		if value != "true" && value != "false" {
			f.add(PCRuleProvisioning, "parm %s/%s is %q, not true or false", c.kind, name, value)
		}
	default:
		f.add(PCRuleProvisioning, "parm %s/%s has the datatype %q", c.kind, name, datatype)
	}
	c.parms[name], c.kinds[name] = value, datatype
}

// typed reports parms that are not of the datatype they need.
func (c *pcChar) typed(f *pcFindings, datatype string, names ...string) {
	for _, n := range names {
		if _, ok := c.parms[n]; ok && c.kinds[n] != datatype {
			f.add(PCRuleProvisioning, `parm %s/%s needs datatype="%s"`, c.kind, n, datatype)
		}
	}
}

// only reports parms that are not known.
func (c *pcChar) only(f *pcFindings, names ...string) {
	for n := range c.parms {
		if !slices.Contains(names, n) {
			f.add(PCRuleProvisioning, "unknown parm %s/%s", c.kind, n)
		}
	}
}

// need reports parms that are missing or empty.
func (c *pcChar) need(f *pcFindings, names ...string) {
	for _, n := range names {
		if c.parms[n] == "" {
			f.add(PCRuleProvisioning, "parm %s/%s is missing or empty", c.kind, n)
		}
	}
}
