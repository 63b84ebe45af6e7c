package mdmtest

import "context"

// PCTB is the part of testing.TB that a [PCTest] needs.
type PCTB interface {
	Helper()
	Context() context.Context
	Cleanup(func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// PCTest is a [PCDevice] in a test: its own methods need no context and fail
// the test on an error, and whatever the server does wrong fails it too. For
// errors that a test expects, call the methods of the embedded device, as in
// pc.PCDevice.Sync(ctx).
type PCTest struct {
	*PCDevice
	t        PCTB
	reported int
}

// PC makes a PC for a test. In one line:
//
//	pc := mdmtest.PC(t, server.URL, "ada@example.com", "correct horse").Enroll()
//
// The test fails when it ends if the server has broken a rule by then.
func PC(t PCTB, baseURL, user, password string) *PCTest {
	t.Helper()
	return PCWith(t, baseURL, user, password, nil)
}

// PCWith is [PC] with options, which may be nil.
func PCWith(t PCTB, baseURL, user, password string, opts *PCOptions) *PCTest {
	t.Helper()
	return PCOf(t, NewPC(baseURL, user, password, opts))
}

// PCOf puts a PC that exists, such as one from [RestorePC], into a test.
func PCOf(t PCTB, d *PCDevice) *PCTest {
	t.Helper()
	pc := &PCTest{PCDevice: d, t: t}
	t.Cleanup(func() { t.Helper(); pc.report() })
	return pc
}

// report fails the test for every violation that it was not yet failed for.
func (p *PCTest) report() {
	p.t.Helper()
	all := p.Violations()
	for ; p.reported < len(all); p.reported++ {
		p.t.Errorf("PC %s: %v", p.Name(), all[p.reported])
	}
}

func (p *PCTest) must(what string, err error) {
	p.t.Helper()
	p.report()
	if err != nil {
		p.t.Fatalf("PC %s: %s: %v", p.Name(), what, err)
	}
}

// Enroll enrolls the PC and returns it.
func (p *PCTest) Enroll() *PCTest {
	p.t.Helper()
	p.must("enroll", p.PCDevice.Enroll(p.t.Context()))
	return p
}

// Sync holds one management session.
func (p *PCTest) Sync() *PCSession {
	p.t.Helper()
	s, err := p.PCDevice.Sync(p.t.Context())
	p.must("sync", err)
	return s
}

// Renew renews the certificate.
func (p *PCTest) Renew() *PCTest {
	p.t.Helper()
	p.must("renew", p.PCDevice.Renew(p.t.Context()))
	return p
}

// Unenroll disconnects the PC and expects the server to learn of it.
func (p *PCTest) Unenroll() {
	p.t.Helper()
	p.must("unenroll", p.PCDevice.Unenroll(p.t.Context()))
}

// Snapshot returns the PC as JSON.
func (p *PCTest) Snapshot() []byte {
	p.t.Helper()
	b, err := p.PCDevice.Snapshot()
	p.must("snapshot", err)
	return b
}

// NoDuplicates fails the test if the server sent a command again without a
// reason, see [PCDevice.Duplicates].
func (p *PCTest) NoDuplicates() {
	p.t.Helper()
	for _, x := range p.Duplicates() {
		p.t.Errorf("PC %s: the server sent %s %s again in session %s message %s, though its answer was taken",
			p.Name(), x.Verb, x.LocURI, x.Session, x.MsgID)
	}
}
