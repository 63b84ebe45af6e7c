package mde

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares bytes with a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, append(got, '\n'), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, strings.TrimSuffix(string(want), "\n"), string(got))
}

// openssl runs an outside judge. Without one the test is skipped, but not where
// it is known to be installed.
func openssl(t testing.TB, stdin []byte, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("openssl is not installed")
		}
		t.Skip("openssl is not installed")
	}
	cmd := exec.Command("openssl", args...)
	cmd.Stdin = strings.NewReader(string(stdin))
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		t.Fatalf("openssl %v: %v\n%s", args, err, exit.Stderr)
	}
	require.NoError(t, err)
	return string(out)
}

func readCert(t testing.TB, name string) *x509.Certificate {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	block, _ := pem.Decode(b)
	require.NotNil(t, block)
	c, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	return c
}

// The message ids of Windows, which are the same on every device.
const (
	discoverID = "urn:uuid:748132ec-a575-4329-b01b-6171a9cf8478"
	policiesID = "urn:uuid:72048B64-0F19-448F-8C2E-B4C661860AA0"
	tokenID    = "urn:uuid:0d5a1441-5891-453b-becf-a2e5f6ea3749"
)

// request writes a request envelope the way Windows does.
func request(op Operation, id, security, body string) string {
	return `<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing"` +
		` xmlns:u="` + nsUtility + `" xmlns:wsse="` + nsSecurity + `" xmlns:wst="` + nsTrust + `" xmlns:ac="` + nsAuth + `">` +
		`<s:Header><a:Action s:mustUnderstand="1">` + string(op) + `</a:Action><a:MessageID>` + id + `</a:MessageID>` +
		`<a:ReplyTo><a:Address>http://www.w3.org/2005/08/addressing/anonymous</a:Address></a:ReplyTo>` +
		`<a:To s:mustUnderstand="1">https://EnterpriseEnrollment.example.com:443/EnrollmentServer/Any.svc</a:To>` +
		security + `</s:Header><s:Body xmlns:xsi="` + nsXSI + `" xmlns:xsd="` + nsXSD + `">` + body + `</s:Body></s:Envelope>`
}

const password = `<wsse:Security s:mustUnderstand="1"><wsse:UsernameToken u:Id="uuid-cc1ccc1f-2fba-4bcf-b063-ffc0cac77917-4">` +
	`<wsse:Username>kim@example.com</wsse:Username>` +
	`<wsse:Password wsse:Type="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText"> s3&lt;cret </wsse:Password>` +
	`</wsse:UsernameToken></wsse:Security>`

func binaryToken(valueType, data string) string {
	return `<wsse:Security s:mustUnderstand="1"><wsse:BinarySecurityToken wsse:ValueType="` + valueType +
		`" EncodingType="` + base64Binary + `">` + data + `</wsse:BinarySecurityToken></wsse:Security>`
}

func discoverBody(version, policies string) string {
	return `<Discover xmlns="` + nsManagement + `"><request xmlns:i="` + nsXSI + `"><EmailAddress>kim@example.com</EmailAddress>` +
		`<RequestVersion>` + version + `</RequestVersion><DeviceType>CIMClient_Windows</DeviceType>` +
		`<ApplicationVersion>10.0.22621.1702</ApplicationVersion><OSEdition>101</OSEdition>` +
		`<AuthPolicies>` + policies + `</AuthPolicies></request></Discover>`
}

const bothPolicies = `<AuthPolicy>OnPremise</AuthPolicy><AuthPolicy>Federated</AuthPolicy>`

func policiesBody(client string) string {
	return `<GetPolicies xmlns="` + nsPolicy + `"><client><lastUpdate xsi:nil="true"/><preferredLanguage xsi:nil="true"/>` +
		client + `</client><requestFilter xsi:nil="true"/></GetPolicies>`
}

// item is a context item.
func item(name, value string) string {
	return `<ac:ContextItem Name="` + name + `"><ac:Value>` + value + `</ac:Value></ac:ContextItem>`
}

// windowsItems are the context items that a Windows 10 19043 sends.
func windowsItems() string {
	return item("UXInitiated", "true") + item("HWDevID", strings.Repeat("3B", 32)) + item("Locale", "en-US") +
		item("TargetedUserLoggedIn", "True") + item("OSEdition", "72") + item("DeviceName", "DESKTOP-1A2B3C4") +
		item("MAC", "00-0C-29-00-00-01") + item("MAC", "00-0C-29-00-00-02") + item("MAC", "00-0C-29-00-00-02") +
		item("DeviceID", testDeviceID) + item("EnrollmentType", "Full") + item("DeviceType", "CIMClient_Windows") +
		item("OSVersion", "10.0.19043.2364") + item("ApplicationVersion", "10.0.19043.2364") + item("NotInOobe", "false")
}

const testDeviceID = "0123456789ABCDEF0123456789ABCDEF"

func tokenBody(kind RequestType, valueType string, der []byte, items string) string {
	b64 := base64.StdEncoding.EncodeToString(der)
	var lines []string
	for len(b64) > 76 {
		lines, b64 = append(lines, b64[:76]), b64[76:]
	}
	return `<wst:RequestSecurityToken><wst:TokenType>` + tokenType + `</wst:TokenType><wst:RequestType>` + string(kind) + `</wst:RequestType>` +
		`<wsse:BinarySecurityToken ValueType="` + valueType + `" EncodingType="` + base64Binary + `">` +
		strings.Join(append(lines, b64), "\r\n") + `</wsse:BinarySecurityToken>` +
		`<ac:AdditionalContext xmlns="` + nsAuth + `">` + items + `</ac:AdditionalContext></wst:RequestSecurityToken>`
}

// requireCode checks for the one typed error.
func requireCode(t *testing.T, err error, code mdm.Code, field string) {
	t.Helper()
	var e *mdm.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, code, e.Code, e.Error())
	require.Equal(t, field, e.Field, e.Error())
	require.NotEmpty(t, e.Message)
}
