package mdmtest

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// snapshotVersion changes when older programs could not read a snapshot.
const snapshotVersion = 1

// maxSnapshot bounds what Restore reads.
const maxSnapshot = 256 << 20

// appleSnapshot is the JSON of a device at rest. The enrollment is the profile
// with Enrollment set.
type appleSnapshot struct {
	Version     int               `json:"version"`
	Kind        AppleKind         `json:"kind"`
	UDID        string            `json:"udid"`
	Serial      string            `json:"serial"`
	Key         []byte            `json:"key,omitempty"`         // PKCS #8
	Certificate []byte            `json:"certificate,omitempty"` // DER
	Enrolled    bool              `json:"enrolled"`
	Awaiting    bool              `json:"awaiting,omitempty"`
	PushToken   []byte            `json:"push_token,omitempty"`
	PushMagic   string            `json:"push_magic,omitempty"`
	UnlockToken []byte            `json:"unlock_token,omitempty"`
	LockPIN     string            `json:"lock_pin,omitempty"`
	Enrollments int               `json:"enrollments,omitempty"`
	Profiles    []profileSnapshot `json:"profiles,omitempty"`
	Record      []CommandRecord   `json:"record,omitempty"`
	Violations  []Violation       `json:"violations,omitempty"`
}

type profileSnapshot struct {
	Raw         []byte    `json:"raw"`
	Managed     bool      `json:"managed,omitempty"`
	Enrollment  bool      `json:"enrollment,omitempty"`
	InstalledAt time.Time `json:"installed_at"`
}

// Snapshot returns the state of the device as JSON, so that it can go on in
// another process, or be put back to where it was. It holds the private key.
// Options and misbehavior are not part of it.
func (a *Apple) Snapshot() []byte {
	st := a.state()
	s := appleSnapshot{
		Version: snapshotVersion, Kind: a.kind, UDID: st.udid, Serial: st.serial,
		Enrolled: st.enrolled, Awaiting: st.awaiting, PushToken: st.pushToken, PushMagic: st.pushMagic,
		UnlockToken: st.unlockToken, LockPIN: st.lockPIN, Enrollments: st.enrolledTimes,
		Record: a.rec.all(), Violations: a.rec.violated(false),
	}
	if st.id != nil {
		// Neither can fail: the key is RSA, and every value has a JSON form.
		s.Key, _ = x509.MarshalPKCS8PrivateKey(st.id.key)
		s.Certificate = st.id.cert.Raw
	}
	for _, p := range st.profiles {
		s.Profiles = append(s.Profiles, profileSnapshot{
			Raw: p.profile.raw, Managed: p.managed, Enrollment: p.enrollment, InstalledAt: p.at,
		})
	}
	out, _ := json.Marshal(s)
	return out
}

// Restore puts the device into the state of a snapshot of a device of the same
// kind, UDID, serial number and record included. A snapshot that cannot be read
// is an error and changes nothing. It waits for a session under way to end.
func (a *Apple) Restore(snapshot []byte) error {
	if a.initErr != nil {
		return a.initErr
	}
	st, record, violations, err := a.readSnapshot(snapshot)
	if err != nil {
		return fmt.Errorf("mdmtest: restore a snapshot: %w", err)
	}
	a.session <- struct{}{}
	defer func() { <-a.session }()
	a.change(func(now *appleState) { *now = st })
	a.rec.restore(record, violations)
	a.Close()
	return nil
}

func (a *Apple) readSnapshot(data []byte) (st appleState, record []CommandRecord, violations []Violation, err error) {
	var s appleSnapshot
	if len(data) > maxSnapshot {
		return st, nil, nil, fmt.Errorf("%d bytes; at most %d are read", len(data), maxSnapshot)
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return st, nil, nil, err
	}
	switch {
	case s.Version != snapshotVersion:
		return st, nil, nil, fmt.Errorf("version %d; this program reads %d", s.Version, snapshotVersion)
	case s.Kind != a.kind:
		return st, nil, nil, fmt.Errorf("it is of kind %q, and the device is of kind %q", s.Kind, a.kind)
	case s.UDID == "" || s.Serial == "":
		return st, nil, nil, errors.New("it has no UDID or no serial number")
	}
	st = appleState{
		udid: s.UDID, serial: s.Serial, enrolled: s.Enrolled, awaiting: s.Awaiting, pushToken: s.PushToken,
		pushMagic: s.PushMagic, unlockToken: s.UnlockToken, lockPIN: s.LockPIN, enrolledTimes: s.Enrollments,
	}
	for i, p := range s.Profiles {
		profile, err := parseProfile(p.Raw)
		if err != nil {
			return st, nil, nil, fmt.Errorf("profile %d: %w", i, err)
		}
		st.profiles = append(st.profiles, &installed{profile: profile, managed: p.Managed, enrollment: p.Enrollment, at: p.InstalledAt})
		if p.Enrollment {
			if st.enr, err = parseEnrollment(p.Raw, a.kind, a.opts.TrustLoopback); err != nil {
				return st, nil, nil, fmt.Errorf("enrollment profile: %w", err)
			}
		}
	}
	if st.id, err = readIdentity(s.Key, s.Certificate); err != nil {
		return st, nil, nil, err
	}
	if (st.id == nil) != (st.enr == nil) || s.Enrolled && st.id == nil {
		return st, nil, nil, errors.New("identity and enrollment profile belong together, and one is missing")
	}
	seen := make(map[string]bool)
	for _, c := range s.Record {
		if c.UUID == "" || len(c.Sightings) == 0 || seen[c.UUID] {
			return st, nil, nil, fmt.Errorf("the record of command %q is empty or there twice", c.UUID)
		}
		seen[c.UUID] = true
	}
	return st, s.Record, s.Violations, nil
}

// readIdentity returns nil if there is neither key nor certificate.
func readIdentity(key, certificate []byte) (*identity, error) {
	if len(key) == 0 && len(certificate) == 0 {
		return nil, nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	private, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("key: not RSA")
	}
	cert, err := x509.ParseCertificate(certificate)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	if !private.PublicKey.Equal(cert.PublicKey) {
		return nil, errors.New("the certificate is not for the key")
	}
	return &identity{key: private, cert: cert}, nil
}
