package mobileconfig

import (
	"fmt"
	"math"
	"time"

	"github.com/keelson-mdm/keelson/internal/plist"
	"github.com/keelson-mdm/keelson/mdm"
)

// maxDepth is far above what payloads need; the deepest of the schema have
// about ten levels.
const maxDepth = 48

// Parse reads a configuration profile: an XML or binary property list, or one
// of them in a CMS signature. Errors are [mdm.CodeTooLarge], [mdm.CodeMalformed]
// for what is no property list or has a broken signature, and
// [mdm.CodeInvalid], with a path, for one that is no valid profile. The returned
// profile refers to data, which must not be changed.
func Parse(data []byte) (*Profile, error) {
	if len(data) > MaxSize {
		return nil, mdm.Errorf(mdm.CodeTooLarge, "", "a profile may have at most %d bytes; this one has %d", MaxSize, len(data))
	}
	p := &Profile{Content: data}
	if isCMS(data) {
		content, signer, err := Verify(data)
		if err != nil {
			return nil, err
		}
		p.Content, p.Signer = content, signer
	}
	root, err := plist.Dict(p.Content, &plist.Limits{Bytes: MaxSize, Depth: maxDepth})
	if err != nil {
		return nil, err
	}
	if err := p.read(fields{values: root}); err != nil {
		return nil, err
	}
	return p, nil
}

// read takes what is common to all profiles (TopLevel.yaml).
func (p *Profile) read(f fields) error {
	f.oneOf("PayloadType", "Configuration")
	p.Identifier = f.name("PayloadIdentifier")
	p.UUID = f.name("PayloadUUID")
	if v := f.integer("PayloadVersion"); f.err == nil && v != 1 {
		f.fail("PayloadVersion", "must be 1, the only version of the format")
	}
	p.DisplayName = f.text("PayloadDisplayName")
	p.Description = f.text("PayloadDescription")
	p.Organization = f.text("PayloadOrganization")
	p.RemovalDisallowed = f.boolean("PayloadRemovalDisallowed")
	p.Encrypted = f.boolean("IsEncrypted")
	p.Scope = System
	if f.has("PayloadScope") {
		p.Scope = Scope(f.oneOf("PayloadScope", string(System), string(User)))
		p.ScopeStated = true
	}
	p.RemovalDate = f.date("RemovalDate")
	p.DurationUntilRemoval = f.seconds("DurationUntilRemoval")
	if f.err != nil {
		return f.err
	}
	return p.readPayloads(&f)
}

func (p *Profile) readPayloads(f *fields) error {
	if p.Encrypted {
		f.data("EncryptedPayloadContent")
		return f.err
	}
	list := f.array("PayloadContent")
	if f.err != nil {
		return f.err
	}
	identifiers := make(map[string]int, len(list))
	uuids := map[string]int{fold(p.UUID): -1}
	p.Payloads = make([]Payload, len(list))
	for i, item := range list {
		path := fmt.Sprintf("PayloadContent[%d]", i)
		values, ok := item.(map[string]any)
		if !ok {
			return mdm.Errorf(mdm.CodeInvalid, path, "must be a dictionary, not %s", plist.KindOf(item))
		}
		pf := fields{values: values, path: path + "."}
		l := &p.Payloads[i]
		*l = Payload{
			Type:        pf.name("PayloadType"),
			Identifier:  pf.name("PayloadIdentifier"),
			UUID:        pf.name("PayloadUUID"),
			Version:     pf.integer("PayloadVersion"),
			DisplayName: pf.text("PayloadDisplayName"),
			fields:      values,
		}
		pf.unique("PayloadIdentifier", l.Identifier, identifiers, i)
		pf.unique("PayloadUUID", fold(l.UUID), uuids, i)
		if pf.err != nil {
			return pf.err
		}
	}
	return nil
}

// fields reads typed values of one dictionary. The first failure stays; what
// is read after it is zero.
type fields struct {
	values map[string]any
	path   string // "" or ending in a dot
	err    error
}

func (f *fields) fail(key, format string, args ...any) {
	if f.err == nil {
		f.err = mdm.Errorf(mdm.CodeInvalid, f.path+key, format, args...)
	}
}

func (f *fields) has(key string) bool {
	_, ok := f.values[key]
	return ok
}

// get reads an optional value of one type.
func get[T any](f *fields, key, kind string) (v T, ok bool) {
	x, ok := f.values[key]
	if !ok || f.err != nil {
		return v, false
	}
	if v, ok = x.(T); !ok {
		f.fail(key, "must be %s, not %s", kind, plist.KindOf(x))
	}
	return v, ok
}

func (f *fields) require(key string) {
	if !f.has(key) {
		f.fail(key, "is missing")
	}
}

func (f *fields) text(key string) string {
	s, _ := get[string](f, key, "a string")
	return s
}

func (f *fields) boolean(key string) bool {
	b, _ := get[bool](f, key, "a boolean")
	return b
}

func (f *fields) date(key string) time.Time {
	t, _ := get[time.Time](f, key, "a date")
	return t.UTC()
}

func (f *fields) integer(key string) int64 {
	f.require(key)
	n, _ := get[int64](f, key, "an integer")
	return n
}

func (f *fields) array(key string) []any {
	f.require(key)
	a, _ := get[[]any](f, key, "an array")
	return a
}

func (f *fields) data(key string) {
	f.require(key)
	if _, ok := get[[]byte](f, key, "data"); !ok {
		return
	}
}

// name reads a required string by which things are told apart.
func (f *fields) name(key string) string {
	f.require(key)
	s, ok := get[string](f, key, "a string")
	if !ok {
		return ""
	}
	if why := badName(s); why != "" {
		f.fail(key, "%s", why)
	}
	return s
}

func (f *fields) oneOf(key string, allowed ...string) string {
	f.require(key)
	s, ok := get[string](f, key, "a string")
	if !ok {
		return ""
	}
	for _, a := range allowed {
		if s == a {
			return s
		}
	}
	if len(allowed) == 1 {
		f.fail(key, "must be %q, not %.60q", allowed[0], s)
	} else {
		f.fail(key, "must be %q or %q, not %.60q", allowed[0], allowed[1], s)
	}
	return ""
}

// seconds reads an optional positive duration.
func (f *fields) seconds(key string) time.Duration {
	var s float64
	switch v := f.values[key].(type) {
	case nil:
		return 0
	case float64:
		s = v
	case int64:
		s = float64(v)
	default:
		f.fail(key, "must be a real, not %s", plist.KindOf(v))
		return 0
	}
	// Not a number fails the comparison.
	if !(s > 0 && s < math.MaxInt64/float64(time.Second)) {
		f.fail(key, "must be a positive number of seconds, of at most 292 years")
		return 0
	}
	return time.Duration(s * float64(time.Second))
}

// unique checks that a name was not used by an earlier payload; index -1 is
// the profile itself.
func (f *fields) unique(key, name string, seen map[string]int, i int) {
	if f.err != nil {
		return
	}
	switch first, twice := seen[name]; {
	case twice && first < 0:
		f.fail(key, "is the same as the profile's own: make a new one")
	case twice:
		f.fail(key, "is the same as that of PayloadContent[%d]: make a new one", first)
	}
	seen[name] = i
}
