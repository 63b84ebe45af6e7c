package csp

import (
	"github.com/keelson-mdm/keelson/windows/syncml"
)

const scepPattern = v + "ClientCertificateInstall/SCEP"

// scepRequired are the parameters that clientcertificateinstall-csp calls
// required for an enrollment.
var scepRequired = []string{
	"ServerURL", "Challenge", "EKUMapping", "KeyUsage", "SubjectName", "KeyLength", "HashAlgorithm", "CAThumbprint",
}

// isEnroll reports whether a node starts the enrollment of a SCEP certificate.
func isEnroll(u LocURI) bool {
	return matchPattern(scepPattern+"/*/Install/Enroll", u.path())
}

// checkSCEP holds the rules for a SCEP certificate (clientcertificateinstall-csp):
// everything in one Atomic, one unique id in one scope, the parameters complete,
// and Enroll last.
func (c *checker) checkSCEP() error {
	ops := c.profile.Operations
	if c.scep == nil {
		for i := range ops {
			if matchPattern(scepPattern+"/*/**", ops[i].LocURI.path()) {
				return invalid(ops[i].Path, "a SCEP certificate needs an Exec on Install/Enroll at the end")
			}
		}
		return nil
	}
	install := c.scep.LocURI.Parent()
	root := install.Parent()
	given := map[string]bool{}
	for i := range ops {
		o := &ops[i]
		if !o.LocURI.Within(root) {
			return invalid(o.Path+".target", "%s is not below %s; a SCEP certificate is alone in its profile", o.LocURI, root.Canonical())
		}
		if o.LocURI.Parent().Equal(install) {
			given[foldASCII(o.LocURI.Name())] = true
		}
	}
	if !c.profile.Atomic {
		return invalid(c.scep.Path, "a SCEP certificate must be wrapped in an Atomic, so that Enroll does not run before all is set")
	}
	if last := &ops[len(ops)-1]; last.Verb != syncml.Exec {
		return invalid(last.Path, "nothing may follow the Exec on Install/Enroll")
	}
	for _, name := range scepRequired {
		if !given[foldASCII(name)] {
			return invalid(c.scep.Path, "the SCEP certificate lacks %s", install.Canonical()+"/"+name)
		}
	}
	return nil
}
