package adminapi

import (
	"encoding/json"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/mdm"
)

// call is one request on its way through a route.
type call struct {
	api    *API
	route  *route
	w      http.ResponseWriter
	r      *http.Request
	tenant *keelson.Tenant
	query  url.Values
}

// reply is what a route answers; its status is the route's.
type reply struct {
	body     any // JSON; nil sends data, or nothing
	data     []byte
	media    string   // of data
	file     string   // name under which a browser saves data
	location string   // path behind the base
	edit     mdm.Edit // becomes the ETag; 0 sends none
}

// answer sends a reply.
func (a *API) answer(w http.ResponseWriter, r *http.Request, at *route, rep reply) {
	h := w.Header()
	if rep.body != nil {
		data, err := json.Marshal(rep.body)
		if err != nil {
			a.refuse(w, r, mdm.WrapError(mdm.CodeInternal, "", "an answer cannot be written", err))
			return
		}
		rep.data, rep.media = data, mediaJSON
	}
	if rep.edit != 0 {
		h.Set("ETag", etag(rep.edit))
	}
	if rep.location != "" {
		h.Set("Location", a.prefix+rep.location)
	}
	if rep.file != "" {
		h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": rep.file}))
	}
	if rep.media != "" {
		h.Set("Content-Type", rep.media)
		h.Set("Content-Length", strconv.Itoa(len(rep.data)))
	}
	w.WriteHeader(at.status)
	_, _ = w.Write(rep.data) // the caller is gone
}

// readQuery refuses parameters that the route does not have.
func (c *call) readQuery() error {
	q, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return mdm.Errorf(mdm.CodeMalformed, "", "the query of the address cannot be decoded")
	}
	if err := c.api.types.checkParams(c.route.query, q); err != nil {
		return err
	}
	c.query = q
	return nil
}

// checkParams refuses values that params do not allow.
func (s *shapes) checkParams(params []param, q url.Values) error {
	for _, name := range slices.Sorted(maps.Keys(q)) {
		i := slices.IndexFunc(params, func(p param) bool { return p.name == name })
		if i < 0 {
			return mdm.Errorf(mdm.CodeInvalid, clip(name), "there is no such parameter")
		}
		if len(q[name]) > 1 && !params[i].list {
			return mdm.Errorf(mdm.CodeInvalid, name, "this stands more than once")
		}
		for _, v := range q[name] {
			if !utf8.ValidString(v) {
				return mdm.Errorf(mdm.CodeMalformed, name, "this is not UTF-8")
			}
			if err := s.check(params[i].shape, name, params[i].shape.fromText(v)); err != nil {
				return err
			}
		}
	}
	return nil
}

// id is a public id in the path. What cannot be one is not asked for.
func (c *call) id(name string) (string, error) {
	v := c.r.PathValue(name)
	if !mdm.IsUUID(v) {
		return "", mdm.Errorf(mdm.CodeNotFound, name, "there is no such %s", nouns[name])
	}
	return v, nil
}

// nouns are the names of things in paths; never written to.
var nouns = map[string]string{
	"host": "host", "profile": "profile", "command": "command", "team": "team", "label": "label", "enrollment": "enrollment link",
}

// whole reads a query parameter that was checked to be a number; absent is def.
func (c *call) whole(name string, def int) int {
	if n, err := strconv.Atoi(c.query.Get(name)); err == nil {
		return n
	}
	return def
}

// clip bounds foreign names that are shown again.
func clip(s string) string {
	if r := []rune(s); len(r) > 64 {
		return string(r[:64]) + "…"
	}
	return s
}
