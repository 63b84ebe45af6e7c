package mdmtest

import (
	"context"
	"fmt"
)

// Enroll downloads the enrollment profile, gets an identity, and checks in with
// Authenticate and TokenUpdate. A device that is enrolled already gives up what
// it has first, without a CheckOut, and gets a new key.
//
// A profile that a device would refuse is a [*DeviceError], a refusal by the CA a
// [*SCEPError], any HTTP status but 200 a [*StatusError]. Until there is a new
// identity an error changes nothing; after that it leaves the device without an
// enrollment.
func (a *Apple) Enroll(ctx context.Context) error {
	end, err := a.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	profile, err := a.download(ctx)
	if err != nil {
		return err
	}
	return a.enroll(ctx, profile)
}

// EnrollWith enrolls by a profile that came to the device another way.
func (a *Apple) EnrollWith(ctx context.Context, profile []byte) error {
	end, err := a.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	return a.enroll(ctx, profile)
}

// Prepare downloads the enrollment profile and gets an identity, but does not
// check in: for tests that send Authenticate and TokenUpdate themselves.
func (a *Apple) Prepare(ctx context.Context) error {
	end, err := a.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	profile, err := a.download(ctx)
	if err != nil {
		return err
	}
	return a.prepare(ctx, profile)
}

// download gets the enrollment profile.
func (a *Apple) download(ctx context.Context) ([]byte, error) {
	const during = "download of the enrollment profile"
	if err := checkURL(a.enrollURL, "the enrollment URL", a.opts.TrustLoopback); err != nil {
		return nil, err
	}
	reply, err := a.get(ctx, a.enrollURL, nil, during)
	if err != nil {
		return nil, err
	}
	if err := wantOK(during, a.enrollURL, reply); err != nil {
		return nil, err
	}
	if reply.contentType != typeProfile {
		a.violate(during, "content type %q, not %s", reply.contentType, typeProfile)
		return nil, fmt.Errorf("%s: content type %q, not %s", during, reply.contentType, typeProfile)
	}
	return reply.body, nil
}

func (a *Apple) enroll(ctx context.Context, profile []byte) error {
	if err := a.prepare(ctx, profile); err != nil {
		return err
	}
	s, err := a.enrolledSender()
	if err == nil {
		err = a.authenticate(ctx, s)
	}
	if err == nil {
		err = a.tokenUpdate(ctx, s, a.opts.AwaitingConfiguration)
	}
	if err != nil {
		a.unenroll()
		return err
	}
	a.completed(a.opts.AwaitingConfiguration)
	return nil
}

// prepare does what precedes the first check-in.
func (a *Apple) prepare(ctx context.Context, profile []byte) error {
	enr, err := parseEnrollment(profile, a.kind, a.opts.TrustLoopback)
	if err != nil {
		return err
	}
	a.remark(enr)
	id, err := a.getIdentity(ctx, enr)
	if err != nil {
		return err
	}
	a.unenroll() // what there was
	now := a.Now()
	a.change(func(st *appleState) {
		st.id, st.enr = id, enr
		st.profiles = replaceProfile(st.profiles, &installed{profile: enr.profile, at: now, enrollment: true})
	})
	return nil
}

// remark records the faults of an enrollment profile that a device ignores.
func (a *Apple) remark(enr *enrollment) {
	for _, text := range enr.remarks {
		a.violate("enrollment profile", "%s", text)
	}
}

// renew replaces the enrollment profile by InstallProfile: a new key and
// certificate, then Authenticate and TokenUpdate with them. If any of it fails,
// the device keeps what it had. The report of the command itself is signed with
// the new identity, as hardware is seen to do.
func (a *Apple) renew(ctx context.Context, next *enrollment) error {
	old := a.state()
	if err := old.enr.checkReplacement(next); err != nil {
		return err
	}
	a.remark(next)
	id, err := a.getIdentity(ctx, next)
	if err != nil {
		return refuse(domainInstall, 4001, "the identity was not renewed: %w", err)
	}
	s := sender{id: id, enr: next}
	if err := a.authenticate(ctx, s); err != nil {
		return refuse(domainMDM, 12002, "check-in with the new identity: %w", err)
	}
	if err := a.tokenUpdate(ctx, s, false); err != nil {
		return refuse(domainMDM, 12002, "check-in with the new identity: %w", err)
	}
	now := a.Now()
	a.change(func(st *appleState) {
		st.id, st.enr, st.enrolledTimes = id, next, st.enrolledTimes+1
		st.profiles = replaceProfile(st.profiles, &installed{profile: next.profile, at: now, managed: true, enrollment: true})
	})
	a.Close() // connections of the old identity
	return nil
}
