package mdmtest

import (
	"bytes"
	"slices"
	"time"
)

// installed is a profile on the device. It never changes; it is replaced.
type installed struct {
	profile    *configProfile
	managed    bool // MDM installed it
	enrollment bool // it holds the MDM payload
	at         time.Time
}

// InstalledProfile is a profile on a simulated device.
type InstalledProfile struct {
	Identifier  string
	UUID        string
	DisplayName string
	// Raw is the profile as it was delivered, with its signature if it had one.
	Raw []byte
	// Managed is set if the server installed it by command.
	Managed bool
	// Enrollment is set on the profile that enrolls the device.
	Enrollment  bool
	InstalledAt time.Time
}

// Profiles returns what is installed, in the order of installation, the
// enrollment profile included. A profile that replaced another has its place at
// the end.
func (a *Apple) Profiles() []InstalledProfile {
	var out []InstalledProfile
	for _, p := range a.current() {
		out = append(out, InstalledProfile{
			Identifier: p.profile.identifier(), UUID: p.profile.uuid(), DisplayName: str(p.profile.dict, "PayloadDisplayName"),
			Raw: bytes.Clone(p.profile.raw), Managed: p.managed, Enrollment: p.enrollment, InstalledAt: p.at,
		})
	}
	return out
}

// Profile returns the installed profile with the identifier.
func (a *Apple) Profile(identifier string) (InstalledProfile, bool) {
	list := a.Profiles()
	if i := slices.IndexFunc(list, func(p InstalledProfile) bool { return p.Identifier == identifier }); i >= 0 {
		return list[i], true
	}
	return InstalledProfile{}, false
}

// InstallLocally is the user installing a profile by hand, which the server then
// sees in ProfileList but does not manage.
func (a *Apple) InstallLocally(profile []byte) error {
	p, err := parseProfile(profile)
	if err != nil {
		return err
	}
	if len(p.ofType(mdmPayloadType)) > 0 {
		return refuse(domainMDM, 12001, "use EnrollWith to install an enrollment profile")
	}
	if old := a.find(p.identifier()); old != nil && (old.managed || old.enrollment) {
		return refuse(domainInstall, 4001, "the profile %q is managed by MDM", p.identifier())
	}
	a.keep(&installed{profile: p, at: a.Now()})
	return nil
}

// RemoveLocally is the user removing a profile that was installed by hand.
func (a *Apple) RemoveLocally(identifier string) error {
	old := a.find(identifier)
	if old == nil || old.managed || old.enrollment {
		return refuse(domainInstall, 4001, "no profile %q that the user may remove", identifier)
	}
	a.drop(identifier)
	return nil
}

// current returns what is installed, after removing what has expired by
// RemovalDate or DurationUntilRemoval.
func (a *Apple) current() []*installed {
	now := a.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.st.profiles = slices.DeleteFunc(slices.Clone(a.st.profiles), func(p *installed) bool {
		at := p.profile.expires(p.at)
		return !p.enrollment && !at.IsZero() && !now.Before(at)
	})
	return a.st.profiles
}

func (a *Apple) find(identifier string) *installed {
	list := a.current()
	if i := slices.IndexFunc(list, func(p *installed) bool { return p.profile.identifier() == identifier }); i >= 0 {
		return list[i]
	}
	return nil
}

func (a *Apple) keep(p *installed) {
	a.change(func(st *appleState) { st.profiles = replaceProfile(st.profiles, p) })
}

func (a *Apple) drop(identifier string) {
	a.change(func(st *appleState) { st.profiles = withoutProfile(st.profiles, identifier) })
}

// replaceProfile returns a new list with p in place of the profile with the same
// identifier.
func replaceProfile(list []*installed, p *installed) []*installed {
	return append(withoutProfile(list, p.profile.identifier()), p)
}

func withoutProfile(list []*installed, identifier string) []*installed {
	return slices.DeleteFunc(slices.Clone(list), func(p *installed) bool { return p.profile.identifier() == identifier })
}
