package windows

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/windows/syncml"
)

// state is what a session needs to go on: on any replica, after a restart. It is
// sealed, as values that a device returned wait in it.
type state struct {
	// Generation is the life that the session belongs to; it is of no use to
	// another.
	Generation mdm.Generation `json:"generation"`
	Login      syncml.Login   `json:"login,omitempty"`
	LastCmd    int            `json:"last_cmd"`
	// Over is set when the last message brought no command: the device stops.
	Over bool `json:"over,omitempty"`
	// Open are the commands that have left and have not ended.
	Open []entry `json:"open,omitempty"`
	// Silent are those that the device passed over, or did not get around to.
	// They wait for the next session.
	Silent []left `json:"silent,omitempty"`
	// Suspects were in a message that the device rejected whole. While there
	// are any, one command leaves at a time.
	Suspects []mdm.CommandID `json:"suspects,omitempty"`
	// Rejections counts commands that ended so, without another in between that
	// the device took.
	Rejections int `json:"rejections,omitempty"`
}

// left is a command that is not to leave again in this session.
type left struct {
	ID   mdm.CommandID `json:"id"`
	Size int           `json:"size"`
}

const sessionTable = "windows_session"

// sessionRow is where the parts of a session are sealed for.
func sessionRow(e mdm.EnrollmentKey, id, part string) string {
	return strconv.FormatInt(int64(e), 10) + "/" + part + "/" + id
}

// load returns a session and its state, or nil when there is none of this life.
// One that cannot be opened any more counts as none: its commands leave again.
func (s *Server) load(ctx context.Context, tx mdm.Tx, e *mdm.Enrollment, id string) (*Session, *state, error) {
	row, err := s.c.Store.SessionTx(ctx, tx, e.Key, id)
	if mdm.CodeOf(err) == mdm.CodeNotFound {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	clear, err := s.c.Box.Open(tx.Tenant(), sessionTable, sessionRow(e.Key, id, "state"), row.State)
	if err != nil {
		s.c.Log.ErrorContext(ctx, "a session could not be opened and begins anew", "enrollment", e.ID, "error", err)
		return nil, nil, nil
	}
	var st state
	if err := json.Unmarshal(clear, &st); err != nil {
		s.c.Log.ErrorContext(ctx, "a session could not be read and begins anew", "enrollment", e.ID, "error", err)
		return nil, nil, nil
	}
	if st.Generation != e.Generation {
		return nil, nil, nil
	}
	return &row, &st, nil
}

// save keeps a session with the answer to its last message.
func (s *Server) save(ctx context.Context, tx mdm.Tx, row Session, st *state, answer []byte) error {
	clear, err := json.Marshal(st)
	if err != nil {
		return mdm.WrapError(mdm.CodeInternal, "", "a session could not be written", err)
	}
	if row.State, err = s.c.Box.Seal(tx.Tenant(), sessionTable, sessionRow(row.Enrollment, row.ID, "state"), clear); err != nil {
		return err
	}
	if row.Reply, err = s.c.Box.Seal(tx.Tenant(), sessionTable, sessionRow(row.Enrollment, row.ID, "reply"), answer); err != nil {
		return err
	}
	return s.c.Store.PutSession(ctx, tx, row)
}

// How long the first message of a session may be repeated and still get the
// answer that it got. Devices reuse session ids, and their first messages are
// alike: after that time, the same bytes begin another session.
const (
	replayOpen = 10 * time.Minute // commands were sent
	replayOver = time.Minute      // none were
)

// replayed returns the answer that this very message was given, nil when it is
// another.
func (x *exchange) replayed(ctx context.Context, row *Session, st *state) []byte {
	if row == nil || row.MsgID != x.msg.Header.MsgID || row.Body != x.body {
		return nil
	}
	age := x.now.Sub(row.At)
	if row.MsgID == 1 && (age >= replayOpen || st.Over && age >= replayOver) {
		return nil
	}
	answer, err := x.s.c.Box.Open(x.tx.Tenant(), sessionTable, sessionRow(row.Enrollment, row.ID, "reply"), row.Reply)
	if err != nil {
		x.s.c.Log.ErrorContext(ctx, "an answer that was kept could not be opened", "enrollment", x.e.ID, "error", err)
	}
	return answer
}
