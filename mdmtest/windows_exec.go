package mdmtest

import (
	"encoding/base64"
	"maps"
	"slices"
	"strings"
)

// execute performs the commands of one message and returns the answers, in the
// order of the commands: an Atomic before what is in it. The caller holds the
// lock.
func (r *pcRun) execute(c *pcCommand) []pcAnswer {
	d := r.d
	self := pcAnswer{cmdID: c.cmdID, name: c.name, noResp: c.noResp}
	whole := func(code int) []pcAnswer {
		it := pcItemAnswer{code: code}
		if s := r.seqs[c]; len(s) > 0 {
			it.seq = s[0]
		}
		self.items = []pcItemAnswer{it}
		return []pcAnswer{self}
	}
	switch c.name {
	case "Alert":
		if c.data == "1223" {
			r.last = PCEndServerAbort
		}
		return whole(200)
	case "Sequence":
		out := whole(200)
		for _, k := range c.children {
			out = append(out, r.execute(k)...)
		}
		return out
	case "Atomic":
		out := whole(200)
		before, effects := maps.Clone(d.tree.nodes), len(r.effects)
		failed := false
		var inside []pcAnswer
		for _, k := range c.children {
			switch {
			case failed:
				inside = append(inside, r.unexecuted(k, 216)...)
			case k.name == "Atomic" || k.name == "Get":
				inside = append(inside, r.unexecuted(k, 500)...)
			default:
				inside = append(inside, r.execute(k)...)
			}
			failed = failed || slices.ContainsFunc(inside, pcFailed)
		}
		if failed {
			d.tree.nodes, r.effects = before, r.effects[:effects]
			out[0].items[0].code = 507
			for _, a := range inside {
				for i := range a.items {
					if a.items[i].code < 300 {
						a.items[i] = pcItemAnswer{ref: a.items[i].ref, code: 216, seq: a.items[i].seq}
					}
				}
			}
		}
		return append(out, inside...)
	case "Add", "Replace", "Get", "Delete", "Exec":
		for i, it := range c.items {
			self.items = append(self.items, r.item(c, it, r.seqs[c][i]))
		}
		return []pcAnswer{self}
	}
	return r.unexecuted(c, 406)
}

// pcFailed reports whether any item of an answer failed by itself.
func pcFailed(a pcAnswer) bool {
	return slices.ContainsFunc(a.items, func(it pcItemAnswer) bool { return it.code >= 300 })
}

// unexecuted answers a command, and all in it, with one code.
func (r *pcRun) unexecuted(c *pcCommand, code int) []pcAnswer {
	a := pcAnswer{cmdID: c.cmdID, name: c.name, noResp: c.noResp}
	for i, seq := range r.seqs[c] {
		it := pcItemAnswer{code: code, seq: seq}
		if i < len(c.items) {
			it.ref = c.items[i].target
		}
		a.items = append(a.items, it)
	}
	out := []pcAnswer{a}
	for _, k := range c.children {
		out = append(out, r.unexecuted(k, code)...)
	}
	return out
}

// item performs a command on one item.
func (r *pcRun) item(c *pcCommand, it pcItem, seq int) pcItemAnswer {
	out := pcItemAnswer{ref: it.target, seq: seq}
	s, err := pcSegments(it.target)
	if err != nil || it.more {
		out.code = 400
		return out
	}
	loc, n := pcJoin(s), c.node(it)
	forced, isForced := r.d.overridden(loc)
	if isForced && forced >= 300 {
		out.code = forced
		return out
	}
	if refused := r.refuse(c.name, loc, s, n); refused != "" {
		out.code, out.origin = 500, refused
		return out
	}
	out.code, out.origin, out.got = r.d.tree.apply(c.name, s, n)
	if out.code != 200 {
		return out
	}
	out.code = r.effect(c.name, loc, s, n)
	if isForced {
		out.code = forced
	}
	return out
}

// refuse returns the HRESULT with which a CSP refuses an Exec whose data it
// cannot use; empty when it does not.
func (r *pcRun) refuse(verb, loc string, s []string, n PCNode) string {
	const invalid = "0x80070057"
	switch {
	case verb != "Exec" || len(s) == 0:
	case strings.HasSuffix(loc, "/Unenroll") && strings.Contains(loc, "/DMClient/"):
		if n.Value != r.id.Provider {
			return invalid
		}
	case s[len(s)-1] == "DownloadInstall":
		job, err := pcParseXML([]byte(n.Value))
		if n.Format != "xml" || err != nil || job.name.Local != "MsiInstallJob" {
			return invalid
		}
	}
	return ""
}

// effect performs, or puts off until the commands hold, what a command does
// beyond its node, and returns its status.
func (r *pcRun) effect(verb, loc string, s []string, n PCNode) int {
	d, vendor := r.d, ""
	if len(s) > 3 && s[1] == "Vendor" {
		vendor = strings.Join(s[3:], "/")
	}
	later := func(f func()) { r.effects = append(r.effects, f) }
	last := ""
	if len(s) > 0 {
		last = s[len(s)-1]
	}
	switch {
	case (verb == "Add" || verb == "Replace") && strings.HasPrefix(vendor, "Policy/Config/"):
		return d.opts.PolicyStatus
	case verb == "Exec" && strings.HasPrefix(vendor, "RemoteWipe/"):
		later(func() { r.wipe = last })
	case verb == "Exec" && vendor == "Reboot/RebootNow":
		later(func() { d.reboots++ })
	case verb == "Exec" && last == "Unenroll":
		later(func() { r.leave = true })
	case verb == "Exec" && vendor == "BitLocker/RotateRecoveryPasswords":
		base := "./Device/Vendor/MSFT/BitLocker/Status/RotateRecoveryPasswords"
		d.tree.nodes[base+"Status"] = PCNode{Value: "1", Format: "int"} // pending until the next session
		d.tree.nodes[base+"RequestID"] = PCNode{Value: n.Value}
		return 202
	case verb == "Exec" && last == "RenewNow":
		later(func() { d.renewNow = true })
	case verb == "Exec" && last == "DownloadInstall":
		base := strings.TrimSuffix(loc, "/DownloadInstall")
		d.tree.nodes[base+"/Status"] = PCNode{Value: "70", Format: "int"}
		d.tree.nodes[base+"/LastError"] = PCNode{Value: "0", Format: "int"}
		later(func() {
			d.alerts = append(d.alerts, PCAlert{
				Code: 1226, Type: "Reversed-Domain-Name:com.microsoft.mdm.win32csp_install", Format: "int",
				Mark: "informational", Source: loc, Data: "0",
			})
		})
	case verb == "Replace" && strings.HasSuffix(vendor, "/Push/PFN"):
		uri := r.q.PushURI
		if uri == "" {
			uri = "https://wns2-by3p.notify.windows.com/?token=" + strings.ToLower(d.opts.DeviceID)
		}
		base := strings.TrimSuffix(loc, "PFN")
		d.tree.nodes[base+"ChannelURI"] = PCNode{Value: uri}
		d.tree.nodes[base+"Status"] = PCNode{Value: "0", Format: "int"}
	case verb == "Replace" && strings.HasPrefix(loc, "./SyncML/DMAcc/"+pcAccountNode(r.id.Provider)+"/AppAuth/CLCRED/"):
		switch last {
		case "AAuthName":
			d.id.Server.Name = n.Value
		case "AAuthSecret":
			d.id.Server.Secret = n.Value
		case "AAuthData":
			if nonce, err := base64.StdEncoding.DecodeString(n.Value); err == nil {
				d.id.Server.Nonce = nonce
			}
		}
	}
	return 200
}
