package apple

import (
	"bytes"
	"context"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
)

// maxAside bounds what is kept of bytes that could not be decoded.
const maxAside = 64 << 10

// undecodable keeps an answer that cannot be decoded, and ends the command of the
// sender's that it names if a name can be found in it: an answer that nobody can
// read must not make the device repeat it for ever. Then the next one leaves. An
// answer that names none ends the session, as the same command would only leave
// again. Strangers are refused as ever.
func (c *call) undecodable(ctx context.Context, b []byte, why error) (reply []byte, err error) {
	if c.natural, err = c.s.c.Identity.NaturalOf(ctx, c.t, c.pin); err != nil {
		return nil, err
	}
	p := queue.Poll{Caller: c.caller(), Now: c.s.c.Clock.Now()}
	code := string(mdm.CodeOf(why))
	sealed, err := c.s.c.Box.Seal(c.t, asideTable, string(c.natural), b[:min(len(b), maxAside)])
	if err != nil {
		return nil, err
	}
	hs, err := c.file(ctx, p, &report{
		Report: queue.Report{
			Command: commandIn(b), Now: p.Now, Outcome: mdm.OutcomeUndecodable,
			Code: code, Detail: "the answer could not be decoded",
		},
		aside: &Aside{Why: code, Sealed: sealed, At: p.Now},
		own:   true,
	})
	if err != nil {
		return nil, err
	}
	return c.encode(ctx, p, hs)
}

// commandIn looks for the CommandUUID in bytes that are no property list as a
// whole. It is empty when there is none: then no command is ended.
func commandIn(b []byte) mdm.CommandID {
	_, rest, ok := bytes.Cut(b, []byte("<key>CommandUUID</key>"))
	if !ok {
		return ""
	}
	rest = bytes.TrimLeft(rest, " \t\r\n")
	rest, ok = bytes.CutPrefix(rest, []byte("<string>"))
	if !ok {
		return ""
	}
	id, _, ok := bytes.Cut(rest, []byte("</string>"))
	if !ok || !mdm.IsUUID(string(id)) {
		return ""
	}
	return mdm.CommandID(id)
}

// Undecoded is an answer that could not be decoded, for a person to look at.
type Undecoded struct {
	Why  mdm.Code
	Body []byte // its first 64 KiB
	At   time.Time
}

// Undecoded returns the answers of a channel that could not be decoded, the newest
// first, at most 16.
func (s *Server) Undecoded(ctx context.Context, t mdm.TenantID, e mdm.Enrollment) ([]Undecoded, error) {
	as, err := s.c.Store.Aside(ctx, t, e.Key)
	if err != nil {
		return nil, err
	}
	out := make([]Undecoded, len(as))
	for i, a := range as {
		out[i] = Undecoded{Why: mdm.Code(a.Why), At: a.At}
		if out[i].Body, err = s.c.Box.Open(t, asideTable, string(e.Natural), a.Sealed); err != nil {
			return nil, err
		}
	}
	return out, nil
}
