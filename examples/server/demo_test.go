package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/internal/dbtest"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/mdmtest"
	"github.com/keelson-mdm/keelson/profiles"
)

// process is a server in a process of its own.
type process struct {
	*running
	cmd   *exec.Cmd
	ended chan int
}

// build compiles the server, as go run does.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "server")
	out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

// launch starts the program and waits for its greeting.
func launch(t *testing.T, program, listen, data string) *process {
	t.Helper()
	out := &output{}
	cmd := exec.Command(program, "-demo", "-listen", listen, "-data", data, "-log-level", "warn")
	cmd.Stdout, cmd.Stderr = out, out
	require.NoError(t, cmd.Start())
	p := &process{cmd: cmd, ended: make(chan int, 1)}
	go func() {
		err := cmd.Wait()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			_, _ = io.WriteString(out, err.Error())
		}
		p.ended <- cmd.ProcessState.ExitCode()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it has ended, unless the test failed
		if t.Failed() {
			t.Log(out)
		}
	})
	p.running = connect(t, data, out, p.ended)
	return p
}

// stop ends the process as an operator does.
func (p *process) stop() {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.Zero(p.t, <-p.ended, "%s", p.out)
	require.NotContains(p.t, p.out.String(), "level=ERROR")
}

// fleet returns the hosts by serial number, once there are three of them and
// every profile on them is verified.
func (s *running) fleet(total int) map[string]keelson.HostDetail {
	s.t.Helper()
	var hosts map[string]keelson.HostDetail
	wait(s.t, "three hosts with every profile verified", func() bool {
		var list struct{ Items []keelson.Host }
		s.api("/hosts", &list)
		hosts = make(map[string]keelson.HostDetail)
		n := 0
		for _, h := range list.Items {
			var d keelson.HostDetail
			s.api("/hosts/"+string(h.ID), &d)
			hosts[h.Serial] = d
			for _, p := range d.Profiles {
				if d.State == mdm.HostEnrolled && p.Status == profiles.Verified {
					n++
				}
			}
			if len(d.Profiles) == 0 || d.Status != profiles.Verified {
				return false
			}
		}
		return len(hosts) == 3 && n == total
	})
	require.Len(s.t, hosts, 3)
	return hosts
}

// TestDemo is what a newcomer sees, in processes: everything is verified, what
// arrived on the devices is what was uploaded, and after a restart everybody goes
// on where they were.
func TestDemo(t *testing.T) {
	program, data := build(t), filepath.Join(t.TempDir(), "data")
	first := launch(t, program, "127.0.0.1:0", data)
	before := first.fleet(8)
	wait(t, "the announcement", func() bool {
		return strings.Contains(first.out.String(), "3 devices are enrolled, and all 8 profiles on them are verified")
	})
	first.stop()
	u, err := url.Parse(first.url)
	require.NoError(t, err)
	checkDevices(t, first.running, nil)
	checkModes(t, data)

	second := launch(t, program, u.Host, data)
	require.Equal(t, first.token, second.token)
	after := second.fleet(8)
	for serial, was := range before {
		is := after[serial]
		require.Equal(t, was.ID, is.ID, serial)
		require.Equal(t, was.Enrollments, is.Enrollments, "%s enrolled again", serial)
		require.Equal(t, was.Profiles, is.Profiles, "%s was sent something again", serial)
	}
	var uploaded struct{ Items []keelson.Profile }
	second.api("/profiles", &uploaded)
	require.Len(t, uploaded.Items, len(demoProfiles()))

	// The restored devices still come when something is for them.
	req, err := http.NewRequest(http.MethodPost, second.url+"/api/v1/profiles", strings.NewReader(screensaver))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+second.token)
	req.Header.Set("Content-Type", "application/x-apple-aspen-config")
	status, body := second.do(req)
	require.Equal(t, http.StatusCreated, status, "%s", body)
	second.fleet(10)

	// Killed without a warning, everybody goes on as well, once the devices know
	// what they told the server.
	wait(t, "the devices to be kept", func() bool {
		return second.keeps(mdmtest.AppleMac, "mac.json") && second.keeps(mdmtest.AppleIPhone, "iphone.json")
	})
	require.NoError(t, second.cmd.Process.Kill())
	<-second.ended
	third := launch(t, program, u.Host, data)
	for serial, h := range third.fleet(10) {
		require.Equal(t, before[serial].ID, h.ID)
		require.Equal(t, before[serial].Enrollments, h.Enrollments, "%s enrolled again", serial)
	}
	third.stop()
	checkDevices(t, third.running, map[string]string{"com.example.screensaver": screensaver})

	// At another address the devices enroll again, as the hosts that they were.
	fourth := launch(t, program, "127.0.0.1:0", data)
	require.NotEqual(t, first.url, fourth.url)
	fourth.api("/profiles", &uploaded)
	for _, p := range uploaded.Items {
		if p.Identifier == "com.example.screensaver" {
			req, err := http.NewRequest(http.MethodDelete, fourth.url+"/api/v1/profiles/"+string(p.ID), nil)
			require.NoError(t, err)
			req.Header.Set("Authorization", "Bearer "+fourth.token)
			status, body := fourth.do(req)
			require.Equal(t, http.StatusNoContent, status, "%s", body)
		}
	}
	for serial, h := range fourth.fleet(8) {
		require.Equal(t, before[serial].ID, h.ID)
	}
	fourth.stop()
}

// keeps reports whether a device's snapshot holds the profile that came last.
func (s *running) keeps(kind mdmtest.AppleKind, file string) bool {
	s.t.Helper()
	device := mdmtest.NewApple(kind, "", nil)
	require.NoError(s.t, device.Restore(s.file(file)))
	_, ok := device.Profile("com.example.screensaver")
	return ok
}

// checkDevices holds what the devices carry against what was uploaded, byte for
// byte, and asks them what they think of the server.
func checkDevices(t *testing.T, s *running, more map[string]string) {
	t.Helper()
	want := map[mdm.Platform]map[string][]byte{mdm.MacOS: {}, mdm.IOS: {}}
	for _, p := range demoProfiles() {
		content, err := p.content()
		require.NoError(t, err)
		for _, on := range p.platforms {
			if want[on] != nil {
				want[on][p.identifier] = content
			}
		}
	}
	for _, d := range []struct {
		kind mdmtest.AppleKind
		on   mdm.Platform
		file string
	}{{mdmtest.AppleMac, mdm.MacOS, "mac.json"}, {mdmtest.AppleIPhone, mdm.IOS, "iphone.json"}} {
		for id, content := range more {
			want[d.on][id] = []byte(content)
		}
		device := mdmtest.NewApple(d.kind, "", nil)
		require.NoError(t, device.Restore(s.file(d.file)))
		have := make(map[string][]byte)
		for _, p := range device.Profiles() {
			if !p.Enrollment {
				require.True(t, p.Managed)
				have[p.Identifier] = p.Raw
			}
		}
		require.Equal(t, want[d.on], have, d.file)
		require.Equal(t, 1, device.Enrollments(), d.file)
		require.Empty(t, device.Violations(), d.file)
		require.Empty(t, device.Duplicates(), d.file)
	}
	checkPC(t, s.file("pc.json"))
}

func checkPC(t *testing.T, snapshot []byte) {
	t.Helper()
	pc, err := mdmtest.RestorePC(snapshot, nil)
	require.NoError(t, err)
	require.Empty(t, pc.Violations())
	require.Empty(t, pc.Duplicates())
	nodes := 0
	for _, p := range demoProfiles() {
		if p.platforms[0] != mdm.Windows {
			continue
		}
		content, err := p.content()
		require.NoError(t, err)
		for loc, want := range windowsNodes(t, content) {
			have, ok := pc.Node(loc)
			require.True(t, ok, loc)
			require.Equal(t, want, have, loc)
			nodes++
		}
	}
	require.Equal(t, 5, nodes)
}

// windowsNodes reads a profile by other means than the server does.
func windowsNodes(t *testing.T, content []byte) map[string]mdmtest.PCNode {
	t.Helper()
	var doc struct {
		Replace []struct {
			LocURI string `xml:"Item>Target>LocURI"`
			Format string `xml:"Item>Meta>Format"`
			Type   string `xml:"Item>Meta>Type"`
			Data   string `xml:"Item>Data"`
		}
	}
	require.NoError(t, xml.Unmarshal(bytes.Join([][]byte{[]byte("<all>"), content, []byte("</all>")}, nil), &doc))
	out := make(map[string]mdmtest.PCNode)
	for _, r := range doc.Replace {
		if r.Format == "chr" {
			r.Format = "" // a PC's word for the same
		}
		out[r.LocURI] = mdmtest.PCNode{Value: r.Data, Format: r.Format, Type: r.Type}
	}
	return out
}

// file reads the snapshot of a device.
func (s *running) file(name string) []byte {
	s.t.Helper()
	b, err := os.ReadFile(filepath.Join(s.data, "demo", name))
	require.NoError(s.t, err)
	return b
}

// checkModes holds that nobody else can read what is kept.
func checkModes(t *testing.T, dir string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil {
			require.Zero(t, info.Mode().Perm()&0o077, path)
		}
		return err
	}))
}

// TestDemoInMemory keeps nothing, and begins anew each time.
func TestDemoInMemory(t *testing.T) {
	data := t.TempDir()
	s := startHere(t, data, "-demo", "-db", "memory:")
	s.fleet(8)
	require.NoFileExists(t, filepath.Join(data, "demo", "mac.json"))
	require.NoFileExists(t, filepath.Join(data, "keelson.db"))
}

// TestDemoOnServers is the same over a database that a vendor runs already.
func TestDemoOnServers(t *testing.T) {
	for name, s := range map[string]*dbtest.Server{"PostgreSQL": dbtest.PostgreSQL(), "MySQL": dbtest.MySQL()} {
		t.Run(name, func(t *testing.T) {
			defer s.Close()
			t.Run("demo", func(t *testing.T) {
				spec := s.Blank(t)
				if s.Driver() == "mysql" {
					c, err := mysql.ParseDSN(spec)
					require.NoError(t, err)
					if c.Net != "tcp" {
						t.Skip("-db reaches servers over TCP")
					}
					u := url.URL{Scheme: "mysql", Host: c.Addr, Path: "/" + c.DBName, User: url.UserPassword(c.User, c.Passwd)}
					spec = u.String()
				}
				data := filepath.Join(t.TempDir(), "data")
				var before map[string]keelson.HostDetail
				listen := "127.0.0.1:0"
				t.Run("first", func(t *testing.T) {
					first := startHere(t, data, "-demo", "-db", spec)
					before = first.fleet(8)
					u, err := url.Parse(first.url)
					require.NoError(t, err)
					listen = u.Host
				})
				t.Run("again", func(t *testing.T) {
					for serial, h := range startHere(t, data, "-demo", "-db", spec, "-listen", listen).fleet(8) {
						require.Equal(t, before[serial].ID, h.ID, "it goes on where it was")
					}
				})
			})
		})
	}
}
