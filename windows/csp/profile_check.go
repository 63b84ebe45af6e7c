package csp

import (
	"strconv"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/windows/syncml"
)

// checker turns decoded commands into operations and refuses what a profile
// must not hold.
type checker struct {
	opts    *Options
	profile *Profile
	scep    *Operation // the one Exec, nil when there is none
}

func index(name string, i int) string { return name + "[" + strconv.Itoa(i) + "]" }

func invalid(path, format string, args ...any) error {
	return mdm.Errorf(mdm.CodeInvalid, path, format, args...)
}

// command takes one command of the top level.
func (c *checker) command(cmd *syncml.Command, path string) error {
	if cmd.Kind != syncml.Atomic {
		return c.leaf(cmd, path)
	}
	if !c.profile.Atomic {
		return invalid(path, "an Atomic must wrap the whole profile; move the other commands into it, or into another profile")
	}
	if len(cmd.Commands) == 0 {
		return invalid(path, "the Atomic is empty")
	}
	if cmd.NoResp {
		return invalid(path, "NoResp hides the outcome; remove it")
	}
	for i := range cmd.Commands {
		child, childPath := &cmd.Commands[i], path+"."+index("commands", i)
		if child.Kind == syncml.Atomic {
			return invalid(childPath, "Windows does not take an Atomic inside an Atomic")
		}
		if err := c.leaf(child, childPath); err != nil {
			return err
		}
	}
	return nil
}

// leaf takes a command that acts on nodes.
func (c *checker) leaf(cmd *syncml.Command, path string) error {
	switch cmd.Kind {
	case syncml.Add, syncml.Replace, syncml.Exec:
	case syncml.Delete:
		return invalid(path, "a profile states what should be; what it stated is deleted when the profile is removed or changed")
	case syncml.Get:
		return invalid(path, "Get reads and sets nothing; what the profile sets is read back without it")
	default:
		return invalid(path, "%s does not belong in a profile; use Replace or Add", cmd.Kind)
	}
	if cmd.NoResp {
		return invalid(path, "NoResp hides the outcome; remove it")
	}
	if len(cmd.Items) == 0 {
		return invalid(path, "%s has no Item", cmd.Kind)
	}
	if cmd.Kind == syncml.Exec && len(cmd.Items) > 1 {
		return invalid(path, "Exec has one Item, this has %d", len(cmd.Items))
	}
	for i := range cmd.Items {
		if err := c.item(cmd, &cmd.Items[i], path+"."+index("item", i)); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) item(cmd *syncml.Command, it *syncml.Item, path string) error {
	u, problem := parse(it.Target.URI)
	if problem != "" {
		return invalid(path+".target", "%s", problem)
	}
	if u.path() == "" {
		return invalid(path+".target", "%s names a scope and no node", u)
	}
	if err := c.reserved(u, path); err != nil {
		return err
	}
	if it.MoreData {
		return invalid(path, "a profile cannot come in chunks; remove MoreData")
	}
	format, problem := lowerFormat(first(it.Meta.Format, cmd.Meta.Format))
	switch {
	case problem != "":
		return invalid(path+".meta", "%s", problem)
	case (format == "node" || format == "null") && it.Data != "" && cmd.Kind != syncml.Exec:
		return invalid(path, "%s has Format %s and holds no Data", u, format)
	}
	op := Operation{
		Verb: cmd.Kind, LocURI: u, Format: format, Type: first(it.Meta.Type, cmd.Meta.Type),
		Data: it.Data, EmptyData: it.EmptyData, Atomic: c.profile.Atomic, Path: path,
	}
	if cmd.Kind == syncml.Exec {
		if !isEnroll(u) {
			return invalid(path, "Exec on %s runs an action and sets nothing; send it as a command", u)
		}
		if c.scep != nil {
			return invalid(path, "a profile enrolls one SCEP certificate; put the other into a profile of its own")
		}
		c.scep = &op
	}
	c.profile.Operations = append(c.profile.Operations, op)
	return nil
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func (c *checker) reserved(u LocURI, path string) error {
	for _, a := range c.opts.Allow {
		if u.Within(a) {
			return nil
		}
	}
	if r, ok := ReservedFor(u); ok {
		return invalid(path+".target", "%s touches %s, which is reserved: %s", u, r.Node, r.Use)
	}
	return nil
}

// whole checks what needs all operations.
func (c *checker) whole() error {
	seen := make(map[string]*Operation, len(c.profile.Operations))
	for i := range c.profile.Operations {
		o := &c.profile.Operations[i]
		earlier, dup := seen[o.LocURI.Key()]
		if !dup {
			seen[o.LocURI.Key()] = o
			continue
		}
		f, _ := FactOf(o.LocURI)
		switch {
		case o.Atomic:
			return invalid(o.Path+".target", "%s is already set by %s; Windows takes a node only once in an Atomic", o.LocURI, earlier.Path)
		case !sameValue(f, earlier.value(), o.value()):
			return invalid(o.Path, "%s is already set by %s, to another value", o.LocURI, earlier.Path)
		}
	}
	return c.checkSCEP()
}
