package mdmtest

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
)

func TestPCLosesAReply(t *testing.T) {
	set := pcCmd("Replace", "1", pcCamera, "int", "1")
	t.Run("and repeats the POST", func(t *testing.T) {
		s := pcNewServer(t)
		pc := s.pc()
		s.queue(set)
		pc.LoseReply(1, PCRepeat)
		got := pc.Sync()
		require.Equal(t, 2, got.Messages)
		m := s.got()
		require.Len(t, m, 3)
		require.Equal(t, m[0].raw, m[1].raw, "byte for byte")
		d := pc.Deliveries()
		require.Len(t, d, 2)
		require.True(t, d[0].Lost)
		require.Zero(t, d[0].Status)
		require.True(t, d[1].Repeat && d[1].Explained && d[1].Confirmed)
		require.Equal(t, 200, d[1].Status)
		pc.NoDuplicates()
	})
	t.Run("and begins again", func(t *testing.T) {
		s := pcNewServer(t)
		pc := s.pc()
		s.queue(pcCmd("Get", "1", "./DevInfo/Man", "", ""), set)
		pc.LoseReply(2, PCRestart)
		pc.Sync()
		m := s.got()
		require.Equal(t, []string{"1", "2", "1"}, []string{m[0].Hdr.MsgID, m[1].Hdr.MsgID, m[2].Hdr.MsgID})
		require.Equal(t, m[0].raw, m[2].raw)
		// The test server forgets what it queued: the command was lost with
		// the reply, and the record says so.
		require.True(t, pc.Deliveries()[1].Lost)
		_, ok := pc.Node(pcCamera)
		require.False(t, ok)
	})
	t.Run("and gives up", func(t *testing.T) {
		s := pcNewServer(t)
		pc := s.pc()
		s.queue(set)
		pc.LoseReply(1, PCGiveUp)
		_, err := pc.PCDevice.Sync(t.Context())
		require.ErrorIs(t, err, ErrPCReplyLost)
		s.queue(set) // the server sends it again, rightly
		require.Equal(t, "2", pc.Sync().ID)
		pc.NoDuplicates()
	})
}

func TestPCJudgesReplay(t *testing.T) {
	s := pcNewServer(t)
	d := NewPC(s.URL, "ada", "secret", s.options())
	require.NoError(t, d.Enroll(t.Context()))
	d.RepeatPosts(2)
	s.queue(pcCmd("Replace", "1", pcCamera, "int", "1"))
	_, err := d.Sync(t.Context())
	require.NoError(t, err)
	require.Len(t, s.got(), 4)
	require.Empty(t, d.Violations())
	require.Len(t, d.Deliveries(), 1, "the second reply is not executed")

	s.noCache = true
	d.RepeatPosts(1)
	s.queue(pcCmd("Replace", "1", pcCamera, "int", "2"))
	_, err = d.Sync(t.Context())
	require.NoError(t, err)
	require.Len(t, d.Violations(), 1)
	require.Equal(t, PCRuleReplay, d.Violations()[0].Rule)
}

func TestPCJudgesDuplicates(t *testing.T) {
	s := pcNewServer(t)
	pc := s.pc()
	one, two := pcCmd("Replace", "1", pcCamera, "int", "1"), pcCmd("Replace", "1", pcCamera, "int", "2")
	reboot := pcCmd("Exec", "2", "./Device/Vendor/MSFT/Reboot/RebootNow", "null", "")
	get := pcCmd("Get", "3", pcCamera, "", "")
	sync := func(batches ...string) {
		s.queue(batches...)
		pc.Sync()
	}
	sync(one+get, two, one, get) // back and forth is no repeat, and a Get never is
	require.Empty(t, pc.Duplicates())
	sync(one)
	require.Len(t, pc.Duplicates(), 1)
	sync(reboot, reboot)
	require.Len(t, pc.Duplicates(), 2)
	f := &pcFakeTB{ctx: t.Context()}
	PCOf(f, pc.PCDevice).NoDuplicates()
	require.Len(t, f.errors, 2)
	pc.ForgetDeliveries()
	sync(reboot)
	require.Empty(t, pc.Duplicates())

	pc.ForgetDeliveries()
	pc.Answer(pcCamera, 500, 1)
	sync(one, one)
	d := pc.Deliveries()
	require.Equal(t, []int{500, 200}, []int{d[0].Status, d[1].Status})
	require.True(t, d[1].Repeat && d[1].Explained)
	require.Contains(t, d[1].Reason, "error")

	// An answer that never arrived explains a repeat.
	pc.ForgetDeliveries()
	n := 0
	s.on("session", func(r string) string { n++; return r })
	pc.opts.Transport = func(rt http.RoundTripper) http.RoundTripper {
		return pcRoundTrip(func(r *http.Request) (*http.Response, error) {
			if n == 1 {
				n++
				return nil, errors.New("the cable was pulled")
			}
			return rt.RoundTrip(r)
		})
	}
	s.queue(one)
	_, err := pc.PCDevice.Sync(t.Context())
	require.ErrorContains(t, err, "cable")
	sync(one)
	require.Contains(t, pc.Deliveries()[1].Reason, "never taken")
	pc.NoDuplicates()

	// Another life of the PC has seen nothing.
	pc.Enroll()
	sync(one)
	pc.NoDuplicates()
}

type pcRoundTrip func(*http.Request) (*http.Response, error)

func (f pcRoundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestPCRetriesAfterTransportErrors(t *testing.T) {
	s := pcNewServer(t)
	o := s.options()
	o.Retries = 2
	failures := 0
	o.Transport = func(rt http.RoundTripper) http.RoundTripper {
		return pcRoundTrip(func(r *http.Request) (*http.Response, error) {
			if failures > 0 {
				failures--
				return nil, errors.New("reset")
			}
			return rt.RoundTrip(r)
		})
	}
	pc := PCWith(t, s.URL, "ada", "secret", o).Enroll()
	failures = 2
	pc.Sync()
	failures = 3
	_, err := pc.PCDevice.Sync(t.Context())
	require.ErrorContains(t, err, "reset")
}

func TestPCRecordIsBounded(t *testing.T) {
	s := pcNewServer(t)
	o := s.options()
	o.Keep = 3
	pc := PCWith(t, s.URL, "ada", "secret", o).Enroll()
	for _, v := range []string{"1", "2", "3", "4", "5"} {
		s.queue(pcCmd("Replace", "1", pcCamera, "int", v))
	}
	pc.Sync()
	d := pc.Deliveries()
	require.Len(t, d, 3)
	require.Equal(t, []int{3, 4, 5}, []int{d[0].Seq, d[1].Seq, d[2].Seq})
	require.True(t, d[2].Confirmed)
}

func TestPCAborts(t *testing.T) {
	s := pcNewServer(t)
	pc := s.pc()
	set := pcCmd("Replace", "1", pcCamera, "int", "1")
	pc.AbortNext()
	pc.Sync() // nothing to abort
	s.queue(set)
	require.Equal(t, PCEndAborted, pc.Sync().End)
	m := s.got()[2]
	require.Equal(t, []string{"Status", "Alert", "Final"}, m.names())
	require.Equal(t, "1223", m.Body.Cmds[1].Data.Text)
	_, ok := pc.Node(pcCamera)
	require.False(t, ok)
	s.queue(set)
	pc.Sync()
	require.Contains(t, pc.Deliveries()[1].Reason, "never answered")
	pc.NoDuplicates()
}

// A session that was aborted is over: when the reply to that is lost, the PC does
// not begin it again and take its next commands for an answer to the abort.
func TestPCAbortsAndLosesTheReply(t *testing.T) {
	set := pcCmd("Replace", "1", pcCamera, "int", "1")
	for _, then := range []PCAfterLoss{PCRepeat, PCRestart} {
		t.Run(string(then), func(t *testing.T) {
			s := pcNewServer(t)
			pc := s.pc()
			s.queue(set, set)
			pc.AbortNext()
			pc.LoseReply(2, then)
			require.Equal(t, PCEndAborted, pc.Sync().End)
			m := s.got()
			require.Equal(t, []string{"Status", "Alert", "Final"}, m[len(m)-1].names(), "nothing after the abort")
			require.Equal(t, PCEndDone, pc.Sync().End)
			_, ok := pc.Node(pcCamera)
			require.True(t, ok)
			pc.NoDuplicates()
		})
	}
	t.Run("before the abort", func(t *testing.T) {
		s := pcNewServer(t)
		pc := s.pc()
		s.queue(set, set)
		pc.AbortNext()
		pc.LoseReply(1, PCRestart)
		require.Equal(t, PCEndAborted, pc.Sync().End)
	})
	t.Run("commands in answer to an abort are still wrong", func(t *testing.T) {
		s := pcNewServer(t)
		d := NewPC(s.URL, "ada", "secret", s.options())
		require.NoError(t, d.Enroll(t.Context()))
		s.queue(set)
		n := 0
		s.on("session", func(r string) string {
			if n++; n == 2 {
				r = strings.Replace(r, "<Final/>", set+"<Final/>", 1)
			}
			return r
		})
		d.AbortNext()
		_, err := d.Sync(t.Context())
		require.NoError(t, err)
		require.Len(t, d.Violations(), 1)
		require.Equal(t, PCRuleCommand, d.Violations()[0].Rule)
	})
}

func TestPCAnswersOnDemand(t *testing.T) {
	s := pcNewServer(t)
	pc := s.pc()
	set := pcCmd("Replace", "1", pcCamera, "int", "1")
	pc.Answer("./Vendor/MSFT/Policy/Config/Camera/AllowCamera", 202, 1)
	s.queue(set)
	pc.Sync()
	require.Equal(t, "1/1 Replace 202", s.got()[1].statuses()[1])
	_, ok := pc.Node(pcCamera)
	require.True(t, ok)
	pc.Answer(pcCamera, 425, -1)
	pc.Answer("/no address", 200, 1)
	s.queue(pcCmd("Delete", "1", pcCamera, "", ""), pcAtomic("a", pcCmd("Delete", "1", pcCamera, "", "")))
	pc.Sync()
	require.Equal(t, "1/1 Delete 425", s.got()[3].statuses()[1])
	require.Equal(t, []string{"2/0 SyncHdr 200", "2/a Atomic 507", "2/1 Delete 425"}, s.got()[4].statuses())
	_, ok = pc.Node(pcCamera)
	require.True(t, ok)
}

func TestPCRejectsPoison(t *testing.T) {
	s := pcNewServer(t)
	pc := s.pc()
	pc.Poison("./Vendor/MSFT/Policy/Config/Camera/AllowCamera")
	good := pcCmd("Replace", "1", "./Device/Vendor/MSFT/Personalization/DesktopImageUrl", "", "https://x")
	bad := pcCmd("Replace", "2", pcCamera, "int", "1")
	s.queue(good+bad, good, pcAtomic("3", bad))
	pc.Sync()
	m := s.got()
	require.Equal(t, []string{"0/0 SyncHdr 500"}, m[1].statuses())
	require.Equal(t, "2", m[1].Hdr.MsgID)
	require.Equal(t, []string{"2/0 SyncHdr 200", "2/1 Replace 200"}, m[2].statuses())
	require.Equal(t, []string{"0/0 SyncHdr 500"}, m[3].statuses())
	require.Empty(t, pc.Duplicates())
	pc.Poison()
	s.queue(bad)
	pc.Sync()
	pc.NoDuplicates()
}

func TestPCQuirksOfStatuses(t *testing.T) {
	s := pcNewServer(t)
	pc := s.pc()
	get := `<Get><CmdID>g</CmdID><Item><Target><LocURI>./DevInfo/Man</LocURI></Target></Item><Item><Target><LocURI>./DevInfo/Nix</LocURI></Target></Item>` +
		`<Item><Target><LocURI>./DevInfo/Mod</LocURI></Target></Item></Get>`
	pc.Misbehave(PCQuirks{JoinStatuses: true, ResultsFirst: true, OmitMsgRef: true})
	s.queue(get)
	pc.Sync()
	m := s.got()[1]
	require.Equal(t, []string{"Status", "Results", "Status", "Status", "Final"}, m.names())
	require.Equal(t, []string{"1/0 SyncHdr 200", "1/g Get 200 ./DevInfo/Man,./DevInfo/Mod", "1/g Get 404 ./DevInfo/Nix"}, m.statuses())
	require.Empty(t, m.Body.Cmds[1].MsgRef)
}

func TestPCSendsLargeResults(t *testing.T) {
	s := pcNewServer(t)
	pc := s.pc()
	url := "./Device/Vendor/MSFT/Personalization/DesktopImageUrl"
	long := strings.Repeat("äöü & ", 20)
	require.NoError(t, pc.SetNode(url, PCNode{Value: long}))
	pc.Misbehave(PCQuirks{ChunkResults: 50})
	s.queue(pcCmd("Get", "1", url, "", "")+pcCmd("Get", "2", "./DevInfo/Man", "", "")+pcCmd("Get", "3", pcCamera, "", ""), pcCmd("Get", "1", "./DevInfo/Mod", "", ""))
	pc.Sync()
	m := s.got()
	require.Equal(t, []string{"Status", "Status", "Status", "Results", "Status", "Results"}, m[1].names(), "the rest, then the first chunk, and no Final")
	require.Equal(t, "180", m[1].Body.Cmds[5].Items[0].Size)
	all := ""
	for i := 1; i < len(m)-1; i++ {
		all += m[i].results()[url]
		require.Equal(t, i == 4, strings.Contains(m[i].raw, "<Final/>"), "message %d", i)
	}
	require.Equal(t, long, all)
	require.Equal(t, "Book 5", m[5].results()["./DevInfo/Mod"], "then the server goes on")

	d := NewPC(s.URL, "ada", "secret", s.options())
	require.NoError(t, d.Enroll(t.Context()))
	require.NoError(t, d.SetNode(url, PCNode{Value: long}))
	d.Misbehave(PCQuirks{ChunkResults: 170})
	s.on("session", func(r string) string {
		return strings.Replace(r, "<Data>213</Data></Status>", "<Data>200</Data></Status>"+pcCmd("Get", "9", "./DevInfo/Man", "", ""), 1)
	})
	s.queue(pcCmd("Get", "1", url, "", ""))
	_, err := d.Sync(t.Context())
	require.NoError(t, err)
	require.Len(t, d.Violations(), 2)
	require.Equal(t, []PCRule{PCRuleStatus, PCRuleCommand}, []PCRule{d.Violations()[0].Rule, d.Violations()[1].Rule})
}

func TestPCClaimsAndCertificates(t *testing.T) {
	s := pcNewServer(t)
	pc, other := s.pc(), s.pc()
	pc.Misbehave(PCQuirks{SourceDeviceID: other.DeviceID()})
	pc.Sync()
	require.Equal(t, other.DeviceID(), s.got()[0].Hdr.Source)
	require.Equal(t, pc.Enrollment().Certificate.Subject.CommonName, s.got()[0].peer)
	pc.Misbehave(PCQuirks{Certificate: other.Certificate()})
	pc.Sync()
	require.Equal(t, pc.DeviceID(), s.got()[1].Hdr.Source)
	require.Equal(t, other.Enrollment().Certificate.Subject.CommonName, s.got()[1].peer)
	pc.Misbehave(PCQuirks{NoCertificate: true})
	pc.Sync()
	require.Empty(t, s.got()[2].peer)
	require.Nil(t, NewPC(s.URL, "ada", "secret", s.options()).Certificate())
}

func TestPCBodies(t *testing.T) {
	s := pcNewServer(t)
	pc := s.pc()
	pc.Misbehave(PCQuirks{PadBody: 100_000})
	pc.Sync()
	require.Greater(t, len(s.got()[0].raw), 100_000)
	pc.Misbehave(PCQuirks{WBXML: true})
	var media string
	s.raw["session"] = func(w http.ResponseWriter, r *http.Request) {
		media = r.Header.Get("Content-Type")
		http.Error(w, "no", http.StatusUnsupportedMediaType)
	}
	_, err := pc.PCDevice.Sync(t.Context())
	var h *PCHTTPError
	require.ErrorAs(t, err, &h)
	require.Equal(t, 415, h.Status)
	require.Equal(t, "application/vnd.syncml.dm+wbxml", media)
	require.True(t, strings.HasPrefix(s.requests["session"][1], "\x02\xa4\x01\x6a"))
}

func TestPCSurvivesARestart(t *testing.T) {
	s := pcNewServer(t)
	pc := s.pc()
	s.queue(pcCmd("Replace", "1", pcCamera, "int", "1"))
	pc.Sync()
	pc.Renew()
	pc.QueueAlert(PCAlert{Code: 1226, Type: "org.example.later", Data: "1"})
	saved := pc.Snapshot()

	o := s.options()
	d, err := RestorePC(saved, &PCOptions{Roots: o.Roots, Key: o.Key})
	require.NoError(t, err)
	again := PCOf(t, d)
	require.Equal(t, saved, again.Snapshot(), "nothing is lost")
	require.Equal(t, "2", again.Sync().ID)
	require.Contains(t, s.got()[2].raw, "org.example.later")
	require.Equal(t, pc.Tree(), again.Tree())
	s.queue(pcCmd("Replace", "1", pcCamera, "int", "1"))
	again.Sync()
	require.Len(t, again.Duplicates(), 1, "the record goes on")
	again.Misbehave(PCQuirks{OldCertificate: true})
	again.Sync()

	for name, broken := range map[string]string{
		"not JSON": "{", "version": `{"version":2}`, "nobody": `{"version":1}`,
		"state":    strings.Replace(string(saved), `"state":"enrolled"`, `"state":"lost"`, 1),
		"key":      strings.Replace(string(saved), `"key":"`, `"key":"AAAA`, 1),
		"chain":    strings.Replace(string(saved), `"chain":["`, `"chain":["AAAA`, 1),
		"address":  strings.Replace(string(saved), `"addr":"https`, `"addr":"http`, 1),
		"identity": strings.Replace(string(saved), `"identity":`, `"identify":`, 1),
		"record":   strings.Replace(string(saved), `"record":[{"seq":1`, `"record":[{"seq":7`, 1),
	} {
		_, err := RestorePC([]byte(broken), nil)
		var e *mdm.Error
		require.ErrorAs(t, err, &e, name)
	}
	_, err = RestorePC(make([]byte, pcMaxSnapshot+1), nil)
	require.ErrorIs(t, err, mdm.CodeTooLarge)
	_, err = NewPC("https://x", "", "", &PCOptions{DeviceID: "x"}).Snapshot()
	require.ErrorIs(t, err, mdm.CodeInvalid)
}
