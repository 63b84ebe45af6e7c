package mobileconfig_test

import (
	"crypto/sha1"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/apple/mobileconfig"
	"github.com/keelson-mdm/keelson/internal/plist"
	"github.com/keelson-mdm/keelson/mdm"
)

func enrollment(t testing.TB) *mobileconfig.Enrollment {
	root := readCertificate(t, "root.pem")
	fingerprint := sha1.Sum(root.Raw)
	return &mobileconfig.Enrollment{
		Seed:               "0199a1b2-0000-7000-8000-000000000001",
		Organization:       "Example & Sons",
		Description:        "Lets Example manage this device.",
		ServerURL:          "https://mdm.example.com/mdm/v1/default/apple/server",
		CheckInURL:         "https://mdm.example.com/mdm/v1/default/apple/checkin",
		Topic:              "com.apple.mgmt.External.0f0e0d0c-0b0a-4908-8706-050403020100",
		AnchorCertificates: []*x509.Certificate{root, readCertificate(t, "intermediate.pem")},
		SCEP: mobileconfig.SCEP{
			URL:           "https://mdm.example.com/mdm/v1/default/scep",
			Name:          "default",
			Challenge:     "a one-time secret",
			CAFingerprint: fingerprint[:],
		},
	}
}

// TestEnrollmentGolden holds what devices remember: identifiers, UUIDs, and how
// they are derived. Do not update the file to make the test pass.
func TestEnrollmentGolden(t *testing.T) {
	out, err := enrollment(t).Render()
	require.NoError(t, err)
	golden(t, "enrollment.mobileconfig", out)

	minimal := &mobileconfig.Enrollment{
		ServerURL: "https://mdm.example.com/", Topic: "com.apple.mgmt.x",
		SCEP: mobileconfig.SCEP{URL: "https://mdm.example.com/scep"},
	}
	out, err = minimal.Render()
	require.NoError(t, err)
	golden(t, "minimal.mobileconfig", out)
}

func TestEnrollmentIsReadable(t *testing.T) {
	out, err := enrollment(t).Render()
	require.NoError(t, err)

	p, err := mobileconfig.Parse(out)
	require.NoError(t, err)
	require.Equal(t, mobileconfig.DefaultEnrollmentIdentifier, p.Identifier)
	require.Equal(t, mobileconfig.System, p.Scope)
	require.ErrorIs(t, p.Check(nil), mdm.CodeForbidden, "nobody uploads one")
	var types []string
	for _, l := range p.Payloads {
		types = append(types, l.Type)
	}
	require.Equal(t, []string{"com.apple.security.root", "com.apple.security.pkcs1", "com.apple.security.scep", "com.apple.mdm"}, types)

	bin := tool(t, "plistutil")
	other := run(t, run(t, out, bin, "-i", "-", "-o", "-", "-f", "bin"), bin, "-i", "-", "-o", "-", "-f", "xml")
	want, err := plist.Dict(out, nil)
	require.NoError(t, err)
	got, err := plist.Dict(other, nil)
	require.NoError(t, err)
	require.Equal(t, want, got)

	payload := want["PayloadContent"].([]any)[3].(dict)
	require.Equal(t, p.Payloads[2].UUID, payload["IdentityCertificateUUID"], "the identity is the SCEP payload")
	require.Equal(t, readCertificate(t, "root.pem").Raw, want["PayloadContent"].([]any)[0].(dict)["PayloadContent"])
}

// TestRenewalUpdatesInPlace: a new challenge changes no name, and neither does
// an anchor that comes or goes.
func TestRenewalUpdatesInPlace(t *testing.T) {
	names := func(e *mobileconfig.Enrollment) map[string]string {
		out, err := e.Render()
		require.NoError(t, err)
		p, err := mobileconfig.Parse(out)
		require.NoError(t, err)
		m := map[string]string{p.Identifier: p.UUID}
		for _, l := range p.Payloads {
			require.True(t, mdm.IsUUID(l.UUID))
			m[l.Identifier] = l.UUID
		}
		return m
	}
	first := enrollment(t)
	renewal := enrollment(t)
	renewal.SCEP.Challenge = "another"
	renewal.Organization = "Example Holding"
	require.NoError(t, renewal.CheckUpdate(first))
	require.Equal(t, names(first), names(renewal))

	renewal.AnchorCertificates = renewal.AnchorCertificates[1:]
	for id, uuid := range names(renewal) {
		require.Equal(t, names(first)[id], uuid)
	}

	other := enrollment(t)
	other.Seed = "0199a1b2-0000-7000-8000-000000000002"
	for id, uuid := range names(other) {
		require.Contains(t, names(first), id)
		require.NotEqual(t, names(first)[id], uuid)
	}
}

func TestEnrollmentOptions(t *testing.T) {
	e := enrollment(t)
	e.Identifier = "com.example.mdm"
	e.DisplayName = "Example MDM"
	e.RemovalDisallowed = true
	e.AccessRights = mobileconfig.InspectProfiles | mobileconfig.InstallProfiles
	e.Capabilities = []string{mobileconfig.PerUserConnections, mobileconfig.BootstrapToken, mobileconfig.GetToken}
	e.NoSignMessage, e.NoCheckOut = true, true
	e.AnchorCertificates = nil
	e.SCEP.KeySize, e.SCEP.KeyUsage = 4096, 1
	e.SCEP.Subject = [][2]string{{"C", "DE"}, {"1.2.5.3", "bar"}}
	out, err := e.Render()
	require.NoError(t, err)
	d, err := plist.Dict(out, nil)
	require.NoError(t, err)
	require.Equal(t, "Example MDM", d["PayloadDisplayName"])
	require.Equal(t, true, d["PayloadRemovalDisallowed"])
	content := d["PayloadContent"].([]any)
	require.Len(t, content, 2)
	scep, payload := content[0].(dict)["PayloadContent"].(dict), content[1].(dict)
	require.Equal(t, "com.example.mdm.mdm", payload["PayloadIdentifier"])
	require.Equal(t, int64(3), payload["AccessRights"])
	require.Equal(t, false, payload["SignMessage"])
	require.Equal(t, false, payload["CheckOutWhenRemoved"])
	require.Equal(t, []any{"com.apple.mdm.per-user-connections", "com.apple.mdm.bootstraptoken", "com.apple.mdm.token"}, payload["ServerCapabilities"])
	require.Equal(t, int64(4096), scep["Keysize"])
	require.Equal(t, int64(1), scep["Key Usage"])
	require.Equal(t, []any{[]any{[]any{"C", "DE"}}, []any{[]any{"1.2.5.3", "bar"}}}, scep["Subject"])

	e.SCEP.Subject = [][2]string{} // none at all
	out, err = e.Render()
	require.NoError(t, err)
	require.NotContains(t, string(out), "<key>Subject</key>")
}

func TestRights(t *testing.T) {
	require.EqualValues(t, 8191, mobileconfig.AllRights)
	require.EqualValues(t, 8, mobileconfig.EraseDevice)
	require.EqualValues(t, 128, mobileconfig.InstallProvisioning)
	require.EqualValues(t, 4096, mobileconfig.ManageApplications)
}

func TestEnrollmentRefused(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*mobileconfig.Enrollment)
		field string
	}{
		"identifier":        {func(e *mobileconfig.Enrollment) { e.Identifier = "a\nb" }, "Identifier"},
		"seed":              {func(e *mobileconfig.Enrollment) { e.Seed = "a\x00b" }, "Seed"},
		"no server":         {func(e *mobileconfig.Enrollment) { e.ServerURL = "" }, "ServerURL"},
		"http":              {func(e *mobileconfig.Enrollment) { e.ServerURL = "http://mdm.example.com" }, "ServerURL"},
		"no host":           {func(e *mobileconfig.Enrollment) { e.ServerURL = "https:///x" }, "ServerURL"},
		"user":              {func(e *mobileconfig.Enrollment) { e.ServerURL = "https://a:b@c/" }, "ServerURL"},
		"not a URL":         {func(e *mobileconfig.Enrollment) { e.CheckInURL = "://" }, "CheckInURL"},
		"topic":             {func(e *mobileconfig.Enrollment) { e.Topic = "com.example" }, "Topic"},
		"negative rights":   {func(e *mobileconfig.Enrollment) { e.AccessRights = -1 }, "AccessRights"},
		"unknown right":     {func(e *mobileconfig.Enrollment) { e.AccessRights = 8192 }, "AccessRights"},
		"2 without 1":       {func(e *mobileconfig.Enrollment) { e.AccessRights = 2 }, "AccessRights"},
		"128 without 64":    {func(e *mobileconfig.Enrollment) { e.AccessRights = 128 }, "AccessRights"},
		"capability twice":  {func(e *mobileconfig.Enrollment) { e.Capabilities = []string{"a", "a"} }, "Capabilities"},
		"no capability":     {func(e *mobileconfig.Enrollment) { e.Capabilities = []string{""} }, "Capabilities"},
		"nil anchor":        {func(e *mobileconfig.Enrollment) { e.AnchorCertificates[0] = nil }, "AnchorCertificates"},
		"anchor twice":      {func(e *mobileconfig.Enrollment) { e.AnchorCertificates[0] = e.AnchorCertificates[1] }, "AnchorCertificates"},
		"no SCEP":           {func(e *mobileconfig.Enrollment) { e.SCEP.URL = "" }, "SCEP.URL"},
		"SCEP with a query": {func(e *mobileconfig.Enrollment) { e.SCEP.URL += "?x=y" }, "SCEP.URL"},
		"SCEP with a mark":  {func(e *mobileconfig.Enrollment) { e.SCEP.URL += "?" }, "SCEP.URL"},
		"fingerprint":       {func(e *mobileconfig.Enrollment) { e.SCEP.CAFingerprint = []byte{1} }, "SCEP.CAFingerprint"},
		"key size":          {func(e *mobileconfig.Enrollment) { e.SCEP.KeySize = 1024 }, "SCEP.KeySize"},
		"key usage":         {func(e *mobileconfig.Enrollment) { e.SCEP.KeyUsage = 2 }, "SCEP.KeyUsage"},
		"subject":           {func(e *mobileconfig.Enrollment) { e.SCEP.Subject = [][2]string{{"CN", ""}} }, "SCEP.Subject"},
	} {
		t.Run(name, func(t *testing.T) {
			e := enrollment(t)
			c.spoil(e)
			_, err := e.Render()
			require.ErrorIs(t, err, mdm.CodeInvalid)
			var typed *mdm.Error
			require.ErrorAs(t, err, &typed)
			require.Equal(t, c.field, typed.Field)
		})
	}
}

func TestCheckUpdate(t *testing.T) {
	for name, c := range map[string]struct {
		change func(was, is *mobileconfig.Enrollment)
		field  string // empty means that devices take it
	}{
		"nothing":            {func(was, is *mobileconfig.Enrollment) {}, ""},
		"fewer rights":       {func(was, is *mobileconfig.Enrollment) { is.AccessRights = 1 }, ""},
		"token capability":   {func(was, is *mobileconfig.Enrollment) { is.Capabilities = []string{mobileconfig.PerUserConnections} }, ""},
		"written out":        {func(was, is *mobileconfig.Enrollment) { is.Identifier = mobileconfig.DefaultEnrollmentIdentifier }, ""},
		"more rights":        {func(was, is *mobileconfig.Enrollment) { was.AccessRights = 1 }, "AccessRights"},
		"identifier":         {func(was, is *mobileconfig.Enrollment) { is.Identifier = "com.example" }, "Identifier"},
		"seed":               {func(was, is *mobileconfig.Enrollment) { is.Seed = "x" }, "Seed"},
		"topic":              {func(was, is *mobileconfig.Enrollment) { is.Topic += "x" }, "Topic"},
		"server":             {func(was, is *mobileconfig.Enrollment) { is.ServerURL += "x" }, "ServerURL"},
		"check-in":           {func(was, is *mobileconfig.Enrollment) { is.CheckInURL = "" }, "CheckInURL"},
		"user channel taken": {func(was, is *mobileconfig.Enrollment) { is.Capabilities = []string{} }, "Capabilities"},
		"user channel added": {func(was, is *mobileconfig.Enrollment) { was.Capabilities = []string{} }, "Capabilities"},
	} {
		t.Run(name, func(t *testing.T) {
			was, is := enrollment(t), enrollment(t)
			c.change(was, is)
			err := is.CheckUpdate(was)
			if c.field == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, mdm.CodeConflict)
			var typed *mdm.Error
			require.ErrorAs(t, err, &typed)
			require.Equal(t, c.field, typed.Field)
		})
	}
}

func TestChallengeStaysOutOfLogs(t *testing.T) {
	e := enrollment(t)
	j, err := json.Marshal(e)
	require.NoError(t, err)
	for _, s := range []string{fmt.Sprint(e), fmt.Sprintf("%+v", *e), fmt.Sprintf("%#v", e.SCEP), string(j)} {
		require.NotContains(t, s, e.SCEP.Challenge)
	}
}
