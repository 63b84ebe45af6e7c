package apple

import (
	"bytes"
	"context"
	"net/http"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
)

// maxAside bounds what is kept of bytes that could not be decoded.
const maxAside = 64 << 10

// undecodable keeps an answer that cannot be decoded, ends the command that it
// names if a name can be found in it, and goes on: an answer that nobody can
// read must not make the device repeat it for ever. Strangers are refused as
// ever.
func (s *Server) undecodable(w http.ResponseWriter, r *http.Request, t mdm.TenantID, b []byte, why error) error {
	ctx := r.Context()
	_, pin, err := s.caller(ctx, t, r, b)
	if err != nil {
		return err
	}
	n, err := s.c.Identity.NaturalOf(ctx, t, pin)
	if err != nil {
		return err
	}
	c := &call{s, t, pin, n}
	if err := c.putAside(ctx, b, why); err != nil {
		return err
	}
	p := queue.Poll{Caller: c.caller(), Now: s.c.Clock.Now()}
	rep := queue.Report{
		Command: commandIn(b), Now: p.Now, Outcome: mdm.OutcomeUndecodable,
		Code: string(mdm.CodeOf(why)), Detail: "the answer could not be decoded",
	}
	reply, err := c.report(ctx, p, rep, func(queue.Filed) []mdm.Signal { return nil })
	if err != nil {
		return err
	}
	answer(w, reply)
	return nil
}

func (c *call) putAside(ctx context.Context, b []byte, why error) error {
	sealed, err := c.s.c.Box.Seal(c.t, asideTable, string(c.natural), b[:min(len(b), maxAside)])
	if err != nil {
		return err
	}
	return c.s.c.Transactor.InTx(ctx, c.t, func(ctx context.Context, tx mdm.Tx) error {
		e, err := c.s.c.Identity.Enrollment(ctx, tx, c.natural)
		if err != nil {
			return stranger(err)
		}
		if st := queue.Stand(&e, c.pin); st != queue.StandingGood && st != queue.StandingEnded {
			return standing(st)
		}
		return c.s.c.Store.PutAside(ctx, tx, Aside{Enrollment: e.Key, Why: string(mdm.CodeOf(why)), Sealed: sealed, At: c.s.c.Clock.Now()})
	})
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
