package adminapi

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/keelson-mdm/keelson/mdm"
)

// media is the request's media type, one of those that the route takes.
func (c *call) media() (string, map[string]string, error) {
	if e := c.r.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return "", nil, mdm.Errorf(mdm.CodeUnsupported, "Content-Encoding", "send the body as it is, not compressed")
	}
	takes := append([]string{mediaJSON}, c.route.raw...)
	m, params, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || !slices.Contains(takes, m) {
		return "", nil, mdm.Errorf(mdm.CodeUnsupported, "Content-Type", "this address takes %s", strings.Join(takes, ", "))
	}
	if s := params["charset"]; m == mediaJSON && s != "" && !strings.EqualFold(s, "utf-8") {
		return "", nil, mdm.Errorf(mdm.CodeUnsupported, "Content-Type", "JSON is UTF-8")
	}
	return m, params, nil
}

// bounded is the body, of which not more is read than the options allow.
func (c *call) bounded() io.Reader {
	return http.MaxBytesReader(c.w, c.r.Body, c.api.o.MaxBody)
}

func (c *call) read() ([]byte, error) {
	b, err := io.ReadAll(c.bounded())
	return b, bodyError(err)
}

// bodyError tells a body that is too large from one that was cut off.
func bodyError(err error) error {
	if err == nil {
		return nil
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return mdm.Errorf(mdm.CodeTooLarge, "", "a request has at most %d bytes", large.Limit)
	}
	return mdm.WrapError(mdm.CodeMalformed, "", "the body could not be read to its end", err)
}

// decode reads a JSON body into dst, a pointer to the type of the route's in.
func (c *call) decode(dst any) error {
	m, _, err := c.media()
	if err != nil {
		return err
	}
	if m != mediaJSON {
		return mdm.Errorf(mdm.CodeUnsupported, "Content-Type", "this address takes %s", mediaJSON)
	}
	data, err := c.read()
	if err != nil {
		return err
	}
	return c.api.types.decode(c.route.inShape, data, dst)
}

// decode checks JSON by a schema and decodes it.
func (s *shapes) decode(shape *schema, data []byte, dst any) error {
	v, err := parseJSON(data)
	if err != nil {
		return err
	}
	if err := s.check(shape, "", v); err != nil {
		return err
	}
	if err := json.Unmarshal(data, dst); err != nil { // the schema let through what the type does not take
		return mdm.WrapError(mdm.CodeInvalid, "", "the body does not fit", err)
	}
	return nil
}
