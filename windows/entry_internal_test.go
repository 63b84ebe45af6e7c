package windows

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
	"github.com/keelson-mdm/keelson/windows/syncml"
)

// anyCommands draws what an administrator may queue.
func anyCommands(t *rapid.T, depth int, n *int, atomic bool) []syncml.Command {
	var out []syncml.Command
	for range rapid.IntRange(1, 3).Draw(t, "commands") {
		kinds := []syncml.Kind{syncml.Add, syncml.Replace, syncml.Delete, syncml.Exec}
		if !atomic {
			kinds = append(kinds, syncml.Get)
		}
		if depth > 0 {
			kinds = append(kinds, syncml.Sequence)
			if !atomic {
				kinds = append(kinds, syncml.Atomic)
			}
		}
		c := syncml.Command{Kind: rapid.SampledFrom(kinds).Draw(t, "kind")}
		switch c.Kind {
		case syncml.Atomic, syncml.Sequence:
			c.Commands = anyCommands(t, depth-1, n, atomic || c.Kind == syncml.Atomic)
		default:
			items := 1
			if c.Kind != syncml.Exec {
				items = rapid.IntRange(1, 3).Draw(t, "items")
			}
			for range items {
				*n++
				c.Items = append(c.Items, syncml.Item{Target: syncml.Location{URI: fmt.Sprintf("./Vendor/MSFT/N%d", *n)}, Data: "v"})
			}
		}
		out = append(out, c)
	}
	return out
}

// say answers a command with drawn codes; zero codes are not said.
func say(t *rapid.T, msg int, c *syncml.Command, out *[]syncml.Command) {
	codes := []int{200, 200, 202, 404, 405, 418, 418, 500, 503, 507, 216, 516, 400, 0}
	status := func(code int, targets ...string) {
		if code != 0 {
			*out = append(*out, syncml.Command{Kind: syncml.Status, MsgRef: msg, CmdRef: c.CmdID, Cmd: string(c.Kind), Code: code, TargetRefs: targets})
		}
	}
	if len(c.Commands) > 0 {
		status(rapid.SampledFrom(codes).Draw(t, "group"))
		for i := range c.Commands {
			say(t, msg, &c.Commands[i], out)
		}
		return
	}
	for _, it := range c.Items {
		status(rapid.SampledFrom(codes).Draw(t, "code"), it.Target.URI)
	}
}

// Whatever a device says, and in however many pieces: an entry can be judged or
// waits, it is mended a bounded number of times, what is done is not sent again,
// and a session that goes through the store goes on alike.
func TestEntryProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := 0
		cmds := anyCommands(t, 2, &nodes, false)
		src, err := syncml.EncodeFragment(cmds)
		require.NoError(t, err)
		h := &queue.Handout{Data: src}
		h.Kind = mdm.KindSyncML
		e := entry{Once: rapid.Bool().Draw(t, "once")}
		n := &ids{}
		sent := map[string]int{}
		seen := map[string]bool{}
		for round := 1; ; round++ {
			require.LessOrEqual(t, round, nodes+1, "it is mended for ever")
			content, err := read(h)
			require.NoError(t, err)
			out := e.render(content, n)
			require.NotEmpty(t, out)
			e.Msg, e.Mended = round, false
			_, err = syncml.Encode(&syncml.Message{Header: syncml.Header{SessionID: "1", MsgID: 1}, Commands: out})
			require.NoError(t, err)
			var all []syncml.Command
			for i := range out {
				walk(&out[i], func(c *syncml.Command) {
					require.False(t, seen[c.CmdID], "a CmdID is used twice")
					seen[c.CmdID] = true
					for _, it := range c.Items {
						sent[it.Target.URI]++
					}
				})
				say(t, round, &out[i], &all)
			}
			before := clone(e)
			cut := rapid.IntRange(0, len(all)).Draw(t, "cut")
			e.take(syncml.NewReplies(&syncml.Message{Commands: all[:cut]}))
			b, err := json.Marshal(e)
			require.NoError(t, err)
			e = entry{}
			require.NoError(t, json.Unmarshal(b, &e))
			e.take(syncml.NewReplies(&syncml.Message{Commands: all[cut:]}))
			e.take(syncml.NewReplies(&syncml.Message{Commands: all})) // and again
			before.take(syncml.NewReplies(&syncml.Message{Commands: all}))
			require.Equal(t, before, e)
			if !e.answered(true) {
				break // it waits
			}
			if e.mend() {
				for i := range e.Targets {
					if x := &e.Targets[i]; x.Code != 0 && e.atomic(x) < 0 {
						sent[x.URI] = -1000 // must not leave again
					}
				}
				continue
			}
			v := e.judge()
			if v.outcome.OK() {
				require.Empty(t, v.code)
			} else if v.outcome != "" {
				code, err := strconv.Atoi(v.code)
				require.NoError(t, err)
				require.True(t, slices.ContainsFunc(e.Targets, func(x target) bool { return x.Code == code }) ||
					slices.ContainsFunc(e.Groups, func(g group) bool { return g.Code == code }))
				require.NotEmpty(t, v.detail)
			} else {
				require.False(t, e.Once)
			}
			break
		}
		for uri, times := range sent {
			require.NotEqual(t, -999, times, "%s was done and left again", uri)
		}
	})
}

func clone(e entry) entry {
	e.Targets, e.Groups = slices.Clone(e.Targets), slices.Clone(e.Groups)
	return e
}

func walk(c *syncml.Command, f func(*syncml.Command)) {
	f(c)
	for i := range c.Commands {
		walk(&c.Commands[i], f)
	}
}

// Content that is not what it was, under a command that was mended, is sent as if
// for the first time.
func TestRenderOtherContent(t *testing.T) {
	item := func(uri string) []syncml.Item { return []syncml.Item{{Target: syncml.Location{URI: uri}}} }
	e := entry{}
	n := &ids{}
	e.render([]syncml.Command{{Kind: syncml.Add, Items: item("./A")}}, n)
	e.Targets[0].Code = 200
	out := e.render([]syncml.Command{{Kind: syncml.Add, Items: item("./A")}, {Kind: syncml.Delete, Items: item("./B")}}, n)
	require.Len(t, out, 2)
	require.Empty(t, e.render([]syncml.Command{}, n))
}

func TestValuesAreBounded(t *testing.T) {
	e := entry{Msg: 1}
	n := &ids{}
	get := syncml.Command{Kind: syncml.Get}
	for i := range 3 {
		get.Items = append(get.Items, syncml.Item{Target: syncml.Location{URI: "./N" + strconv.Itoa(i)}})
	}
	out := e.render([]syncml.Command{get}, n)
	m := &syncml.Message{Commands: []syncml.Command{{Kind: syncml.Status, MsgRef: 1, CmdRef: out[0].CmdID, Code: 200}}}
	for i := range 3 {
		m.Commands = append(m.Commands, syncml.Command{Kind: syncml.Results, MsgRef: 1, CmdRef: out[0].CmdID, Items: []syncml.Item{
			{Source: syncml.Location{URI: "./N" + strconv.Itoa(i)}, Data: string(make([]byte, maxValue/2))},
		}})
	}
	e.take(syncml.NewReplies(m))
	require.True(t, e.answered(true))
	require.Len(t, e.observation().Items, 2, "the third was too much")
}

func TestHRESULT(t *testing.T) {
	require.Equal(t, "0x80070490", hresult("0x80070490"))
	require.Equal(t, "-2147023728", hresult("-2147023728"))
	require.Empty(t, hresult("<script>"))
	require.Empty(t, hresult("0x8007049080070490800"))
}

func TestText(t *testing.T) {
	require.Equal(t, "Book 5", plain(" Bo\x00ok\n 5\u0085 \xff"))
	require.Equal(t, "ää", clip("äää", 5))
	require.Len(t, plain(string(make([]rune, 0))+stringsOf("x", 1000)), maxText)
}

func stringsOf(s string, n int) string {
	out := ""
	for range n {
		out += s
	}
	return out
}
