package keelson_test

import (
	"crypto/tls"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestURLs holds the addresses that devices remember, as the enrollment profile
// and the discovery answer tell them. They cannot be changed.
func TestURLs(t *testing.T) {
	w := serve(t, newInmem(), nil)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: w.roots}}}
	fetch := func(req *http.Request, err error) string {
		require.NoError(t, err)
		resp, err := client.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		require.Equal(t, http.StatusOK, resp.StatusCode)
		b, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return string(b)
	}
	link := w.link()
	require.Regexp(t, `^`+regexp.QuoteMeta(w.url)+`/mdm/v1/default/apple/enroll/[\w-]{43}$`, link)
	profile := fetch(http.NewRequestWithContext(t.Context(), http.MethodGet, link, nil))
	for _, path := range []string{"/mdm/v1/default/apple/checkin", "/mdm/v1/default/apple/server", "/mdm/v1/default/scep"} {
		require.Contains(t, profile, "<string>"+w.url+path+"</string>")
	}

	discover := `<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing"><s:Header>` +
		`<a:Action s:mustUnderstand="1">http://schemas.microsoft.com/windows/management/2012/01/enrollment/IDiscoveryService/Discover</a:Action>` +
		`<a:MessageID>urn:uuid:748132ec-a575-4329-b01b-6171a9cf8478</a:MessageID><a:To s:mustUnderstand="1">https://x/EnrollmentServer/Discovery.svc</a:To></s:Header>` +
		`<s:Body><Discover xmlns="http://schemas.microsoft.com/windows/management/2012/01/enrollment"><request xmlns:i="http://www.w3.org/2001/XMLSchema-instance">` +
		`<EmailAddress>ada@example.com</EmailAddress><RequestVersion>4.0</RequestVersion><DeviceType>CIMClient_Windows</DeviceType>` +
		`<ApplicationVersion>10.0.19043.2364</ApplicationVersion><OSEdition>72</OSEdition>` +
		`<AuthPolicies><AuthPolicy>OnPremise</AuthPolicy></AuthPolicies></request></Discover></s:Body></s:Envelope>`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"/EnrollmentServer/Discovery.svc", strings.NewReader(discover))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/soap+xml; charset=utf-8")
	answer := fetch(req, nil)
	require.NoError(t, xml.Unmarshal([]byte(answer), new(struct{})))
	for _, path := range []string{"/mdm/v1/default/windows/policy", "/mdm/v1/default/windows/enroll"} {
		require.Contains(t, answer, ">"+w.url+path+"<")
	}
	pc := w.pc()
	require.Equal(t, w.url+"/mdm/v1/default/windows/manage", pc.Enrollment().Address)
}

// TestRegisterBesideTheApplication: whatever an application serves in its own mux,
// ours does not get in its way.
func TestRegisterBesideTheApplication(t *testing.T) {
	for _, pattern := range []string{"/", "GET /", "POST /", "GET /{$}", "GET /{page}", "/{path...}", "GET /mdm/", "GET /{a}/{b}/{c}/{d}"} {
		w := serve(t, newInmem(), nil)
		mux := http.NewServeMux()
		mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
		require.NotPanics(t, func() { w.Register(mux) }, pattern)
		rec := httptest.NewRecorder()
		mux.ServeHTTP(rec, httptest.NewRequest(http.MethodPut, "/mdm/v1/default/apple/server", nil))
		require.Equal(t, http.StatusBadRequest, rec.Code, pattern)
	}
}

// TestWrongMethods are answered without a status on which a device unenrolls.
func TestWrongMethods(t *testing.T) {
	w := serve(t, newInmem(), nil)
	mux := http.NewServeMux()
	w.Register(mux)
	for path, takes := range map[string]string{
		"/mdm/v1/default/apple/checkin": "PUT", "/mdm/v1/default/apple/server": "PUT", "/mdm/v1/default/apple/enroll/x": "GET, HEAD",
		"/mdm/v1/default/scep": "GET, HEAD, POST", "/EnrollmentServer/Discovery.svc": "GET, HEAD, POST",
		"/mdm/v1/default/windows/discovery": "GET, HEAD, POST", "/mdm/v1/default/windows/policy": "POST",
		"/mdm/v1/default/windows/enroll": "POST", "/mdm/v1/default/windows/manage": "POST",
	} {
		rec := httptest.NewRecorder()
		mux.ServeHTTP(rec, httptest.NewRequest(http.MethodDelete, path, nil))
		require.Equal(t, http.StatusMethodNotAllowed, rec.Code, path)
		require.Equal(t, takes, rec.Header().Get("Allow"), path)
	}
}
