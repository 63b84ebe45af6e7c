package mdmtest

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPCRenews(t *testing.T) {
	s := pcNewServer(t)
	pc := s.pc()
	require.ErrorIs(t, NewPC(s.URL, "ada", "secret", s.options()).Renew(t.Context()), ErrPCNotEnrolled)
	old := pc.Enrollment().Certificate
	pc.Renew()
	fresh := pc.Enrollment().Certificate
	require.NotEqual(t, old.SerialNumber, fresh.SerialNumber)
	require.NotEqual(t, old.PublicKey, fresh.PublicKey)
	pc.Sync()
	require.Equal(t, fresh.SerialNumber.String(), s.got()[0].serial)
	pc.Misbehave(PCQuirks{OldCertificate: true})
	pc.Sync()
	require.Equal(t, old.SerialNumber.String(), s.got()[1].serial)
	require.Contains(t, s.requests["enroll"][1], "/200512/Renew<")

	pc.Misbehave(PCQuirks{NoCertificate: true})
	var h *PCHTTPError
	require.ErrorAs(t, pc.PCDevice.Renew(t.Context()), &h)
	pc.Misbehave(PCQuirks{})
	s.on("document", func(doc string) string { return strings.Replace(doc, `value="TestMDM"`, `value="Other"`, 1) })
	var v PCViolation
	require.ErrorAs(t, pc.PCDevice.Renew(t.Context()), &v)
	require.Contains(t, v.Detail, "renewal is of provider")
	require.Equal(t, fresh, pc.Enrollment().Certificate, "a wrong renewal changes nothing")
	pc.reported = len(pc.Violations())
}

// pcSetClock stands where it is set.
type pcSetClock struct{ at time.Time }

func (c *pcSetClock) Now() time.Time { return c.at }

func TestPCJudgesRenewals(t *testing.T) {
	add := func(at, more string) func(*pcServer) {
		return func(s *pcServer) {
			s.on("document", func(doc string) string { return strings.Replace(doc, at, at+more, 1) })
		}
	}
	for name, c := range map[string]struct {
		change func(*pcServer)
		detail string
	}{
		"the device would not find it": {func(s *pcServer) { s.newName = true }, "asks for"},
		"due again at once":            {func(s *pcServer) { s.days = 59 }, "again and again"},
		"a new address":                {add(`value="TestMDM"/>`, `<parm name="ADDR" value="https://other.example.com"/>`), "nothing else"},
		"another DMClient": {add(`value="TestMDM"/></characteristic>`, `<characteristic type="DMClient"><characteristic type="Provider">`+
			`<characteristic type="TestMDM"><parm name="EntDMID" value="x"/></characteristic></characteristic></characteristic>`), "nothing else"},
		"no certificate": {func(s *pcServer) {
			s.on("document", func(string) string {
				return `<wap-provisioningdoc version="1.1"><characteristic type="APPLICATION"><parm name="PROVIDER-ID" value="TestMDM"/></characteristic></wap-provisioningdoc>`
			})
		}, "CertificateStore is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			s := pcNewServer(t)
			d := NewPC(s.URL, "ada", "secret", s.options())
			require.NoError(t, d.Enroll(t.Context()))
			c.change(s)
			require.ErrorContains(t, d.Renew(t.Context()), c.detail)
			s.newName, s.days = false, 365
			s.on("document", func(doc string) string { return doc })
			require.NoError(t, d.Renew(t.Context()))
		})
	}
}

func TestPCRenewalWindow(t *testing.T) {
	s := pcNewServer(t)
	clock := &pcSetClock{at: time.Now()}
	o := s.options()
	o.Clock = clock
	pc := PCWith(t, s.URL, "ada@example.com", "secret", o).Enroll()
	require.False(t, pc.RenewalDue())
	clock.at = clock.at.AddDate(0, 0, s.days-59)
	require.True(t, pc.RenewalDue(), "RenewPeriod is 60 days")
	require.False(t, NewPC(s.URL, "ada", "secret", s.options()).RenewalDue())
}
