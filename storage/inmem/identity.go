package inmem

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/mdm"
)

type identityRoom struct{ s *Store }

func (r identityRoom) PutIntent(ctx context.Context, x mdm.Tx, i identity.Intent) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	if _, ok := t.intents.get(i.ID); ok {
		return mdm.Errorf(mdm.CodeConflict, "id", "this intent exists")
	}
	for _, o := range t.intents.m {
		if o.Link == i.Link || o.Challenge == i.Challenge {
			return mdm.Errorf(mdm.CodeConflict, "link", "another intent has this link or challenge")
		}
	}
	i.Serials, i.HardwareIDs = clone(i.Serials), clone(i.HardwareIDs)
	i.CreatedAt, i.ExpiresAt = stored(i.CreatedAt), stored(i.ExpiresAt)
	return t.intents.put(t, "intent", i.ID, i)
}

func (r identityRoom) find(ctx context.Context, tenant mdm.TenantID, match func(*identity.Intent) bool) (i identity.Intent, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error {
		for _, o := range t.intents.m {
			if match(&o) {
				i = o
				i.Serials, i.HardwareIDs = clone(o.Serials), clone(o.HardwareIDs)
				return nil
			}
		}
		return notFound("intent")
	})
	return i, err
}

func (r identityRoom) Intent(ctx context.Context, t mdm.TenantID, id mdm.IntentID) (identity.Intent, error) {
	return r.find(ctx, t, func(i *identity.Intent) bool { return i.ID == id })
}

func (r identityRoom) IntentByLink(ctx context.Context, t mdm.TenantID, link mdm.Hash) (identity.Intent, error) {
	return r.find(ctx, t, func(i *identity.Intent) bool { return i.Link == link })
}

func (r identityRoom) IntentByChallenge(ctx context.Context, t mdm.TenantID, c mdm.Hash) (identity.Intent, error) {
	return r.find(ctx, t, func(i *identity.Intent) bool { return i.Challenge == c })
}

func (r identityRoom) Intents(ctx context.Context, tenant mdm.TenantID, s identity.IntentState, now time.Time, before mdm.IntentID, limit int) (out []identity.Intent, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error {
		for _, id := range slices.Backward(t.intents.keys()) {
			i, _ := t.intents.get(id)
			if before != "" && id >= before || !i.Given() || s != "" && i.State(now) != s || len(out) >= limit {
				continue
			}
			i.Serials, i.HardwareIDs = clone(i.Serials), clone(i.HardwareIDs)
			out = append(out, i)
		}
		return nil
	})
	return out, err
}

func (r identityRoom) UseIntent(ctx context.Context, x mdm.Tx, id mdm.IntentID) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	i, ok := t.intents.get(id)
	if !ok || i.Revoked || i.Used >= max(i.Quota, 1) {
		return mdm.Errorf(mdm.CodeChallenge, "intent", "this enrollment has been used or withdrawn: ask for a new one")
	}
	i.Used++
	return t.intents.put(t, "intent", id, i)
}

func (r identityRoom) RevokeIntent(ctx context.Context, x mdm.Tx, id mdm.IntentID, who mdm.Actor) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	i, ok := t.intents.get(id)
	if !ok {
		return notFound("intent")
	}
	if !i.Revoked {
		i.Revoked, i.RevokedBy = true, who
	}
	return t.intents.put(t, "intent", id, i)
}

func (r identityRoom) NextGeneration(ctx context.Context, x mdm.Tx) (mdm.Generation, error) {
	t, err := r.s.join(x)
	if err != nil {
		return 0, err
	}
	if err := t.write("sequence"); err != nil {
		return 0, err
	}
	return mdm.Generation(next(&t.s.lastGeneration)), nil
}

func issueKey(i mdm.IntentID, k mdm.Hash) string { return string(i) + "/" + k.String() }

func (r identityRoom) Reserve(ctx context.Context, x mdm.Tx, c identity.Certificate, limit int) (identity.Certificate, error) {
	t, err := r.s.join(x)
	if err != nil {
		return identity.Certificate{}, err
	}
	k := issueKey(c.Intent, c.PublicKey)
	if old, ok := t.certificates.get(k); ok {
		return old, nil
	}
	i, ok := t.intents.get(c.Intent)
	if !ok {
		return identity.Certificate{}, notFound("intent")
	}
	if i.Issued >= limit {
		return identity.Certificate{}, mdm.Errorf(mdm.CodeChallenge, "intent", "this enrollment has issued as many certificates as it may: ask for a new one")
	}
	i.Issued++
	if err := t.intents.put(t, "intent", i.ID, i); err != nil {
		return identity.Certificate{}, err
	}
	c.State, c.CreatedAt = identity.Reserved, stored(c.CreatedAt)
	c.Hash, c.DER, c.NotAfter, c.Natural = mdm.Hash{}, nil, time.Time{}, ""
	return c, t.certificates.put(t, "certificate", k, c)
}

func (r identityRoom) FinishIssue(ctx context.Context, x mdm.Tx, c identity.Certificate) (identity.Certificate, error) {
	t, err := r.s.join(x)
	if err != nil {
		return identity.Certificate{}, err
	}
	k := issueKey(c.Intent, c.PublicKey)
	old, ok := t.certificates.get(k)
	if !ok {
		return identity.Certificate{}, notFound("certificate")
	}
	if old.State != identity.Reserved {
		return old, nil
	}
	old.Hash, old.DER, old.NotAfter, old.State = c.Hash, bytes.Clone(c.DER), stored(c.NotAfter), identity.Issued
	if err := t.leaves.put(t, "certificate", c.Hash.String(), k); err != nil {
		return identity.Certificate{}, err
	}
	return old, t.certificates.put(t, "certificate", k, old)
}

// supersede marks the certificates that match.
func (t *tx) supersede(match func(*identity.Certificate) bool) error {
	for _, k := range t.certificates.keys() {
		c, _ := t.certificates.get(k)
		if !match(&c) {
			continue
		}
		c.State = identity.Superseded
		if err := t.certificates.put(t, "certificate", k, c); err != nil {
			return err
		}
	}
	return nil
}

func (r identityRoom) SupersedeBound(ctx context.Context, x mdm.Tx, n mdm.Natural, keep mdm.Hash) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	return t.supersede(func(c *identity.Certificate) bool {
		return c.Natural == n && c.State == identity.Bound && c.Hash != keep
	})
}

func (r identityRoom) Certificate(ctx context.Context, tenant mdm.TenantID, h mdm.Hash) (c identity.Certificate, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error {
		k, ok := t.leaves.get(h.String())
		if !ok {
			return notFound("certificate")
		}
		c, _ = t.certificates.get(k)
		c.DER = bytes.Clone(c.DER)
		return nil
	})
	return c, err
}

func (r identityRoom) Bind(ctx context.Context, x mdm.Tx, h mdm.Hash, n mdm.Natural) (first bool, err error) {
	t, err := r.s.join(x)
	if err != nil {
		return false, err
	}
	k, ok := t.leaves.get(h.String())
	if !ok {
		return false, notFound("certificate")
	}
	c, _ := t.certificates.get(k)
	switch {
	case c.State == identity.Bound && c.Natural == n:
		return false, nil
	case c.State != identity.Issued:
		return false, mdm.Errorf(mdm.CodeIdentity, "certificate", "this certificate is another device's, or has been superseded")
	}
	c.State, c.Natural = identity.Bound, n
	return true, t.certificates.put(t, "certificate", k, c)
}

func (r identityRoom) Enrollment(ctx context.Context, tenant mdm.TenantID, n mdm.Natural) (e mdm.Enrollment, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error { e, err = t.byNatural(n); return err })
	return e, err
}

func (r identityRoom) EnrollmentTx(ctx context.Context, x mdm.Tx, n mdm.Natural) (mdm.Enrollment, error) {
	return lifecycleRoom(r).EnrollmentTx(ctx, x, n)
}
