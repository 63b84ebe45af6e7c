package nanostore

import (
	"context"
	"errors"
	"slices"

	nanomdm "github.com/micromdm/nanomdm/mdm"

	"github.com/keelson-mdm/keelson/apple"
	"github.com/keelson-mdm/keelson/apple/command"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
)

// owner is whose commands these are.
const owner mdm.Owner = "nanomdm"

// A CommandUUID of NanoMDM's stands on one entry of each channel, which has a
// CommandID of its own: it is the entry's idempotency key.
const uuidPrefix = "nanomdm:"

const maxUUID = 128

func keyOf(uuid string) (string, error) {
	if !plain(uuid, maxUUID) {
		return "", mdm.Errorf(mdm.CodeInvalid, "CommandUUID", "has 1 to %d bytes of text", maxUUID)
	}
	return uuidPrefix + uuid, nil
}

// redelivery of a command by its RequestType. The content of those that may hold a
// PIN or a password is stored under a salted hash.
func redelivery(requestType string) mdm.Redelivery {
	switch requestType {
	case "DeviceLock", "EraseDevice", "ClearPasscode", "ClearRestrictionsPassword", "AccountConfiguration",
		"SetFirmwarePassword", "VerifyFirmwarePassword", "SetRecoveryLock", "VerifyRecoveryLock",
		"SetAutoAdminPassword", "RotateFileVaultKey":
		return mdm.Frozen
	}
	return mdm.Repeatable
}

// EnqueueCommand queues a command for channels, in one unit of work. The map has
// the channels that it was not queued for, and why: they are not known, or it is
// there already.
func (s *Storage) EnqueueCommand(ctx context.Context, ids []string, cmd *nanomdm.Command) (map[string]error, error) {
	if cmd == nil {
		return nil, mdm.Errorf(mdm.CodeInvalid, "command", "is missing")
	}
	key, err := keyOf(cmd.CommandUUID)
	if err != nil {
		return nil, err
	}
	if !plain(cmd.Command.RequestType, 64) || len(cmd.Raw) == 0 {
		return nil, mdm.Errorf(mdm.CodeInvalid, "command", "a command has a RequestType of 1 to 64 bytes and original bytes")
	}
	// In one order, so that two of these do not wait for each other.
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	var failed map[string]error
	once := func(ctx context.Context, tx mdm.Tx) error {
		failed = make(map[string]error)
		var out []queue.Command
		for _, id := range ids {
			c, err := s.commandFor(ctx, tx, id, key, cmd)
			switch code := mdm.CodeOf(err); {
			case err == nil:
				out = append(out, c)
			case code == mdm.CodeNotFound, code == mdm.CodeConflict, code == mdm.CodeInvalid:
				failed[id] = err
			default:
				return err
			}
		}
		if len(out) == 0 {
			return nil
		}
		_, err := s.q.Enqueue(ctx, tx, out)
		return err
	}
	// Another unit may be queueing the same at this moment: then its command is seen
	// the next time.
	for range 3 {
		if err = s.in(ctx, once); !errors.Is(err, mdm.CodeConflict) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	return failed, nil
}

// commandFor is the command for one channel, whose row it holds: a life that
// begins at the same time waits, and then takes the command back.
func (s *Storage) commandFor(ctx context.Context, tx mdm.Tx, id, key string, cmd *nanomdm.Command) (queue.Command, error) {
	n, err := natural(id)
	if err != nil {
		return queue.Command{}, err
	}
	e, known, err := s.enrollment(ctx, tx, n, "")
	if err != nil {
		return queue.Command{}, err
	}
	if !known {
		return queue.Command{}, mdm.Errorf(mdm.CodeNotFound, "id", "no such enrollment")
	}
	_, _, err = s.c.Store.Queue().First(ctx, tx, e.Key, key)
	switch {
	case err == nil:
		return queue.Command{}, mdm.Errorf(mdm.CodeConflict, "CommandUUID", "this enrollment has had a command with this CommandUUID")
	case !missing(err):
		return queue.Command{}, err
	}
	return queue.Command{
		Enrollment: e.Key, Generation: e.Generation, Owner: owner, Kind: cmd.Command.RequestType,
		Content: cmd.Raw, Idempotency: key, Redelivery: redelivery(cmd.Command.RequestType),
	}, nil
}

// StoreCommandReport ends the command that a device answered, or holds it when the
// answer is NotNow. The first answer counts.
func (s *Storage) StoreCommandReport(r *nanomdm.Request, m *nanomdm.CommandResults) error {
	c, err := caller(r)
	if err != nil {
		return err
	}
	if m == nil {
		return mdm.Errorf(mdm.CodeInvalid, "report", "is missing")
	}
	status := command.Status(m.Status)
	if status == command.Idle {
		return nil // RetrieveNextCommand follows, and sees who asks
	}
	outcome, ended := status.Outcome()
	if !ended && status != command.NotNow {
		return mdm.Errorf(mdm.CodeInvalid, "Status", "%.40q is not a status that we know", m.Status)
	}
	key, err := keyOf(m.CommandUUID)
	if err != nil {
		return err
	}
	if err := needRaw(m.Raw); err != nil {
		return err
	}
	code, detail := failure(m)
	return s.in(r.Context(), func(ctx context.Context, tx mdm.Tx) error {
		e, known, err := s.enrollment(ctx, tx, c.natural, c.of())
		if err != nil {
			return err
		}
		if !known {
			return mdm.Errorf(mdm.CodeNotFound, "id", "no such enrollment")
		}
		first, _, err := s.c.Store.Queue().First(ctx, tx, e.Key, key)
		if missing(err) {
			a, err := apple.SealAside(s.c.Box, s.c.Tenant, &e, string(mdm.CodeNotFound), m.Raw, s.c.Clock.Now())
			if err != nil {
				return err
			}
			return s.c.Store.Apple().PutAside(ctx, tx, a)
		}
		if err != nil {
			return err
		}
		_, err = s.q.File(ctx, tx, e, queue.Report{
			Command: first.ID, Now: s.c.Clock.Now(), NotNow: status == command.NotNow,
			Outcome: outcome, Code: code, Detail: detail, Body: m.Raw,
		})
		return err
	})
}

// failure is a device's error chain in short.
func failure(m *nanomdm.CommandResults) (code, detail string) {
	var r command.Result
	for _, e := range m.ErrorChain {
		text := e.USEnglishDescription
		if text == "" {
			text = e.LocalizedDescription
		}
		r.Errors = append(r.Errors, command.Failure{Code: int64(e.ErrorCode), Domain: e.ErrorDomain, Text: text})
	}
	return r.Failure()
}

// RetrieveNextCommand hands out what is next for an enrolled channel, and nil when
// there is nothing. It leaves again until it is answered. A command that cannot be
// opened any more ends, and the next one leaves.
func (s *Storage) RetrieveNextCommand(r *nanomdm.Request, skipNotNow bool) (*nanomdm.Command, error) {
	c, err := caller(r)
	if err != nil {
		return nil, err
	}
	ctx := r.Context()
	for {
		a, err := s.q.Poll(ctx, s.c.Tenant, queue.Poll{
			Caller: queue.Caller{Natural: c.natural, Pin: s.pin(c.natural)}, Now: s.c.Clock.Now(), SkipHeld: skipNotNow,
		})
		if err != nil {
			return nil, err
		}
		if s.c.Seen != nil && a.Enrollment.Host != 0 {
			s.c.Seen(s.c.Tenant, a.Enrollment.Host)
		}
		if len(a.Handouts) == 0 {
			return nil, nil
		}
		h := a.Handouts[0]
		if h.Owner != owner {
			return nil, mdm.Errorf(mdm.CodeInternal, "tenant", "a command of %q waits here: the tenant is not NanoMDM's alone", h.Owner)
		}
		if h.Err == nil {
			return commandOf(&h), nil
		}
		if err := s.drop(ctx, a.Enrollment, &h); err != nil {
			return nil, err
		}
	}
}

func commandOf(h *queue.Handout) *nanomdm.Command {
	out := &nanomdm.Command{CommandUUID: h.Idempotency[len(uuidPrefix):], Raw: h.Data}
	out.Command.RequestType = h.Kind
	return out
}

// drop ends a command that cannot be opened.
func (s *Storage) drop(ctx context.Context, e mdm.Enrollment, h *queue.Handout) error {
	return s.in(ctx, func(ctx context.Context, tx mdm.Tx) error {
		_, err := s.q.File(ctx, tx, e, queue.Report{
			Command: h.ID, Now: s.c.Clock.Now(), Outcome: mdm.OutcomeUnrenderable,
			Code: string(mdm.CodeOf(h.Err)), Detail: "the command could not be opened",
		})
		return err
	})
}

// ClearQueue cancels what waits for a channel, and with a device's channel for its
// users, whether it has left or not. An answer that comes later is on record.
func (s *Storage) ClearQueue(r *nanomdm.Request) error {
	c, err := caller(r)
	if err != nil {
		return err
	}
	return s.in(r.Context(), func(ctx context.Context, tx mdm.Tx) error {
		e, known, err := s.enrollment(ctx, tx, c.natural, c.of())
		if err != nil || !known {
			return err
		}
		clear := func(e *mdm.Enrollment) error {
			_, err := s.q.EndBefore(ctx, tx, e.Key, e.Generation+1)
			return err
		}
		if err := clear(&e); err != nil {
			return err
		}
		return s.users(ctx, tx, &e, clear)
	})
}
