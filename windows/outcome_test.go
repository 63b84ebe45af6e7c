package windows_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
	"github.com/keelson-mdm/keelson/windows/syncml"
)

func TestGetAnswers(t *testing.T) {
	for _, tt := range []struct {
		name    string
		uris    []string
		answer  func(d *pc, c syncml.Command) []syncml.Command
		outcome mdm.Outcome
		items   []mdm.Observed
	}{
		{
			"multi-item, partly absent", []string{"./DevDetail/SwV", base + "Gone"},
			func(d *pc, c syncml.Command) []syncml.Command {
				return []syncml.Command{
					d.status(c, 200, "./DevDetail/SwV"), d.status(c, 404, base+"Gone"), d.result(c, "./DevDetail/SwV", "10.0.26200"),
				}
			},
			mdm.OutcomeAcknowledged,
			[]mdm.Observed{{Identifier: "./DevDetail/SwV", Value: "10.0.26200", Status: 200}, {Identifier: base + "Gone", Status: 404}},
		},
		{
			"named as asked, not as echoed", []string{"./Vendor/MSFT/WiFi/Profile/My%20Net/WlanXml"},
			func(d *pc, c syncml.Command) []syncml.Command {
				const echoed = "./device/vendor/msft/WiFi/Profile/My Net/WlanXml"
				return []syncml.Command{d.result(c, echoed, "<x/>"), d.status(c, 200, echoed)}
			},
			mdm.OutcomeAcknowledged,
			[]mdm.Observed{{Identifier: "./Vendor/MSFT/WiFi/Profile/My%20Net/WlanXml", Value: "<x/>", Status: 200}},
		},
		{
			"one status for all items", []string{base + "A", base + "B"},
			func(d *pc, c syncml.Command) []syncml.Command {
				return []syncml.Command{d.status(c, 200), d.result(c, base+"A", "", base+"B", "2")}
			},
			mdm.OutcomeAcknowledged,
			[]mdm.Observed{{Identifier: base + "A", Status: 200}, {Identifier: base + "B", Value: "2", Status: 200}},
		},
		{
			"a failing node beside a read one", []string{base + "A", base + "B"},
			func(d *pc, c syncml.Command) []syncml.Command {
				return []syncml.Command{d.status(c, 405, base+"A"), d.status(c, 200, base+"B"), d.result(c, base+"B", "2")}
			},
			mdm.OutcomeAcknowledged,
			[]mdm.Observed{{Identifier: base + "A", Status: 405}, {Identifier: base + "B", Value: "2", Status: 200}},
		},
		{
			"nothing could be read", []string{base + "A", base + "B"},
			func(d *pc, c syncml.Command) []syncml.Command {
				return []syncml.Command{d.status(c, 500, base+"A"), d.status(c, 405, base+"B")}
			},
			mdm.OutcomeError,
			[]mdm.Observed{{Identifier: base + "A", Status: 500}, {Identifier: base + "B", Status: 405}},
		},
		{
			"a value that never came", []string{base + "A", base + "B"},
			func(d *pc, c syncml.Command) []syncml.Command {
				return []syncml.Command{d.status(c, 200), d.result(c, base+"B", "2")}
			},
			mdm.OutcomeAcknowledged,
			[]mdm.Observed{{Identifier: base + "B", Value: "2", Status: 200}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, nil)
			d := w.managed("AB01")
			id := d.enqueue(get(tt.uris...))[0]
			d.begin("2")
			cmds := d.packageOne()
			require.Len(t, cmds, 1)
			require.Empty(t, d.answer(tt.answer(d, cmds[0])...))
			done := d.done(id)
			require.Equal(t, tt.outcome, done.Outcome)
			o := w.sink.of(mdm.SignalObserved)[0].Data.(mdm.Observation)
			require.Equal(t, tt.items, o.Items)
			require.Equal(t, done.Seq, o.Asked)
			require.False(t, o.Complete)
			require.Equal(t, o, w.sink.results[0].Body)
			kept, err := syncml.DecodeFragment(done.Body, nil)
			require.NoError(t, err)
			require.NotEmpty(t, kept, "the answer is kept with the history")
		})
	}
}

// codes are what a device says to commands, by the node's name; "Atomic!" is the
// Atomic itself. Nodes that are not named get 200, those with 0 no answer.
type codes map[string]int

// obey answers commands.
func (d *pc) obey(cmds []syncml.Command, c codes) []syncml.Command {
	var out []syncml.Command
	for _, cmd := range cmds {
		if cmd.Kind == syncml.Atomic || cmd.Kind == syncml.Sequence {
			if code := c[string(cmd.Kind)+"!"]; code != 0 {
				out = append(out, d.status(cmd, code))
			}
			out = append(out, d.obey(cmd.Commands, c)...)
			continue
		}
		for _, it := range cmd.Items {
			code, ok := c[strings.TrimPrefix(it.Target.URI, base)]
			if !ok {
				code = 200
			}
			if code == 0 {
				continue
			}
			st := d.status(cmd, code, it.Target.URI)
			if code == 500 {
				st.OriginalError = "0x80070032"
			}
			out = append(out, st)
		}
	}
	return out
}

func atomic(inside ...string) string { return "<Atomic>" + strings.Join(inside, "") + "</Atomic>" }

func TestAggregation(t *testing.T) {
	for _, tt := range []struct {
		name    string
		content string
		codes   codes
		outcome mdm.Outcome
		code    string
		detail  string
	}{
		{"all done", write(syncml.Replace, base+"A", "1") + write(syncml.Replace, base+"B", "1"), nil, mdm.OutcomeAcknowledged, "", ""},
		{"one accepted", write(syncml.Replace, base+"A", "1") + write(syncml.Replace, base+"B", "1"), codes{"B": 202}, mdm.OutcomeAccepted, "", ""},
		{
			"the worst decides", write(syncml.Replace, base+"A", "1") + write(syncml.Replace, base+"B", "1") + write(syncml.Replace, base+"C", "1"),
			codes{"A": 500, "B": 405, "C": 202}, mdm.OutcomeError, "405",
			base + "B: status 405, command or scope not allowed on this node",
		},
		{
			"the first of equals", write(syncml.Replace, base+"A", "1") + write(syncml.Replace, base+"B", "1"),
			codes{"A": 403, "B": 405}, mdm.OutcomeError, "403", base + "A: status 403, forbidden",
		},
		{"malformed", write(syncml.Replace, base+"A", "1"), codes{"A": 400}, mdm.OutcomeMalformed, "400", base + "A: status 400, malformed command"},
		{
			"with the error of Windows", write(syncml.Replace, base+"A", "1"), codes{"A": 500},
			mdm.OutcomeError, "500", base + "A: status 500, command failed (0x80070032)",
		},
		{"the user declined", write(syncml.Exec, base+"A", "1"), codes{"A": 215}, mdm.OutcomeError, "215", base + "A: status 215, not executed, canceled by the user"},
		{
			"507 and 216 are noise", atomic(write(syncml.Replace, base+"A", "1"), write(syncml.Replace, base+"B", "1"), write(syncml.Replace, base+"C", "1")),
			codes{"Atomic!": 507, "A": 216, "B": 405, "C": 216}, mdm.OutcomeError, "405",
			base + "B: status 405, command or scope not allowed on this node",
		},
		{
			"nothing but noise", atomic(write(syncml.Replace, base+"A", "1"), write(syncml.Replace, base+"B", "1")),
			codes{"Atomic!": 507, "A": 216, "B": 216}, mdm.OutcomeError, "507", "Atomic: status 507, atomic failed",
		},
		{
			"children that were not answered", atomic(write(syncml.Replace, base+"A", "1"), write(syncml.Replace, base+"B", "1")),
			codes{"Atomic!": 500, "A": 0, "B": 0}, mdm.OutcomeError, "500", "Atomic: status 500, command failed",
		},
		{
			"a failed Atomic, and not a word of what is in it", atomic("<Sequence>" + write(syncml.Replace, base+"A", "1") + "</Sequence>"),
			codes{"Atomic!": 507, "Sequence!": 0, "A": 0}, mdm.OutcomeError, "507", "Atomic: status 507, atomic failed",
		},
		{
			"an Atomic that is done, alone answered", atomic(write(syncml.Replace, base+"A", "1"), write(syncml.Replace, base+"B", "1")),
			codes{"Atomic!": 200, "A": 0, "B": 0}, mdm.OutcomeAcknowledged, "", "",
		},
		{
			"the roll-back failed", atomic(write(syncml.Replace, base+"A", "1"), write(syncml.Replace, base+"B", "1")),
			codes{"Atomic!": 516, "A": 405, "B": 216}, mdm.OutcomeError, "516", "Atomic: status 516, atomic roll-back failed",
		},
		{"a Delete of nothing", del(base + "A"), codes{"A": 404}, mdm.OutcomeAcknowledged, "", ""},
		{"a Replace of nothing", write(syncml.Replace, base+"A", ""), codes{"A": 404}, mdm.OutcomeError, "404", base + "A: status 404, node not found"},
		{
			"a sequence in an atomic", atomic("<Sequence>" + write(syncml.Replace, base+"A", "1") + del(base+"B") + "</Sequence>"),
			codes{"Atomic!": 200, "Sequence!": 200, "A": 202}, mdm.OutcomeAccepted, "", "",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, nil)
			d := w.managed("AB01")
			id := d.enqueue(tt.content)[0]
			d.begin("2")
			cmds := d.packageOne()
			require.Empty(t, d.answer(d.obey(cmds, tt.codes)...))
			done := d.done(id)
			require.Equal(t, tt.outcome, done.Outcome)
			require.Equal(t, tt.code, done.Code)
			require.Equal(t, tt.detail, done.Detail)
			require.Equal(t, tt.outcome, w.sink.results[0].Outcome)
		})
	}
}

func TestAddBecomesReplace(t *testing.T) {
	w := newWorld(t, nil)
	d := w.managed("AB01")
	id := d.enqueue(`<Add><Item><Target><LocURI>` + base + `A</LocURI></Target><Data>1</Data></Item>` +
		`<Item><Target><LocURI>` + base + `B</LocURI></Target><Data>2</Data></Item></Add>` + write(syncml.Exec, base+"Run", "x"))[0]
	d.begin("2")
	cmds := d.packageOne()
	require.Equal(t, []string{"A", "B", "Run"}, uris(cmds))

	cmds = d.answer(d.obey(cmds, codes{"B": 418})...)
	require.Equal(t, []string{"B"}, uris(cmds), "what was done is not done again")
	require.Equal(t, syncml.Replace, cmds[0].Kind)
	require.Equal(t, "2", cmds[0].Items[0].Data)
	require.Empty(t, d.done(id).Outcome)

	require.Empty(t, d.answer(d.obey(cmds, codes{"B": 202})...))
	require.Equal(t, mdm.OutcomeAccepted, d.done(id).Outcome)
	require.Len(t, w.sink.results, 1)
}

func TestMending(t *testing.T) {
	node := `<Add><Item><Target><LocURI>` + base + `N</LocURI></Target><Meta><Format xmlns="syncml:metinf">node</Format></Meta></Item></Add>`
	for _, tt := range []struct {
		name    string
		content string
		rounds  []codes
		leaves  [][]string // per round, with the kind of each leaf
		outcome mdm.Outcome
		code    string
	}{
		{
			"the Replace fails", write(syncml.Add, base+"A", "1"), []codes{{"A": 418}, {"A": 405}},
			[][]string{{"Add A"}, {"Replace A"}}, mdm.OutcomeError, "405",
		},
		{
			"an interior node is there", node + write(syncml.Add, base+"A", "1"), []codes{{"N": 418}},
			[][]string{{"Add N", "Add A"}}, mdm.OutcomeAcknowledged, "",
		},
		{
			"a Replace is not mended", write(syncml.Replace, base+"A", "1"), []codes{{"A": 418}},
			[][]string{{"Replace A"}}, mdm.OutcomeError, "418",
		},
		{
			"in an Atomic, all of it leaves again", atomic(write(syncml.Add, base+"A", "1"), write(syncml.Replace, base+"B", "1"), node),
			[]codes{{"Atomic!": 507, "A": 418, "B": 216, "N": 216}, {"Atomic!": 507, "A": 216, "B": 216, "N": 418}, {"Atomic!": 200}},
			[][]string{{"Add A", "Replace B", "Add N"}, {"Replace A", "Replace B", "Add N"}, {"Replace A", "Replace B"}},
			mdm.OutcomeAcknowledged, "",
		},
		{
			"a Delete of nothing fails no Atomic", atomic(del(base+"A"), write(syncml.Replace, base+"B", "1")),
			[]codes{{"Atomic!": 507, "A": 404, "B": 216}, {"Atomic!": 200, "B": 202}},
			[][]string{{"Delete A", "Replace B"}, {"Replace B"}}, mdm.OutcomeAccepted, "",
		},
		{
			"an Atomic of nothing but that", atomic(del(base+"A"), del(base+"B")),
			[]codes{{"Atomic!": 507, "A": 404, "B": 216}, {"Atomic!": 507, "B": 404}},
			[][]string{{"Delete A", "Delete B"}, {"Delete B"}}, mdm.OutcomeAcknowledged, "",
		},
		{
			"a Delete of nothing in a sequence", atomic("<Sequence>"+del(base+"A")+"</Sequence>", write(syncml.Replace, base+"B", "1")),
			[]codes{{"Atomic!": 507, "Sequence!": 216, "A": 404, "B": 216}, {"Atomic!": 200}},
			[][]string{{"Delete A", "Replace B"}, {"Replace B"}}, mdm.OutcomeAcknowledged, "",
		},
		{
			"what fails anyway is not tried again", atomic(write(syncml.Add, base+"A", "1"), write(syncml.Replace, base+"B", "1")),
			[]codes{{"Atomic!": 507, "A": 418, "B": 405}},
			[][]string{{"Add A", "Replace B"}}, mdm.OutcomeError, "418",
		},
		{
			"in a sequence", "<Sequence>" + write(syncml.Add, base+"A", "1") + atomic(write(syncml.Add, base+"B", "1")) + "</Sequence>",
			[]codes{{"Sequence!": 200, "A": 418, "Atomic!": 507, "B": 418}, {"Sequence!": 200, "Atomic!": 200}},
			[][]string{{"Add A", "Add B"}, {"Replace A", "Replace B"}}, mdm.OutcomeAcknowledged, "",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, nil)
			d := w.managed("AB01")
			id := d.enqueue(tt.content)[0]
			d.begin("2")
			cmds := d.packageOne()
			for i, c := range tt.rounds {
				require.Equal(t, tt.leaves[i], kinds(cmds))
				cmds = d.answer(d.obey(cmds, c)...)
			}
			require.Empty(t, cmds)
			require.Equal(t, tt.outcome, d.done(id).Outcome)
			require.Equal(t, tt.code, d.done(id).Code)
			require.Len(t, w.sink.results, 1)
		})
	}
}

func kinds(cmds []syncml.Command) []string {
	var out []string
	for _, c := range cmds {
		for _, it := range c.Items {
			out = append(out, string(c.Kind)+" "+strings.TrimPrefix(it.Target.URI, base))
		}
		out = append(out, kinds(c.Commands)...)
	}
	return out
}

func TestMendingSurvivesARestart(t *testing.T) {
	w := newWorld(t, nil)
	d := w.managed("AB01")
	id := d.enqueue(write(syncml.Add, base+"A", "1") + write(syncml.Exec, base+"Run", "x"))[0]
	d.begin("2")
	cmds := d.packageOne()
	cmds = d.answer(d.obey(cmds, codes{"A": 418})...)
	require.Equal(t, []string{"Replace A"}, kinds(cmds))
	d.begin("2")
	cmds = d.packageOne()
	require.Equal(t, []string{"Replace A"}, kinds(cmds), "and Run is not run again")
	require.Empty(t, d.answer(d.obey(cmds, nil)...))
	require.Equal(t, mdm.OutcomeAcknowledged, d.done(id).Outcome)

	// In a new session nothing is known of the old one.
	id = d.enqueue(write(syncml.Add, base+"A", "1"))[0]
	d.begin("3")
	d.answer(d.obey(d.packageOne(), codes{"A": 418})...)
	d.begin("4")
	cmds = d.packageOne()
	require.Equal(t, []string{"Add A"}, kinds(cmds))
	cmds = d.answer(d.obey(cmds, codes{"A": 418})...)
	require.Empty(t, d.answer(d.obey(cmds, nil)...))
	require.Equal(t, mdm.OutcomeAcknowledged, d.done(id).Outcome)
}

func TestNotExecuted(t *testing.T) {
	for _, code := range []int{214, 401, 407, 503, 508} {
		w := newWorld(t, nil)
		d := w.managed("AB01")
		ids := d.enqueueAll(queue.Command{Content: []byte(write(syncml.Replace, base+"A", "1"))},
			queue.Command{Content: []byte(write(syncml.Exec, base+"Once", "1")), Redelivery: mdm.Once})
		d.begin("2")
		cmds := d.packageOne()
		require.Equal(t, []string{"A", "Once"}, uris(cmds))
		require.Empty(t, d.answer(d.obey(cmds, codes{"A": code, "Once": code})...))
		require.Empty(t, d.done(ids[0]).Outcome, "it waits")
		require.Equal(t, mdm.OutcomeError, d.done(ids[1]).Outcome, "it does not leave again, and is known not to have run")
		d.begin("3")
		require.Equal(t, []string{"A"}, uris(d.packageOne()))
	}
}

func TestOnce(t *testing.T) {
	w := newWorld(t, nil)
	d := w.managed("AB01")
	d.noLogin = true
	ids := d.enqueueAll(
		queue.Command{Content: []byte(write(syncml.Add, base+"A", "1")), Redelivery: mdm.Once},
		queue.Command{Content: []byte(write(syncml.Exec, "./User/Vendor/MSFT/X", "1")), Redelivery: mdm.Once},
		queue.Command{Content: []byte(write(syncml.Exec, base+"B", "1")), Redelivery: mdm.Once},
	)
	d.begin("2")
	cmds := d.packageOne()
	require.Len(t, cmds, 3)
	require.Empty(t, d.answer(d.status(cmds[0], 418), d.status(cmds[1], 405)))
	require.Equal(t, "418", d.done(ids[0]).Code)
	require.Equal(t, "405", d.done(ids[1]).Code)
	d.begin("3")
	require.Empty(t, d.packageOne(), "one that was not answered does not leave again")
	require.Empty(t, d.done(ids[2]).Outcome)
}

func TestUserScope(t *testing.T) {
	w := newWorld(t, nil)
	d := w.managed("AB01")
	ids := d.enqueue(
		write(syncml.Replace, "./User/Vendor/MSFT/Policy/Config/A", "1"),
		atomic(write(syncml.Replace, base+"B", "1"), write(syncml.Replace, "./user/Vendor/MSFT/C", "1")),
		write(syncml.Replace, base+"D", "1"))
	d.noLogin = true
	d.begin("2")
	cmds := d.packageOne()
	require.Equal(t, []string{"D"}, uris(cmds))
	require.Empty(t, d.answer(d.status(cmds[0], 200)))

	writes := 0
	w.fault = func(string) error { writes++; return nil }
	d.begin("3")
	require.Empty(t, d.packageOne(alert(syncml.AlertClientEvent, syncml.AlertTypeLoginStatus, "others")))
	require.Equal(t, 1, writes, "what is held costs nothing")

	d.noLogin = false
	d.begin("4")
	cmds = d.packageOne()
	require.Len(t, cmds, 2)
	require.Empty(t, d.answer(d.obey(cmds, codes{"Atomic!": 200})...))
	require.True(t, d.done(ids[0]).Outcome.OK())
	require.True(t, d.done(ids[1]).Outcome.OK())
}

func TestUnrenderable(t *testing.T) {
	for _, tt := range []struct {
		name, kind, content, code string
	}{
		{"not XML", "", "<Replace>", "malformed"},
		{"no command", "", "<!-- nothing -->", "invalid"},
		{"an envelope", "", "<SyncML/>", "invalid"},
		{"a status", "", "<Status><CmdRef>1</CmdRef><Cmd>Add</Cmd><Data>200</Data></Status>", "invalid"},
		{"an alert inside", "", "<Sequence><Alert><Data>1223</Data></Alert></Sequence>", "invalid"},
		{"a Get in an Atomic", "", atomic(get(base + "A")), "invalid"},
		{"no item", "", "<Get></Get>", "invalid"},
		{"a chunk", "", `<Replace><Item><Target><LocURI>./A</LocURI></Target><Data>x</Data><MoreData/></Item></Replace>`, "unsupported"},
		{"another platform's", mdm.KindProfileList, "", "unsupported"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, nil)
			d := w.managed("AB01")
			ids := d.enqueueAll(
				queue.Command{Content: []byte(write(syncml.Replace, base+"A", "1"))},
				queue.Command{Kind: tt.kind, Content: []byte(tt.content)},
				queue.Command{Content: []byte(write(syncml.Replace, base+"B", "1"))})
			d.begin("2")
			require.Equal(t, []string{"A", "B"}, uris(d.packageOne()))
			done := d.done(ids[1])
			require.Equal(t, mdm.OutcomeUnrenderable, done.Outcome)
			require.Equal(t, tt.code, done.Code)
			require.NotEmpty(t, done.Detail)
			require.Equal(t, ids[1], w.sink.results[0].Command)
		})
	}
}

// What is ours to say is taken out of the content.
func TestContentKeepsNoIDs(t *testing.T) {
	w := newWorld(t, nil)
	d := w.managed("AB01")
	d.enqueue(`<Get><CmdID>7</CmdID><NoResp/><Item><Target><LocURI>./A</LocURI></Target></Item></Get>`+
		`<Delete><CmdID>7</CmdID><Item><Target><LocURI>./B</LocURI></Target></Item></Delete>`, get("./C"))
	d.begin("2")
	cmds := d.packageOne()
	require.Len(t, cmds, 3)
	require.False(t, cmds[0].NoResp)
	require.NotEqual(t, cmds[0].CmdID, cmds[1].CmdID)
}

func TestAnswerAfterCancel(t *testing.T) {
	w := newWorld(t, nil)
	d := w.managed("AB01")
	id := d.enqueueAll(queue.Command{Content: []byte(write(syncml.Replace, base+"A", "1")), Owner: mdm.OwnerProfiles, Ref: mdm.Ref{Key: 5}})[0]
	d.begin("2")
	cmds := d.packageOne()
	require.NoError(t, w.endRef(d, mdm.OwnerProfiles, 5))
	require.Equal(t, mdm.OutcomeSuperseded, d.done(id).Outcome)
	require.Empty(t, d.answer(d.status(cmds[0], 200)))
	done := d.done(id)
	require.Equal(t, mdm.OutcomeSuperseded, done.Outcome)
	require.Equal(t, mdm.OutcomeAcknowledged, done.Late.Outcome)
	require.Len(t, w.sink.results, 1, "its owner is told all the same")
}
