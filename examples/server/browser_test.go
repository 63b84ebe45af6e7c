package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

var screenshots = flag.String("screenshots", "", "write pictures of the pages into this `directory`")

// person is somebody in front of a real Chromium.
type person struct {
	t   *testing.T
	ctx context.Context
}

// browse starts a browser that trusts our certificate, as a person who was asked
// would.
func browse(t *testing.T) *person {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("there is no Chromium: .ci/run installs one")
		}
		t.Skip("there is no Chromium")
	}
	opts := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.Headless, chromedp.NoSandbox, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1280, 900),
	}
	for _, flag := range []string{
		"disable-gpu", "disable-quic", "disable-background-networking", "disable-component-update", "disable-sync",
		"disable-dev-shm-usage", "no-proxy-server", "ignore-certificate-errors",
	} {
		opts = append(opts, chromedp.Flag(flag, true))
	}
	ctx, stop := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(stop)
	ctx, closeTab := chromedp.NewContext(ctx)
	t.Cleanup(closeTab)
	require.NoError(t, chromedp.Do(ctx)) // starts it
	return &person{t: t, ctx: ctx}
}

// do does things one after the other, in a minute.
func (p *person) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, soon)
	defer cancel()
	require.NoError(p.t, chromedp.Do(ctx, steps...))
}

// read returns the text of an element once it is there.
func (p *person) read(css string) string { return get(p, chromedp.Text(chromedp.CSS(css))) }

// value returns what stands in a field.
func (p *person) value(css string) string { return get(p, chromedp.Value(chromedp.CSS(css))) }

func get[T any](p *person, a chromedp.Action[T]) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, soon)
	defer cancel()
	v, err := chromedp.Run(ctx, a)
	require.NoError(p.t, err)
	return v
}

// sees waits until a JavaScript expression is true, over any number of pages.
func (p *person) sees(expression string) {
	p.t.Helper()
	wait(p.t, expression, func() bool {
		ctx, cancel := context.WithTimeout(p.ctx, 5*time.Second)
		defer cancel()
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		return err == nil && ok
	})
}

// picture writes a picture of the page when somebody asked for them.
func (p *person) picture(name string) {
	p.t.Helper()
	if *screenshots != "" {
		png := get(p, chromedp.FullScreenshot(100))
		require.NoError(p.t, os.WriteFile(filepath.Join(*screenshots, name+".png"), png, 0o600))
	}
}

func open(url string) chromedp.Action[chromedp.Void]  { return chromedp.Navigate(url) }
func click(css string) chromedp.Action[chromedp.Void] { return chromedp.Click(chromedp.CSS(css)) }
func visible(css string) chromedp.Action[chromedp.Void] {
	return chromedp.WaitVisible(chromedp.CSS(css))
}
func typed(css, text string) chromedp.Action[chromedp.Void] {
	return chromedp.SendKeys(chromedp.CSS(css), text)
}
func choose(css, file string) chromedp.Action[chromedp.Void] {
	return chromedp.SetUploadFiles(chromedp.CSS(css), []string{file})
}

// dark is a person who likes it so.
func dark(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
	_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}},
	})
	return chromedp.Void{}, err
}

// verified counts the rows that say so.
const verified = `document.querySelectorAll("tbody .status.s-verified").length`

// TestDashboard is a person in front of the demonstration.
func TestDashboard(t *testing.T) {
	p := browse(t)
	s := startDemo(t)

	// A stranger is asked for the token, and a wrong one lets nobody in.
	p.do(open(s.url+"/hosts"), visible("#token"))
	p.picture("login")
	p.do(typed("#token", "not the token\r"), visible(".wrong"), typed("#token", s.token+"\r"), visible("#q"))

	// Three hosts are verified, and the page comes to know by itself.
	p.sees(verified + " === 3")
	p.picture("hosts")
	p.do(click(`nav a[href="/"]`))
	p.sees(`document.querySelector("h1")?.textContent === "All is well"`)
	p.picture("overview")

	// One host says of each profile why it is there.
	p.do(open(s.url+"/hosts?q=LENA"), click("tbody a"))
	p.sees(`document.querySelectorAll(".items details .s-verified").length === 2`)
	p.do(click("#why-windows-privacy > summary"), visible("#why-windows-privacy .clauses"))
	why := p.read("#why-windows-privacy")
	require.Contains(t, why, "The host is in the profile’s team.")
	require.Contains(t, why, "content matched")
	p.picture("host")

	// An upload becomes verified while one looks at it.
	file := filepath.Join(t.TempDir(), "screensaver.mobileconfig")
	require.NoError(t, os.WriteFile(file, []byte(screensaver), 0o600))
	p.do(open(s.url+"/profiles/new"), visible("#file"))
	p.picture("upload")
	p.do(choose("#file", file), click("form.form button.primary"))
	p.sees(`location.pathname.startsWith("/profiles/") && document.querySelector("h1")?.textContent === "Lock the screen <soon>"`)
	p.sees(verified + " === 2")
	p.picture("profile")

	// A count leads to the hosts that it counts.
	p.do(open(s.url+"/profiles"), click(`.count a[href$="status=verified"]`), visible("tbody"))
	p.sees(`document.querySelector("#show-verified[aria-current]") && !document.querySelector("tbody .status:not(.s-verified)")`)
	p.do(click("#show-all"))
	p.sees(`document.querySelector("#show-all[aria-current]") && location.search === ""`)

	// A wrong file is refused with the reason, and what was filled in stays.
	wrong := filepath.Join(t.TempDir(), "wrong.mobileconfig")
	require.NoError(t, os.WriteFile(wrong, []byte(`<plist version="1.0"><dict/></plist>`), 0o600))
	p.do(open(s.url+"/profiles/new"), choose("#file", wrong), typed("#name", "Mine"), click("form.form button.primary"))
	require.Contains(t, p.read(".wrong"), "PayloadType")
	require.Equal(t, "Mine", p.value("#name"))
	p.picture("refused")

	// A link is shown once.
	p.do(open(s.url+"/enroll"), click("form.form button.primary"), visible("#link"))
	require.Regexp(t, "^"+s.url+"/mdm/v1/default/apple/enroll/", p.value("#link"))
	p.picture("enroll")

	// It is listed until it is withdrawn.
	p.do(open(s.url+"/enroll"), visible(`[id^="withdraw-"]`))
	p.picture("links")
	links := get(p, chromedp.Evaluate[int](`document.querySelectorAll('[id^="withdraw-"]').length`))
	p.do(click(`[id^="withdraw-"]`))
	p.sees(fmt.Sprintf(`document.querySelector("#links-all") && document.querySelectorAll('[id^="withdraw-"]').length === %d`, links-1))
	p.do(click("#links-all"))
	p.sees(`[...document.querySelectorAll("tbody .status")].some((e) => e.textContent === "Withdrawn")`)
	p.picture("links-all")

	// Teams and labels are made, whatever their names.
	p.do(open(s.url+"/groups"), typed("#team-name", "Engineering\r"))
	p.sees(`document.querySelector(".items")?.textContent.includes("Engineering")`)
	p.do(typed("#label-name", "Beta <testers>\r"))
	p.sees(`[...document.querySelectorAll(".items")].some((e) => e.textContent.includes("Beta <testers>"))`)
	p.picture("groups")

	if *screenshots != "" {
		p.do(open(s.url+"/profiles"), visible("tbody"))
		p.picture("profiles")
		p.do(dark, open(s.url+"/"), visible("tbody"))
		p.picture("dark")
		p.do(chromedp.EmulateViewport(390, 844), open(s.url+"/"), visible("tbody"))
		p.picture("narrow")
	}
	p.do(open(s.url+"/"), click(`form[action="/logout"] button`), visible("#token"))
}
