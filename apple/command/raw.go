package command

import (
	"log/slog"
	"maps"

	"github.com/keelson-mdm/keelson/internal/plist"
	"github.com/keelson-mdm/keelson/mdm"
)

// MaxRaw bounds a raw command, in bytes.
const MaxRaw = 4 << 20

// Raw is a command that the application wrote itself. Make it with [ParseRaw].
// It may hold secrets, such as a PIN; String tells only its name.
type Raw struct {
	requestType string
	values      map[string]any
}

// ParseRaw reads a command from a property list: either a whole command, whose
// CommandUUID is ignored because [Encode] gives it another, or the dictionary
// that stands under Command in one. The values are sent as they are, though
// written anew. Errors are [mdm.CodeTooLarge], [mdm.CodeMalformed], and
// [mdm.CodeInvalid] with a path.
func ParseRaw(data []byte) (*Raw, error) {
	root, err := plist.Dict(data, &plist.Limits{Bytes: MaxRaw})
	if err != nil {
		return nil, err
	}
	values, path := root, ""
	if inner, whole := root["Command"]; whole {
		for k := range root {
			if k != "Command" && k != "CommandUUID" {
				return nil, mdm.Errorf(mdm.CodeInvalid, "", "%.40q stands beside Command, where devices do not look: move it into Command or remove it", k)
			}
		}
		d, ok := inner.(map[string]any)
		if !ok {
			return nil, mdm.Errorf(mdm.CodeInvalid, "Command", "must be a dictionary, not %s", plist.KindOf(inner))
		}
		values, path = d, "Command."
	}
	name, ok := values["RequestType"].(string)
	if !ok || !requestType(name) {
		return nil, mdm.Errorf(mdm.CodeInvalid, path+"RequestType", "must be the name of a command: 1 to 64 letters and digits")
	}
	delete(values, "RequestType")
	return &Raw{requestType: name, values: values}, nil
}

func requestType(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// RequestType returns the name that the application gave.
func (r *Raw) RequestType() string {
	if r == nil {
		return ""
	}
	return r.requestType
}

func (r *Raw) fields() (map[string]any, error) {
	if r == nil || r.requestType == "" {
		return nil, mdm.Errorf(mdm.CodeInvalid, "RequestType", "is missing: make a raw command with ParseRaw")
	}
	f := maps.Clone(r.values)
	if f == nil {
		f = make(map[string]any)
	}
	return f, nil
}

// String returns the RequestType, and none of the values.
func (r *Raw) String() string { return "raw " + r.RequestType() }

// GoString is String.
func (r *Raw) GoString() string { return r.String() }

// LogValue is String.
func (r *Raw) LogValue() slog.Value { return slog.StringValue(r.String()) }
