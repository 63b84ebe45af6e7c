package mdmtest

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/keelson-mdm/keelson/mdm"
)

// pcMaxSnapshot bounds what RestorePC reads.
const pcMaxSnapshot = 64 << 20

// pcSnapshot is the JSON form of a PC.
type pcSnapshot struct {
	Version     int               `json:"version"` // 1
	Base        string            `json:"base"`
	User        string            `json:"user"`
	Password    string            `json:"password"`
	DeviceID    string            `json:"device_id"`
	HWDevID     string            `json:"hw_dev_id"`
	Name        string            `json:"name"`
	OSVersion   string            `json:"os_version"`
	Edition     int               `json:"edition"`
	Maker       string            `json:"manufacturer"`
	Model       string            `json:"model"`
	Serial      string            `json:"serial"`
	Login       string            `json:"login"`
	DeviceOnly  bool              `json:"device_enrollment,omitempty"`
	Discovery   string            `json:"discovery_url"`
	State       PCState           `json:"state"`
	Identity    *pcSavedIdentity  `json:"identity,omitempty"`
	Previous    *pcSavedIdentity  `json:"previous,omitempty"`
	Tree        map[string]PCNode `json:"tree"`
	Sessions    int               `json:"sessions"`
	Alerts      []PCAlert         `json:"alerts,omitempty"`
	Reboots     int               `json:"reboots,omitempty"`
	Wipe        string            `json:"wipe,omitempty"`
	RenewNow    bool              `json:"renew_now,omitempty"`
	Record      []PCDelivery      `json:"record,omitempty"`
	Seq         int               `json:"seq"`
	Epoch       int               `json:"epoch"`
	Violations  []PCViolation     `json:"violations,omitempty"`
	RequestVers string            `json:"request_version"`
}

// pcSavedIdentity is the JSON form of an identity.
type pcSavedIdentity struct {
	Provider  string            `json:"provider"`
	Addr      string            `json:"addr"`
	Search    string            `json:"search"`
	EntDMID   string            `json:"ent_dm_id"`
	PolicyURL string            `json:"policy_url"`
	EnrollURL string            `json:"enroll_url"`
	Client    pcCred            `json:"client"`
	Server    pcCred            `json:"server"`
	Poll      map[string]string `json:"poll"`
	Chain     [][]byte          `json:"chain"`
	Roots     [][]byte          `json:"roots"`
	Key       []byte            `json:"key"` // PKCS #8
}

// Snapshot returns the whole PC as JSON: identity, key, certificates, tree,
// record, and the password of its user. It is a secret, of a simulated PC. What
// it misbehaves in is not part of it. It fails only for a PC whose options were
// wrong.
func (d *PCDevice) Snapshot() ([]byte, error) {
	if d.bad != nil {
		return nil, d.bad
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	o := d.opts
	s := pcSnapshot{
		Version: 1, Base: d.base, User: d.user, Password: d.password,
		DeviceID: o.DeviceID, HWDevID: o.HWDevID, Name: o.Name, OSVersion: o.OSVersion, Edition: o.Edition,
		Maker: o.Manufacturer, Model: o.Model, Serial: o.Serial, Login: o.LoginStatus, DeviceOnly: o.DeviceEnrollment,
		Discovery: o.DiscoveryURL, RequestVers: o.RequestVersion,
		State: d.state, Tree: d.tree.nodes, Sessions: d.sessions, Alerts: d.alerts, Reboots: d.reboots, Wipe: d.wipe,
		RenewNow: d.renewNow, Record: d.record, Seq: d.seq, Epoch: d.epoch, Violations: d.violations,
	}
	var err error
	if s.Identity, err = d.id.save(); err != nil {
		return nil, err
	}
	if s.Previous, err = d.previous.save(); err != nil {
		return nil, err
	}
	return json.Marshal(s)
}

func (id *pcIdentity) save() (*pcSavedIdentity, error) {
	if id.Cert == nil {
		return nil, nil
	}
	key, err := x509.MarshalPKCS8PrivateKey(id.Key)
	if err != nil {
		return nil, fmt.Errorf("save the key of a PC: %w", err)
	}
	return &pcSavedIdentity{
		Provider: id.Provider, Addr: id.Addr, Search: id.Search, EntDMID: id.EntDMID, PolicyURL: id.PolicyURL, EnrollURL: id.EnrollURL,
		Client: id.Client, Server: id.Server, Poll: id.Poll, Chain: id.Chain, Roots: id.Roots, Key: key,
	}, nil
}

func (s *pcSavedIdentity) load() (pcIdentity, error) {
	if s == nil {
		return pcIdentity{}, nil
	}
	id := pcIdentity{
		Provider: s.Provider, Addr: s.Addr, Search: s.Search, EntDMID: s.EntDMID, PolicyURL: s.PolicyURL, EnrollURL: s.EnrollURL,
		Client: s.Client, Server: s.Server, Poll: s.Poll, Chain: s.Chain, Roots: s.Roots,
	}
	key, err := x509.ParsePKCS8PrivateKey(s.Key)
	if err != nil {
		return id, mdm.WrapError(mdm.CodeMalformed, "identity.key", "the key of the snapshot", err)
	}
	rsaKey, ok := key.(*rsa.PrivateKey)
	if !ok || len(s.Chain) == 0 {
		return id, mdm.Errorf(mdm.CodeMalformed, "identity", "the snapshot has no RSA key, or no certificate")
	}
	id.Key = rsaKey
	if id.Cert, err = x509.ParseCertificate(s.Chain[0]); err != nil {
		return id, mdm.WrapError(mdm.CodeMalformed, "identity.chain", "the certificate of the snapshot", err)
	}
	if _, err := pcHost(id.Addr); err != nil {
		return id, mdm.WrapError(mdm.CodeMalformed, "identity.addr", "the management address", err)
	}
	return id, nil
}

// RestorePC makes the PC of a snapshot. Of opts (which may be nil) only what
// is not part of a snapshot counts: trust, transport, clock, randomness and the
// bounds. Restoring an old snapshot is a virtual machine that was rolled back.
func RestorePC(snapshot []byte, opts *PCOptions) (*PCDevice, error) {
	if len(snapshot) > pcMaxSnapshot {
		return nil, mdm.Errorf(mdm.CodeTooLarge, "", "the snapshot has %d bytes, more than %d", len(snapshot), pcMaxSnapshot)
	}
	var s pcSnapshot
	if err := json.Unmarshal(snapshot, &s); err != nil {
		return nil, mdm.WrapError(mdm.CodeMalformed, "", "the snapshot is not JSON of a PC", err)
	}
	if s.Version != 1 {
		return nil, mdm.Errorf(mdm.CodeUnsupported, "version", "snapshots of version %d are not known", s.Version)
	}
	var o PCOptions
	if opts != nil {
		o = *opts
	}
	o.DeviceID, o.HWDevID, o.Name, o.OSVersion, o.Edition = s.DeviceID, s.HWDevID, s.Name, s.OSVersion, s.Edition
	o.Manufacturer, o.Model, o.Serial, o.LoginStatus = s.Maker, s.Model, s.Serial, s.Login
	o.DeviceEnrollment, o.DiscoveryURL, o.RequestVersion = s.DeviceOnly, s.Discovery, s.RequestVers
	if s.DeviceID == "" || s.HWDevID == "" {
		return nil, mdm.Errorf(mdm.CodeMalformed, "device_id", "the snapshot names no PC")
	}
	d := NewPC(s.Base, s.User, s.Password, &o)
	if d.bad != nil {
		return nil, d.bad
	}
	var err error
	if d.id, err = s.Identity.load(); err != nil {
		return nil, err
	}
	if d.previous, err = s.Previous.load(); err != nil {
		return nil, err
	}
	switch s.State {
	case PCNew, PCEnrolled, PCUnenrolled, PCWiped:
	default:
		return nil, mdm.Errorf(mdm.CodeMalformed, "state", "%q is no state of a PC", s.State)
	}
	if s.State == PCEnrolled && d.id.Cert == nil {
		return nil, mdm.Errorf(mdm.CodeMalformed, "identity", "an enrolled PC without an identity")
	}
	for i, p := range s.Record {
		if p.Seq > s.Seq || i > 0 && p.Seq <= s.Record[i-1].Seq {
			return nil, mdm.Errorf(mdm.CodeMalformed, "record", "the record is not in order")
		}
	}
	d.state, d.sessions, d.alerts = s.State, s.Sessions, s.Alerts
	d.reboots, d.wipe, d.renewNow = s.Reboots, s.Wipe, s.RenewNow
	d.record, d.seq, d.epoch, d.violations = s.Record, s.Seq, s.Epoch, s.Violations
	if s.Tree != nil {
		d.tree.nodes = maps.Clone(s.Tree)
	}
	return d, nil
}
