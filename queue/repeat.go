package queue

import (
	"context"
	"crypto/subtle"
	"fmt"

	"github.com/keelson-mdm/keelson/mdm"
)

// Repeated returns the entry that c repeats: the one that was queued first with
// c's idempotency key on its enrollment, waiting or ended. Found is false when
// there is none, or c has no key. A key that was used for another request is a
// [mdm.CodeKeyReused] error: requests are the same when all is that decides what
// the device is told, and when. Who asks, and for which life, is not part of it.
func (q *Queue) Repeated(ctx context.Context, tx mdm.Tx, c Command) (e Entry, found bool, err error) {
	if c.Idempotency == "" {
		return Entry{}, false, nil
	}
	e, sealed, err := q.c.Store.First(ctx, tx, c.Enrollment, c.Idempotency)
	switch {
	case mdm.CodeOf(err) == mdm.CodeNotFound:
		return Entry{}, false, nil
	case err != nil:
		return Entry{}, false, fmt.Errorf("find the first command of an idempotency key: %w", err)
	}
	// Contents are compared as they are and not by hash, as some are salted.
	first := e.Command
	if first.Content, err = q.c.Box.Open(tx.Tenant(), contentTable, e.Hash.String(), sealed); err != nil {
		return Entry{}, false, fmt.Errorf("open the first command of an idempotency key: %w", err)
	}
	complete(&c)
	if !same(&first, &c) {
		return Entry{}, false, keyReused()
	}
	return e, true, nil
}

func keyReused() error {
	return mdm.Errorf(mdm.CodeKeyReused, "idempotency", "this key was used for another command: a new command needs a new key")
}

// same reports whether two complete commands ask for the same.
func same(a, b *Command) bool {
	return a.Owner == b.Owner && a.Ref == b.Ref && a.Kind == b.Kind && a.Lane == b.Lane && a.Redelivery == b.Redelivery &&
		mdm.Micros(a.NotBefore) == mdm.Micros(b.NotBefore) && mdm.Micros(a.Expires) == mdm.Micros(b.Expires) &&
		a.Resource == b.Resource && a.Supersede == b.Supersede && subtle.ConstantTimeCompare(a.Content, b.Content) == 1
}
