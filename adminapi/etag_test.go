package adminapi

import (
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/mdm"
)

// ifMatch adds a condition to a request.
func ifMatch(q request, tag string) request {
	h := map[string]string{headerIfMatch: tag}
	maps.Copy(h, q.header)
	q.header = h
	return q
}

// edits are all ways to change a profile; n makes each a change of its own.
func edits(n int) map[string]request {
	content := strings.Replace(string(dock), "48", fmt.Sprint(100+n), 1)
	return map[string]request{
		"name":    {patch, "/profiles/$dock", fmt.Sprintf(`{"name":"Dock %d"}`, n), nil},
		"scope":   {patch, "/profiles/$dock", `{"scope":{"exclude_any":["` + []string{"$label", "$usedlabel"}[n%2] + `"]}}`, nil},
		"content": {patch, "/profiles/$dock", `{"content":"` + b64([]byte(content+" ")) + `"}`, nil},
		"upload":  {put, "/profiles/$dock/content", content, map[string]string{"Content-Type": mediaApple}},
	}
}

// tagOf is the ETag of the Dock profile.
func (w *world) tagOf() string {
	w.t.Helper()
	rec := w.do(request{get, "/profiles/$dock", "", nil})
	require.Equal(w.t, 200, rec.Code)
	require.NotEmpty(w.t, rec.Header().Get("ETag"))
	return rec.Header().Get("ETag")
}

// shown is what can be read of profiles, and of a host that carries them.
func (w *world) shown() (out []string) {
	w.t.Helper()
	for _, at := range []string{"/profiles", "/profiles/$dock/content", "/hosts/$mac", "/hosts/$mac/commands"} {
		rec := w.do(request{get, at, "", nil})
		require.Equal(w.t, 200, rec.Code)
		out = append(out, rec.Body.String())
	}
	return out
}

// TestETagNoticesEveryEdit: whatever one administrator changes, the other, who
// looked before, is answered 412 to whatever they do, and nothing changes.
func TestETagNoticesEveryEdit(t *testing.T) {
	for name, first := range edits(0) {
		t.Run(name, func(t *testing.T) {
			w := furnished(t)
			looked := w.tagOf()
			won := w.do(ifMatch(first, looked))
			require.Equal(t, 200, won.Code, won.Body.String())
			require.Equal(t, w.tagOf(), won.Header().Get("ETag"))
			require.NotEqual(t, looked, w.tagOf())
			before := w.shown()
			second := edits(1)
			second["delete"] = request{del, "/profiles/$dock", "", nil}
			for name, q := range second {
				for _, tag := range []string{looked, `"99", ` + looked, `W/` + w.tagOf()} {
					rec := w.do(ifMatch(q, tag))
					require.Equal(t, 412, rec.Code, "%s: %s", name, rec.Body)
					p := problem(t, rec.Body.Bytes())
					require.Equal(t, mdm.CodePrecondition, p.Code)
					require.Equal(t, headerIfMatch, p.Field)
					require.Empty(t, rec.Header().Get("ETag"))
				}
			}
			require.Equal(t, before, w.shown())
			require.Equal(t, 204, w.do(ifMatch(second["delete"], looked+`, `+w.tagOf())).Code)
			require.Equal(t, 404, w.do(ifMatch(second["delete"], looked)).Code)
		})
	}
}

// TestSameETag: of many administrators with the same ETag, one wins.
func TestSameETag(t *testing.T) {
	w := furnished(t)
	for round := range 4 {
		tag := w.tagOf()
		var rivals []request
		for n := range 3 {
			for _, q := range edits(10*round + n) {
				rivals = append(rivals, ifMatch(q, tag))
			}
		}
		if round == 3 {
			rivals = append(rivals, ifMatch(request{del, "/profiles/$dock", "", nil}, tag))
		}
		codes := make([]int, len(rivals))
		var wg sync.WaitGroup
		for i, q := range rivals {
			wg.Go(func() { codes[i] = w.do(q).Code })
		}
		wg.Wait()
		won := 0
		gone := codes[len(codes)-1] == 204
		for i, c := range codes {
			switch {
			case c == 200 || c == 204:
				won++
			case gone:
				require.Contains(t, []int{404, 412}, c)
			default:
				require.Equal(t, 412, c, "%s %s", rivals[i].method, rivals[i].body)
			}
		}
		require.Equal(t, 1, won)
	}
}

// TestETagOfWhatDidNotChange: a request that changes nothing keeps the ETag, and
// the list tells what single reads do.
func TestETagOfWhatDidNotChange(t *testing.T) {
	w := furnished(t)
	require.Equal(t, 200, w.do(edits(1)["name"]).Code)
	tag := w.tagOf()
	for range 2 {
		rec := w.do(ifMatch(edits(1)["name"], tag))
		require.Equal(t, 200, rec.Code)
		require.Equal(t, tag, rec.Header().Get("ETag"))
	}
	require.Equal(t, 204, w.do(request{put, "/labels/$label/hosts/$mac", `{"membership":"yes"}`, nil}).Code)
	require.Equal(t, tag, w.tagOf(), "hosts and their counts are no part of it")
	for _, p := range into[profileList](w, request{get, "/profiles", "", nil}, 200).Items {
		if string(p.ID) == w.names["$dock"] {
			require.Equal(t, tag, etag(p.Edit))
		}
	}
	created := w.do(request{post, "/profiles", `{"name":"New","content":"` + b64([]byte(strings.ReplaceAll(string(dock), "com.example.dock", "com.example.new"))) + `"}`, nil})
	require.Equal(t, 201, created.Code)
	require.Equal(t, `"1"`, created.Header().Get("ETag"))
}

// TestRevisionCountsContents: the revision that hosts are compared by rises with
// the content alone.
func TestRevisionCountsContents(t *testing.T) {
	w := furnished(t)
	for i, c := range []struct {
		kind     string
		revision mdm.Revision
	}{{"name", 1}, {"scope", 1}, {"content", 2}, {"upload", 3}} {
		p := into[keelson.Profile](w, edits(1)[c.kind], 200)
		require.Equal(t, c.revision, p.Revision)
		require.Equal(t, mdm.Edit(2+i), p.Edit)
	}
}
