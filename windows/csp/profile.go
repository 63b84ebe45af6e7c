package csp

import (
	"bytes"
	"strings"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/windows/syncml"
)

// Bounds of a profile.
const (
	MaxProfile    = 1 << 20 // bytes
	MaxOperations = 5000
)

// Profile is an administrator's Windows profile. It is not changed after
// [ParseProfile] made it.
type Profile struct {
	// Source is the uploaded document, byte for byte.
	Source     []byte
	Operations []Operation
	// Atomic is set when the author wrapped everything in one Atomic.
	Atomic bool
}

// Options relax what [ParseProfile] refuses. Nil and the zero value relax
// nothing.
type Options struct {
	// Allow are nodes that may be used, with all below, although they are
	// reserved.
	Allow []LocURI
}

// ParseProfile reads a profile: a SyncML fragment of Replace and Add commands,
// or of one Atomic around all of them. Comments are fine; an XML declaration or
// other processing instruction, a document type, the SyncML envelope and every
// other command are not. The one Exec that a profile may hold is the Enroll of
// a SCEP certificate, under the rules of the ClientCertificateInstall CSP.
//
// Errors are [mdm.CodeTooLarge], [mdm.CodeMalformed] when it is not well-formed
// XML, and [mdm.CodeInvalid]; Field is the place, such as
// "commands[2].item[0].target", counted from 0.
func ParseProfile(src []byte, opts *Options) (*Profile, error) {
	if opts == nil {
		opts = &Options{}
	}
	if len(src) > MaxProfile {
		return nil, mdm.Errorf(mdm.CodeTooLarge, "", "the profile has %d bytes; a profile has at most %d", len(src), MaxProfile)
	}
	cmds, err := syncml.DecodeFragment(src, &syncml.Limits{MaxBytes: MaxProfile, MaxCommands: 2 * MaxOperations, MaxItems: MaxOperations})
	if err != nil {
		if bytes.HasPrefix(bytes.TrimSpace(src), []byte("<SyncML")) {
			return nil, mdm.Errorf(mdm.CodeInvalid, "", "upload only the commands that stand inside SyncBody, without the SyncML envelope")
		}
		return nil, err
	}
	p := &Profile{}
	switch {
	case len(cmds) == 0:
		return nil, mdm.Errorf(mdm.CodeInvalid, "", "the profile is empty; it needs a Replace, an Add or an Atomic")
	case cmds[0].Kind == syncml.Atomic && len(cmds) == 1:
		p.Atomic = true
	}
	c := checker{opts: opts, profile: p}
	for i := range cmds {
		if err := c.command(&cmds[i], index("commands", i)); err != nil {
			return nil, err
		}
	}
	if err := c.whole(); err != nil {
		return nil, err
	}
	p.Source = bytes.Clone(src)
	return p, nil
}

// LocURIs returns the nodes that the profile owns.
func (p *Profile) LocURIs() []LocURI { return LocURIs(p.Operations) }

// Uses reports whether the profile has a node in the scope. One that uses
// [User] can be installed only while the enrolled user is signed in.
func (p *Profile) Uses(s Scope) bool {
	for i := range p.Operations {
		if p.Operations[i].LocURI.Scope() == s {
			return true
		}
	}
	return false
}

// Role returns why the order of deliveries matters for the profile:
// connectivity if any node is that, else trust if any is.
func (p *Profile) Role() Role {
	role := Plain
	for i := range p.Operations {
		switch f, _ := FactOf(p.Operations[i].LocURI); f.Role {
		case Connectivity:
			return Connectivity
		case Trust:
			role = Trust
		}
	}
	return role
}

// formats are those of OMA DM; the last four are rare on Windows.
var formats = map[string]bool{
	"chr": true, "int": true, "bool": true, "b64": true, "xml": true, "node": true, "null": true, "bin": true,
	"float": true, "date": true, "time": true,
}

// lowerFormat returns a Format in lower case, or what is wrong with it.
func lowerFormat(f string) (string, string) {
	f = strings.ToLower(f)
	if f != "" && !formats[f] {
		return "", "Format is not one of chr, int, bool, b64, xml, node, null, bin, float, date, time"
	}
	return f, ""
}
