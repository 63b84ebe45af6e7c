package command

import (
	"log/slog"
	"strconv"
	"strings"

	"github.com/keelson-mdm/keelson/apple/checkin"
	"github.com/keelson-mdm/keelson/internal/plist"
	"github.com/keelson-mdm/keelson/mdm"
)

// MaxResult bounds a result, in bytes. Lists of applications are the largest.
const MaxResult = 4 << 20

// Status is what a device says of a command.
type Status string

// The statuses.
const (
	Idle               Status = "Idle" // about no command: the device asks for one
	Acknowledged       Status = "Acknowledged"
	Error              Status = "Error"
	CommandFormatError Status = "CommandFormatError"
	NotNow             Status = "NotNow" // the device will ask again
)

// Outcome returns how a command ended that was answered with s; ok is false
// when it has not ended.
func (s Status) Outcome() (o mdm.Outcome, ok bool) {
	switch s {
	case Acknowledged:
		return mdm.OutcomeAcknowledged, true
	case Error:
		return mdm.OutcomeError, true
	case CommandFormatError:
		return mdm.OutcomeMalformed, true
	}
	return "", false
}

// Result is what the answers to all commands have in common.
type Result struct {
	Sender       checkin.Sender
	ID           checkin.ID // of Sender
	Status       Status
	CommandUUID  string    // empty when Status is Idle
	Errors       []Failure // the chain, outermost first; empty when none
	NotOnConsole bool      // user channel of a Mac
	Raw          []byte    // the result as it came; not copied
}

// Failure is one link of a device's error chain. Its texts are the device's own.
type Failure struct {
	Code    int64
	Domain  string
	Text    string // in English when the device gave that
	Message string // in the device's language; empty when it gave only one
}

// DecodeResult reads the answer to a command, or an idle poll. Errors are
// [mdm.CodeTooLarge], [mdm.CodeMalformed], and [mdm.CodeInvalid] with the field
// when it names no device, no known status, or no command although it is about
// one. Whether the command is one of ours is the caller's question.
//
// The result refers to data, which must not be changed.
func DecodeResult(data []byte) (*Result, error) {
	r := &Result{Raw: data}
	var chain []any
	err := plist.Fields(data, &plist.Limits{Bytes: MaxResult},
		plist.Field{Key: "UDID", Into: &r.Sender.UDID},
		plist.Field{Key: "UserID", Into: &r.Sender.UserID},
		plist.Field{Key: "UserShortName", Into: &r.Sender.UserShortName},
		plist.Field{Key: "UserLongName", Into: &r.Sender.UserLongName},
		plist.Field{Key: "EnrollmentID", Into: &r.Sender.EnrollmentID},
		plist.Field{Key: "EnrollmentUserID", Into: &r.Sender.EnrollmentUserID},
		plist.Field{Key: "Status", Into: (*string)(&r.Status)},
		plist.Field{Key: "CommandUUID", Into: &r.CommandUUID},
		plist.Field{Key: "ErrorChain", Into: &chain},
		plist.Field{Key: "NotOnConsole", Into: &r.NotOnConsole},
	)
	if err != nil {
		return nil, err
	}
	if r.Errors, err = failures(chain); err != nil {
		return nil, err
	}
	if r.ID, err = r.Sender.ID(); err != nil {
		return nil, err
	}
	switch r.Status {
	case Idle:
		r.CommandUUID = ""
	case Acknowledged, Error, CommandFormatError, NotNow:
		if r.CommandUUID == "" || len(r.CommandUUID) > maxUUID {
			return nil, mdm.Errorf(mdm.CodeInvalid, "CommandUUID", "must have 1 to %d bytes in an answer to a command", maxUUID)
		}
	default:
		return nil, mdm.Errorf(mdm.CodeInvalid, "Status", "%.40q is not a status that we know", string(r.Status))
	}
	return r, nil
}

// failures reads an error chain.
func failures(chain []any) (out []Failure, err error) {
	for _, link := range chain {
		var f Failure
		err := plist.Pick(link,
			plist.Field{Key: "ErrorCode", Into: &f.Code},
			plist.Field{Key: "ErrorDomain", Into: &f.Domain},
			plist.Field{Key: "USEnglishDescription", Into: &f.Text},
			plist.Field{Key: "LocalizedDescription", Into: &f.Message},
		)
		if err != nil {
			return nil, err
		}
		if f.Text == "" {
			f.Text, f.Message = f.Message, ""
		}
		out = append(out, f)
	}
	return out, nil
}

// Failure returns the error chain in short: a code such as
// "MCInstallationErrorDomain/4001" of the outermost link, and the texts of all
// links, up to a thousand characters. Both are empty when there is no chain.
func (r *Result) Failure() (code, detail string) {
	if len(r.Errors) == 0 {
		return "", ""
	}
	code = clip(r.Errors[0].Domain+"/"+strconv.FormatInt(r.Errors[0].Code, 10), maxName)
	var texts []string
	for _, e := range r.Errors {
		// Chains often repeat themselves.
		if e.Text != "" && (len(texts) == 0 || texts[len(texts)-1] != e.Text) {
			texts = append(texts, e.Text)
		}
	}
	return code, clip(strings.Join(texts, " > "), 1000)
}

// clip cuts s to n characters and makes it one printable line.
func clip(s string, n int) string {
	if len(s) <= n && strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) < 0 {
		return s // as nearly always
	}
	var b strings.Builder
	for _, r := range s {
		if n--; n < 0 {
			break
		}
		if strconv.IsPrint(r) {
			b.WriteRune(r)
		} else {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// String tells who answered which command with what, and none of the answer:
// it may be a secret.
func (r *Result) String() string {
	return strings.TrimSpace(string(r.Status)+" "+r.CommandUUID) + " from " + r.ID.String()
}

// GoString is String.
func (r *Result) GoString() string { return r.String() }

// LogValue is String.
func (r *Result) LogValue() slog.Value { return slog.StringValue(r.String()) }
