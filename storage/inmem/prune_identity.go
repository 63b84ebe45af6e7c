package inmem

import (
	"context"
	"time"

	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/mdm"
)

func (r identityRoom) PruneCertificates(_ context.Context, x mdm.Tx, before time.Time, limit int) (n int, err error) {
	t, err := r.s.join(x)
	if err != nil {
		return 0, err
	}
	for _, state := range []identity.State{identity.Superseded, identity.Issued, identity.Reserved} {
		for _, k := range t.certificates.keys() {
			c, _ := t.certificates.get(k)
			since := c.NotAfter
			if state == identity.Reserved {
				since = c.CreatedAt
			}
			if n == limit || c.State != state || !since.Before(before) {
				continue
			}
			if state != identity.Reserved {
				if err := t.leaves.del(t, "certificate", c.Hash.String()); err != nil {
					return 0, err
				}
			}
			if err := t.certificates.del(t, "certificate", k); err != nil {
				return 0, err
			}
			n++
		}
	}
	return n, nil
}

func (r identityRoom) PruneIntents(_ context.Context, x mdm.Tx, before time.Time, after mdm.IntentID, limit int) (mdm.IntentID, error) {
	t, err := r.s.join(x)
	if err != nil {
		return "", err
	}
	needed := make(map[mdm.IntentID]bool)
	for _, c := range t.certificates.m {
		needed[c.Intent] = true
	}
	seen, next := 0, mdm.IntentID("")
	for _, id := range t.intents.keys() {
		if id <= after || seen == limit {
			continue
		}
		seen++
		next = id
		if i, _ := t.intents.get(id); needed[id] || !i.ExpiresAt.Before(before) {
			continue
		}
		if err := t.intents.del(t, "intent", id); err != nil {
			return "", err
		}
	}
	if seen < limit {
		next = ""
	}
	return next, nil
}
