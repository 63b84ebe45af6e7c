package mde

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/keelson-mdm/keelson/mdm"
)

// testProvisioning is a document with credentials that are random to no one.
func testProvisioning(t testing.TB) Provisioning {
	t.Helper()
	var seed []byte
	for i := range 80 {
		seed = append(seed, byte(i+1))
	}
	random := bytes.NewReader(seed)
	device, err := NewAppAuth("keelson-device", random)
	require.NoError(t, err)
	server, err := NewAppAuth("", random)
	require.NoError(t, err)
	return Provisioning{
		Type:          EnrollmentFull,
		Roots:         []*x509.Certificate{readCert(t, "root.pem")},
		Leaf:          readCert(t, "leaf-of-root.pem"),
		ProviderID:    "Keelson",
		ManagementURL: "https://mdm.example.com/mdm/v1/windows/manage",
		EntDMID:       "0f8b9f6c-5a52-4f37-9f1e-2f1e5b6a7c8d",
		Device:        device, Server: server,
	}
}

func encode(t testing.TB, p Provisioning, o *ProvisioningOptions) []byte {
	t.Helper()
	doc, err := NewProvisioningDoc(p, o)
	require.NoError(t, err)
	b, err := doc.Encode()
	require.NoError(t, err)
	back, err := ParseProvisioningDoc(b)
	require.NoError(t, err)
	require.Equal(t, doc, back)
	return b
}

func TestProvisioningDocGolden(t *testing.T) {
	golden(t, "provisioning-user.xml", encode(t, testProvisioning(t), nil))

	p := testProvisioning(t)
	p.Type, p.Leaf = EnrollmentDevice, readCert(t, "leaf-of-intermediate.pem")
	golden(t, "provisioning-device.xml", encode(t, p, &ProvisioningOptions{
		Intermediate: readCert(t, "intermediate.pem"),
		Renewal:      Renewal{Days: 60, URL: "https://mdm.example.com/mdm/v1/windows/enroll"},
		Name:         `A & B "MDM"`,
		UPN:          "kim@example.com", DeviceName: "<DESKTOP>",
		Poll:                   &Poll{FirstRetries: 8, FirstInterval: 15 * time.Minute, Interval: 26 * time.Hour, AllUsersOnFirstLogin: true},
		SyncApplicationVersion: "5.0",
	}))
}

// The documents that golden files pin, said again as what devices look for.
func TestProvisioningDocContent(t *testing.T) {
	p := testProvisioning(t)
	doc, err := NewProvisioningDoc(p, nil)
	require.NoError(t, err)
	var top []string
	for _, c := range doc.Characteristics {
		top = append(top, c.Type)
	}
	require.Equal(t, []string{"CertificateStore", "APPLICATION", "DMClient"}, top)
	require.Nil(t, doc.Find("CertificateStore", "CA"))
	require.Nil(t, doc.Find("CertificateStore", "My", "WSTEP"), "renewal is not advertised unless asked for")
	require.Nil(t, doc.Find("CertificateStore", "My", "System"))
	require.NotNil(t, doc.Find("CertificateStore", "My", "User", "PrivateKeyContainer"))
	for path, want := range map[string]*x509.Certificate{"Root/System": p.Roots[0], "My/User": p.Leaf} {
		c := doc.Find(append([]string{"CertificateStore"}, append(strings.Split(path, "/"), Thumbprint(want))...)...)
		v, ok := c.Parm("EncodedCertificate")
		require.True(t, ok)
		der, err := base64.StdEncoding.DecodeString(v)
		require.NoError(t, err)
		require.Equal(t, want.Raw, der)
	}

	app := doc.Find("APPLICATION")
	criteria, _ := app.Parm("SSLCLIENTCERTSEARCHCRITERIA")
	require.Equal(t, `Subject=CN%3D0f8b9f6c-5a52-4f37-9f1e-2f1e5b6a7c8d&Stores=My%5CUser`, criteria)
	q, err := url.ParseQuery(criteria)
	require.NoError(t, err)
	require.Equal(t, `My\User`, q.Get("Stores"))
	require.Equal(t, "CN="+p.Leaf.Subject.CommonName, q.Get("Subject"))
	require.Len(t, app.Characteristics, 2)
	for i, want := range []struct {
		level string
		auth  AppAuth
	}{{"CLIENT", p.Server}, {"APPSRV", p.Device}} {
		c := app.Characteristics[i]
		require.Equal(t, "APPAUTH", c.Type)
		level, _ := c.Parm("AAUTHLEVEL")
		require.Equal(t, want.level, level)
		kind, _ := c.Parm("AAUTHTYPE")
		require.Equal(t, "DIGEST", kind)
		name, _ := c.Parm("AAUTHNAME")
		require.Equal(t, want.auth.Name, name)
		secret, _ := c.Parm("AAUTHSECRET")
		require.Equal(t, want.auth.Secret, secret)
		data, _ := c.Parm("AAUTHDATA")
		nonce, err := base64.StdEncoding.DecodeString(data)
		require.NoError(t, err)
		require.Equal(t, want.auth.Nonce[:], nonce)
	}
	_, ok := app.Parm("ROLE")
	require.False(t, ok)

	provider := doc.Find("DMClient", "Provider", p.ProviderID)
	id, _ := provider.Parm("EntDMID")
	require.Equal(t, p.EntDMID, id)
	for _, name := range []string{"UPN", "EntDeviceName"} {
		_, ok = provider.Parm(name)
		require.False(t, ok, name)
	}
	for _, c := range []Characteristic{*provider, *doc.Find("DMClient", "Provider", p.ProviderID, "Poll")} {
		for _, parm := range c.Parms {
			require.NotEmpty(t, parm.Datatype, parm.Name)
		}
	}
}

// Of several roots, as during a roll-over, the right one is delivered.
func TestProvisioningDocChoosesTheRoot(t *testing.T) {
	p := testProvisioning(t)
	root := p.Roots[0]
	p.Roots = []*x509.Certificate{nil, readCert(t, "intermediate.pem"), readCert(t, "leaf-two-names.pem"), root}
	doc, err := NewProvisioningDoc(p, nil)
	require.NoError(t, err)
	stores := doc.Find("CertificateStore", "Root", "System")
	require.Len(t, stores.Characteristics, 1)
	require.Equal(t, Thumbprint(root), stores.Characteristics[0].Type)
}

func TestProvisioningDocSubject(t *testing.T) {
	p := testProvisioning(t)
	p.Leaf = readCert(t, "leaf-two-names.pem")
	_, err := NewProvisioningDoc(p, nil)
	requireCode(t, err, mdm.CodeInvalid, "Leaf")
	doc, err := NewProvisioningDoc(p, &ProvisioningOptions{Subject: "CN=a b,O=Ex&mple~1"})
	require.NoError(t, err)
	v, _ := doc.Find("APPLICATION").Parm("SSLCLIENTCERTSEARCHCRITERIA")
	require.Equal(t, `Subject=CN%3Da%20b%2CO%3DEx%26mple~1&Stores=My%5CUser`, v)
}

func TestProvisioningDocRefuses(t *testing.T) {
	good := testProvisioning(t)
	for name, c := range map[string]struct {
		change func(*Provisioning, *ProvisioningOptions)
		field  string
	}{
		"no type":              {func(p *Provisioning, _ *ProvisioningOptions) { p.Type = "" }, "Type"},
		"no provider":          {func(p *Provisioning, _ *ProvisioningOptions) { p.ProviderID = "" }, "ProviderID"},
		"a space in it":        {func(p *Provisioning, _ *ProvisioningOptions) { p.ProviderID = "MS DM Server" }, "ProviderID"},
		"a newline at its end": {func(p *Provisioning, _ *ProvisioningOptions) { p.ProviderID = "a\n" }, "ProviderID"},
		"plain HTTP":           {func(p *Provisioning, _ *ProvisioningOptions) { p.ManagementURL = "http://a.example/" }, "ManagementURL"},
		"no EntDMID":           {func(p *Provisioning, _ *ProvisioningOptions) { p.EntDMID = "" }, "EntDMID"},
		"no name":              {func(p *Provisioning, _ *ProvisioningOptions) { p.Device.Name = "" }, "Device.Name"},
		"a colon in it":        {func(p *Provisioning, _ *ProvisioningOptions) { p.Device.Name = "a:b" }, "Device.Name"},
		"no secret":            {func(p *Provisioning, _ *ProvisioningOptions) { p.Device.Secret = "" }, "Device.Secret"},
		"no server's secret":   {func(p *Provisioning, _ *ProvisioningOptions) { p.Server.Secret = "" }, "Server.Secret"},
		"one secret for both":  {func(p *Provisioning, _ *ProvisioningOptions) { p.Server.Secret = p.Device.Secret }, "Device.Secret"},
		"no nonce":             {func(p *Provisioning, _ *ProvisioningOptions) { p.Device.Nonce = [16]byte{} }, "Device.Nonce"},
		"one nonce for both":   {func(p *Provisioning, _ *ProvisioningOptions) { p.Server.Nonce = p.Device.Nonce }, "Device.Nonce"},
		"no leaf":              {func(p *Provisioning, _ *ProvisioningOptions) { p.Leaf = nil }, "Leaf"},
		"no roots":             {func(p *Provisioning, _ *ProvisioningOptions) { p.Roots = nil }, "Roots"},
		"another root": {func(p *Provisioning, _ *ProvisioningOptions) {
			p.Roots = []*x509.Certificate{readCert(t, "intermediate.pem")}
		}, "Roots"},
		"a missing intermediate": {func(p *Provisioning, _ *ProvisioningOptions) { p.Leaf = readCert(t, "leaf-of-intermediate.pem") }, "Roots"},
		"another intermediate":   {func(_ *Provisioning, o *ProvisioningOptions) { o.Intermediate = readCert(t, "intermediate.pem") }, "Intermediate"},
		"no days of renewal":     {func(_ *Provisioning, o *ProvisioningOptions) { o.Renewal = Renewal{RetryDays: 4} }, "Renewal.Days"},
		"too many":               {func(_ *Provisioning, o *ProvisioningOptions) { o.Renewal = Renewal{Days: 1001} }, "Renewal.Days"},
		"retry after more":       {func(_ *Provisioning, o *ProvisioningOptions) { o.Renewal = Renewal{Days: 5, RetryDays: 6} }, "Renewal.RetryDays"},
		"renewal over HTTP":      {func(_ *Provisioning, o *ProvisioningOptions) { o.Renewal = Renewal{Days: 5, URL: "http://a.example"} }, "Renewal.URL"},
		"a control character":    {func(_ *Provisioning, o *ProvisioningOptions) { o.Name = "a\tb" }, "Name"},
		"one in the UPN":         {func(_ *Provisioning, o *ProvisioningOptions) { o.UPN = "a\r\n" }, "UPN"},
		"one in the subject":     {func(_ *Provisioning, o *ProvisioningOptions) { o.Subject = "\x00" }, "Subject"},
		"a version of words":     {func(_ *Provisioning, o *ProvisioningOptions) { o.SyncApplicationVersion = "new" }, "SyncApplicationVersion"},
		"no poll at all":         {func(_ *Provisioning, o *ProvisioningOptions) { o.Poll = &Poll{} }, "Poll.First"},
	} {
		t.Run(name, func(t *testing.T) {
			p, o := good, ProvisioningOptions{}
			c.change(&p, &o)
			doc, err := NewProvisioningDoc(p, &o)
			requireCode(t, err, mdm.CodeInvalid, c.field)
			require.Nil(t, doc)
		})
	}
}

func TestPollRefuses(t *testing.T) {
	require.NoError(t, DefaultPoll().check())
	for name, c := range map[string]struct {
		change func(*Poll)
		field  string
	}{
		"first for ever":     {func(p *Poll) { p.FirstRetries = 0 }, "Poll.First"},
		"first every second": {func(p *Poll) { p.FirstInterval = time.Second }, "Poll.First"},
		"no second retries":  {func(p *Poll) { p.SecondRetries = 0 }, "Poll.Second"},
		"no second interval": {func(p *Poll) { p.SecondInterval = 0 }, "Poll.Second"},
		"half a minute":      {func(p *Poll) { p.SecondInterval = 90 * time.Second }, "Poll.Second"},
		"never again":        {func(p *Poll) { p.Interval = 0 }, "Poll.Interval"},
		"once a year":        {func(p *Poll) { p.Interval = 365 * 24 * time.Hour }, "Poll.Interval"},
	} {
		t.Run(name, func(t *testing.T) {
			p := DefaultPoll()
			c.change(&p)
			requireCode(t, p.check(), mdm.CodeInvalid, c.field)
		})
	}
}

func TestRenewalRetryDefault(t *testing.T) {
	for days, want := range map[int]string{60: "4", 2: "2"} {
		c, err := Renewal{Days: days}.characteristic()
		require.NoError(t, err)
		v, _ := c.Parm("RetryInterval")
		require.Equal(t, want, v)
	}
}

func TestThumbprint(t *testing.T) {
	for name, want := range map[string]string{
		"root.pem":         "ED83015618B87277BF42E358CC9DC9EA409BA000",
		"intermediate.pem": "793E7F59ABD94B5A3D7471B4C1578CAF371A3811",
	} {
		require.Equal(t, want, Thumbprint(readCert(t, name)))
		out := openssl(t, nil, "x509", "-in", "testdata/"+name, "-noout", "-fingerprint", "-sha1")
		_, hex, ok := strings.Cut(strings.TrimSpace(out), "=")
		require.True(t, ok)
		require.Equal(t, want, strings.ReplaceAll(hex, ":", ""))
	}
}

func TestNewAppAuth(t *testing.T) {
	a, err := NewAppAuth("n", bytes.NewReader(bytes.Repeat([]byte{0xff}, 40)))
	require.NoError(t, err)
	require.Equal(t, AppAuth{Name: "n", Secret: strings.Repeat("_", 32), Nonce: [16]byte(bytes.Repeat([]byte{0xff}, 16))}, a)

	_, err = NewAppAuth("n", strings.NewReader("short"))
	requireCode(t, err, mdm.CodeInternal, "")
	_, err = NewAppAuth("n", iotest.ErrReader(errors.New("no entropy")))
	requireCode(t, err, mdm.CodeInternal, "")
	require.NotErrorIs(t, err, io.EOF)

	b, err := NewAppAuth("n", nil)
	require.NoError(t, err)
	c, err := NewAppAuth("n", nil)
	require.NoError(t, err)
	require.NotEqual(t, b.Secret, c.Secret)
	require.NotEqual(t, b.Nonce, c.Nonce)
}

func TestParseProvisioningDocRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"another document": `<a version="1.1"/>`,
		"another version":  `<wap-provisioningdoc version="1.0"/>`,
		"a namespace":      `<wap-provisioningdoc xmlns="urn:x" version="1.1"/>`,
		"a loose parm":     `<wap-provisioningdoc version="1.1"><parm name="a"/></wap-provisioningdoc>`,
		"a query":          `<wap-provisioningdoc version="1.1"><characteristic type="a"><parm-query name="b"/></characteristic></wap-provisioningdoc>`,
		"no XML":           `wap`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseProvisioningDoc([]byte(in))
			requireCode(t, err, mdm.CodeMalformed, "")
		})
	}
}

func TestProvisioningDocBounds(t *testing.T) {
	deep := Characteristic{Type: "x"}
	for range maxDepth {
		deep = Characteristic{Type: "x", Characteristics: []Characteristic{deep}}
	}
	_, err := (&ProvisioningDoc{Characteristics: []Characteristic{deep}}).Encode()
	requireCode(t, err, mdm.CodeTooLarge, "Characteristics")
	_, err = (&ProvisioningDoc{Characteristics: []Characteristic{{Type: "a\x00"}}}).Encode()
	requireCode(t, err, mdm.CodeInvalid, "type")
	_, err = (&ProvisioningDoc{Characteristics: []Characteristic{{Parms: []Parm{{Value: "\xff"}}}}}).Encode()
	requireCode(t, err, mdm.CodeInvalid, "value")
}

// Any tree of text comes back as it was.
func TestProvisioningDocRoundTrip(t *testing.T) {
	value := rapid.StringOf(rapid.RuneFrom([]rune(`ab <>&"'%é€😀`)))
	var tree func(depth int) *rapid.Generator[Characteristic]
	tree = func(depth int) *rapid.Generator[Characteristic] {
		return rapid.Custom(func(t *rapid.T) Characteristic {
			c := Characteristic{Type: value.Draw(t, "type")}
			for range rapid.IntRange(0, 3).Draw(t, "parms") {
				p := Parm{Name: value.Draw(t, "name"), Datatype: rapid.SampledFrom([]string{"", "string", "integer"}).Draw(t, "datatype")}
				if p.Flag = rapid.Bool().Draw(t, "flag"); !p.Flag {
					p.Value = value.Draw(t, "value")
				}
				c.Parms = append(c.Parms, p)
			}
			if depth > 0 {
				for range rapid.IntRange(0, 2).Draw(t, "kids") {
					c.Characteristics = append(c.Characteristics, tree(depth-1).Draw(t, "kid"))
				}
			}
			return c
		})
	}
	rapid.Check(t, func(t *rapid.T) {
		doc := &ProvisioningDoc{Characteristics: []Characteristic{tree(4).Draw(t, "tree")}}
		b, err := doc.Encode()
		require.NoError(t, err)
		got, err := ParseProvisioningDoc(b)
		require.NoError(t, err)
		require.Equal(t, doc, got)
	})
}
