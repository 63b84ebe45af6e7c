package main

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"html"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// login returns the cookie of a session.
func (s *running) login() http.Header {
	s.t.Helper()
	resp, err := s.client.PostForm(s.url+"/login", url.Values{"token": {s.token}})
	require.NoError(s.t, err)
	require.NoError(s.t, resp.Body.Close())
	require.Equal(s.t, http.StatusSeeOther, resp.StatusCode)
	require.Len(s.t, resp.Cookies(), 1)
	return http.Header{"Cookie": {resp.Cookies()[0].Name + "=" + resp.Cookies()[0].Value}}
}

// post sends a form.
func (s *running) post(path string, head http.Header, form url.Values) (int, []byte) {
	s.t.Helper()
	req, err := http.NewRequest(http.MethodPost, s.url+path, strings.NewReader(form.Encode()))
	require.NoError(s.t, err)
	req.Header = head.Clone()
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return s.do(req)
}

// uploads sends a form with a file.
func (s *running) uploads(path string, head http.Header, file []byte, fields map[string]string) (int, []byte) {
	s.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for k, v := range fields {
		require.NoError(s.t, w.WriteField(k, v))
	}
	f, err := w.CreateFormFile("file", "x.mobileconfig")
	require.NoError(s.t, err)
	_, err = f.Write(file)
	require.NoError(s.t, err)
	require.NoError(s.t, w.Close())
	req, err := http.NewRequest(http.MethodPost, s.url+path, &b)
	require.NoError(s.t, err)
	req.Header = head.Clone()
	req.Header.Set("Content-Type", w.FormDataContentType())
	return s.do(req)
}

var links = regexp.MustCompile(`href="(/[^"]*)"`)

// pages walks through the dashboard and returns every page by its path.
func (s *running) pages(head http.Header) map[string]string {
	s.t.Helper()
	seen := make(map[string]string)
	for queue := []string{"/"}; len(queue) > 0; queue = queue[1:] {
		if _, ok := seen[queue[0]]; ok || strings.HasPrefix(queue[0], "/static/") {
			continue
		}
		status, body := s.get(queue[0], head)
		require.Equal(s.t, http.StatusOK, status, queue[0])
		seen[queue[0]] = string(body)
		for _, m := range links.FindAllStringSubmatch(string(body), -1) {
			queue = append(queue, html.UnescapeString(m[1]))
		}
	}
	return seen
}

var inline = regexp.MustCompile(`(?i)<[^>]*\s(style|on[a-z]+)=|<script[^>]*>[^<]|<style|ZgotmplZ`)

// TestNoPageHoldsASecret walks through every page of the demonstration.
func TestNoPageHoldsASecret(t *testing.T) {
	s := startDemo(t)
	s.fleet(8)
	head := s.login()
	pages := s.pages(head)
	require.Greater(t, len(pages), 3+6+5, "hosts, profiles, and the rest")
	secrets := map[string]string{"the token": s.token, "the password of a Wi-Fi": "a wifi password"}
	for _, name := range []string{"storage.key", "demo/password"} {
		b, err := os.ReadFile(filepath.Join(s.data, name))
		require.NoError(t, err)
		secrets[name] = strings.TrimSpace(string(b))
	}
	b, err := os.ReadFile(filepath.Join(s.data, "device-ca.pem"))
	require.NoError(t, err)
	_, rest := pem.Decode(b)
	secrets["the authority's key"] = strings.Split(strings.TrimSpace(string(rest)), "\n")[1]
	for path, body := range pages {
		for what, secret := range secrets {
			require.NotContains(t, body, secret, "%s on %s", what, path)
		}
		if path != "/server-ca.crt" {
			require.NotRegexp(t, inline, body, path)
		}
	}
	for _, secret := range secrets {
		printed := strings.Replace(s.out.String(), s.token, "", 1) // the greeting
		require.NotContains(t, printed, secret)
	}
}

// TestStrangersSeeNothing asks for everything without having logged in.
func TestStrangersSeeNothing(t *testing.T) {
	s := startHere(t, t.TempDir())
	for _, path := range []string{"/", "/hosts", "/hosts/x", "/profiles", "/profiles/new", "/profiles/x", "/groups", "/enroll", "/nothing"} {
		status, body := s.get(path, nil)
		require.Equal(t, http.StatusSeeOther, status, path)
		require.Less(t, len(body), 100, path)
		status, body = s.get(path, http.Header{liveHeader: {"1"}})
		require.Equal(t, http.StatusUnauthorized, status, path)
		require.Empty(t, body, path)
	}
	for _, path := range []string{"/profiles", "/profiles/x/content", "/profiles/x/delete", "/hosts/x/unenroll", "/teams", "/labels", "/enroll", "/enroll/x/withdraw"} {
		status, _ := s.post(path, http.Header{}, url.Values{"name": {"A team"}})
		require.Equal(t, http.StatusSeeOther, status, path)
	}
	status, body := s.get("/groups", s.login())
	require.Equal(t, http.StatusOK, status)
	require.NotContains(t, string(body), "A team")

	status, _ = s.get("/api/v1/hosts", nil)
	require.Equal(t, http.StatusUnauthorized, status)
	status, _ = s.get("/api/v1/hosts", s.login())
	require.Equal(t, http.StatusUnauthorized, status, "a cookie is for the dashboard")
}

// TestOtherSitesCannotAct sends what a hostile page makes a browser send.
func TestOtherSitesCannotAct(t *testing.T) {
	s := startHere(t, t.TempDir())
	head := s.login()
	for _, evil := range []http.Header{
		{"Sec-Fetch-Site": {"cross-site"}}, {"Sec-Fetch-Site": {"same-site"}}, {"Origin": {"https://evil.example"}},
	} {
		for k, v := range head {
			evil[k] = v
		}
		status, _ := s.post("/teams", evil, url.Values{"name": {"Evil"}})
		require.Equal(t, http.StatusForbidden, status)
	}
	_, body := s.get("/groups", head)
	require.NotContains(t, string(body), "Evil")
}

func TestWhatPeopleDo(t *testing.T) {
	s := startHere(t, t.TempDir(), "-user", "ada", "-password", "lovelace", "-topic", "com.apple.mgmt.External.test")
	head := s.login()

	// Names are shown as they are, whatever they look like.
	const odd = `<img src=x onerror=alert(1)> "A" & 'B' {{.}}`
	status, _ := s.post("/teams", head, url.Values{"name": {odd}})
	require.Equal(t, http.StatusSeeOther, status)
	status, _ = s.post("/labels", head, url.Values{"name": {odd}, "default": {"unknown"}})
	require.Equal(t, http.StatusSeeOther, status)
	for path, body := range s.pages(head) {
		require.NotContains(t, body, "<img", path)
		require.NotRegexp(t, inline, body, path)
	}
	_, body := s.get("/groups", head)
	require.Contains(t, html.UnescapeString(string(body)), odd)
	status, body = s.post("/teams", head, url.Values{"name": {odd}})
	require.Equal(t, http.StatusConflict, status, "%s", body)

	// An upload brings its scope, and comes back when it is refused.
	label := regexp.MustCompile(`/labels/([^/]+)/delete`).FindSubmatch(mustGet(t, s, "/groups", head))
	require.NotNil(t, label)
	id := string(label[1])
	fields := map[string]string{"name": odd, "platform": "macos", "label": id, "use-" + id: "exclude_any"}
	status, body = s.uploads("/profiles", head, []byte("not a profile"), fields)
	require.Equal(t, http.StatusUnprocessableEntity, status)
	require.Contains(t, html.UnescapeString(string(body)), odd, "what was filled in stays")
	require.Contains(t, string(body), "neither an Apple configuration profile nor a Windows profile")
	status, _ = s.uploads("/profiles", head, []byte(screensaver), fields)
	require.Equal(t, http.StatusSeeOther, status)
	list := mustGet(t, s, "/profiles", head)
	profile := regexp.MustCompile(`href="(/profiles/[0-9a-f-]{36})"`).FindSubmatch(list)
	require.NotNil(t, profile)
	page := string(mustGet(t, s, string(profile[1]), head))
	require.Contains(t, html.UnescapeString(page), "not <b>"+odd)
	require.Contains(t, page, "This profile reaches no host.")

	// Something without a PayloadScope is accepted, with a word about it.
	bare := strings.Replace(screensaver, "<key>PayloadScope</key><string>System</string>", "", 1)
	status, body = s.uploads(string(profile[1])+"/content", head, []byte(bare), nil)
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, string(body), "PayloadScope is missing")

	// Too much is refused before it is read.
	status, _ = s.uploads("/profiles", head, make([]byte, maxForm+1), nil)
	require.Equal(t, http.StatusRequestEntityTooLarge, status)
	status, body = s.uploads("/profiles", head, nil, nil)
	require.Equal(t, http.StatusUnprocessableEntity, status)
	require.Contains(t, string(body), "The file is empty.")

	// A link needs sense.
	status, body = s.post("/enroll", head, url.Values{"devices": {"0"}, "days": {"7"}})
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, string(body), "at least one device")
	status, body = s.post("/enroll", head, url.Values{"devices": {"200"}, "days": {"7"}, "serials": {"C02A, C02B\nC02C"}})
	require.Equal(t, http.StatusOK, status, "%s", body)
	require.Contains(t, string(body), "/mdm/v1/default/apple/enroll/")
	require.Contains(t, string(body), "200 devices")

	// It is listed, without its secret, and can be withdrawn.
	secret := regexp.MustCompile(`/apple/enroll/([\w-]{43})`).FindSubmatch(body)
	require.NotNil(t, secret)
	list = mustGet(t, s, "/enroll", head)
	require.Contains(t, string(list), "0 of 200")
	require.Contains(t, string(list), "only 3 named devices")
	require.NotContains(t, string(list), string(secret[1]))
	withdraw := regexp.MustCompile(`action="(/enroll/[0-9a-f-]{36}/withdraw)"`).FindSubmatch(list)
	require.NotNil(t, withdraw)
	status, _ = s.post(string(withdraw[1]), head, nil)
	require.Equal(t, http.StatusSeeOther, status)
	require.Contains(t, string(mustGet(t, s, "/enroll", head)), "No link is open.")
	require.Contains(t, string(mustGet(t, s, "/enroll?closed=1", head)), "Withdrawn")
	status, _ = s.post("/enroll/nothing/withdraw", head, nil)
	require.Equal(t, http.StatusNotFound, status)
	for range pageLinks + 1 {
		status, _ = s.post("/enroll", head, url.Values{"devices": {"1"}, "days": {"1"}})
		require.Equal(t, http.StatusOK, status)
	}
	list = mustGet(t, s, "/enroll", head)
	require.Equal(t, pageLinks, bytes.Count(list, []byte("0 of 1<")))
	next := regexp.MustCompile(`href="(/enroll\?after=[^"]+)"`).FindSubmatch(list)
	require.NotNil(t, next)
	require.Equal(t, 1, bytes.Count(mustGet(t, s, html.UnescapeString(string(next[1])), head), []byte("0 of 1<")))

	status, _ = s.post(string(profile[1])+"/delete", head, nil)
	require.Equal(t, http.StatusSeeOther, status)
	status, body = s.get(string(profile[1]), head)
	require.Equal(t, http.StatusNotFound, status)
	require.NotContains(t, string(body), "level=")
	status, _ = s.get("/no/such/page", head)
	require.Equal(t, http.StatusNotFound, status)
}

func mustGet(t *testing.T, s *running, path string, head http.Header) []byte {
	t.Helper()
	status, body := s.get(path, head)
	require.Equal(t, http.StatusOK, status, path)
	return body
}

// TestLongLists walks through the pages of hosts, as a person does who clicks on
// "Next hosts": of all, and of those of one profile, whatever their status.
func TestLongLists(t *testing.T) {
	s := startHere(t, t.TempDir())
	head := s.login()
	const hosts = 2*pageHosts + 3
	for i := range hosts {
		req, err := http.NewRequest(http.MethodPut, fmt.Sprintf("%s/api/v1/hosts/by-external/asset-%d", s.url, i), strings.NewReader(`{"platform":"macos"}`))
		require.NoError(t, err)
		req.Header = http.Header{"Authorization": {"Bearer " + s.token}, "Content-Type": {"application/json"}}
		status, body := s.do(req)
		require.Equal(t, http.StatusOK, status, "%s", body)
	}
	status, _ := s.uploads("/profiles", head, []byte(screensaver), nil)
	require.Equal(t, http.StatusSeeOther, status)
	profile := regexp.MustCompile(`href="(/profiles/[0-9a-f-]{36})"`).FindSubmatch(mustGet(t, s, "/profiles", head))
	require.NotNil(t, profile)
	on := string(profile[1])
	row := regexp.MustCompile(`id="(host-[0-9a-f-]{36})"`)
	more := regexp.MustCompile(`<a class="button" href="([^"]+)">Next hosts`)
	for path, pages := range map[string]int{
		"/hosts": 3, "/hosts?platform=macos": 3, "/hosts?platform=ios": 1, on: 3, on + "?status=pending": 3, on + "?status=failed": 1, on + "?status=odd": 3,
	} {
		seen := make(map[string]int)
		walked := 0
		for at := path; at != ""; walked++ {
			require.Less(t, walked, 4, path)
			body := mustGet(t, s, at, head)
			for _, m := range row.FindAllSubmatch(body, -1) {
				seen[string(m[1])]++
			}
			at = ""
			if m := more.FindSubmatch(body); m != nil {
				at = html.UnescapeString(string(m[1]))
			}
		}
		require.Equal(t, pages, walked, path)
		if pages == 3 {
			require.Len(t, seen, hosts, path)
		}
		for id, times := range seen {
			require.Equal(t, 1, times, "%s: %s", path, id)
		}
	}
	require.Contains(t, string(mustGet(t, s, on+"?status=failed", head)), "No host stands like that")
	require.Contains(t, string(mustGet(t, s, "/profiles", head)), fmt.Sprintf(`status=pending">%d pending</a>`, hosts))
}

// TestWhatEverybodyIsServed looks at protocol, headers and health.
func TestWhatEverybodyIsServed(t *testing.T) {
	s := startHere(t, t.TempDir())
	resp, err := s.client.Get(s.url + "/login")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, "HTTP/2.0", resp.Proto)
	require.Contains(t, resp.Header.Get("Content-Security-Policy"), "default-src 'none'; style-src 'self'; script-src 'self'")
	require.NotContains(t, resp.Header.Get("Content-Security-Policy"), "unsafe")
	require.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
	for _, path := range []string{"/healthz", "/readyz"} {
		status, _ := s.get(path, nil)
		require.Equal(t, http.StatusOK, status, path)
	}
	status, body := s.get("/api/openapi.json", nil)
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, string(body), `"openapi"`)
	for _, m := range regexp.MustCompile(`"(/static/[^"]+)"`).FindAllSubmatch(mustGet(t, s, "/login", nil), -1) {
		status, body := s.get(string(m[1]), nil)
		require.Equal(t, http.StatusOK, status, "%s", m[1])
		require.NotEmpty(t, body)
	}

	// Client certificates are asked for, by those of our authority, and not required.
	asked := false
	conn, err := tls.Dial("tcp", strings.TrimPrefix(s.url, "https://"), &tls.Config{
		RootCAs: s.client.Transport.(*http.Transport).TLSClientConfig.RootCAs,
		GetClientCertificate: func(r *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			asked = len(r.AcceptableCAs) == 1
			return &tls.Certificate{}, nil
		},
	})
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	require.True(t, asked)
}
