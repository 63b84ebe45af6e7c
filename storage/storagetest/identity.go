package storagetest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/mdm"
)

// intent stores an intent for one device.
func (w *world) intent(change ...func(*identity.Intent)) identity.Intent {
	w.t.Helper()
	i := identity.Intent{
		ID: mdm.IntentID(w.uuid()), Kind: identity.KindNew, Way: identity.Manual, Link: w.hash(), Challenge: w.hash(),
		Quota: 1, CreatedAt: w.now, ExpiresAt: w.now.Add(time.Hour),
	}
	for _, f := range change {
		f(&i)
	}
	w.do(func(ctx context.Context, tx mdm.Tx) error { return w.s.Identity().PutIntent(ctx, tx, i) })
	return i
}

// blank is what a key asks to have reserved.
func (w *world) blank(i identity.Intent) identity.Certificate {
	return identity.Certificate{
		Intent: i.ID, Kind: i.Kind, PublicKey: w.hash(), Enrollment: mdm.EnrollmentID(w.uuid()), Generation: 41,
		State: identity.Reserved, Team: i.Team, Person: i.Person, CreatedAt: w.now,
	}
}

func (w *world) reserve(c identity.Certificate, limit int) (out identity.Certificate, err error) {
	err = w.try(func(ctx context.Context, tx mdm.Tx) (err error) {
		out, err = w.s.Identity().Reserve(ctx, tx, c, limit)
		return err
	})
	return out, err
}

// finished fills in what a signature adds.
func (w *world) finished(c identity.Certificate) identity.Certificate {
	c.Hash, c.DER, c.NotAfter, c.State = w.hash(), []byte(w.name("DER")), w.now.Add(time.Hour), identity.Issued
	return c
}

func (w *world) finish(c identity.Certificate) identity.Certificate {
	w.t.Helper()
	return in(w, func(ctx context.Context, tx mdm.Tx) (identity.Certificate, error) {
		return w.s.Identity().FinishIssue(ctx, tx, c)
	})
}

// issued makes an issued certificate.
func (w *world) issued(i identity.Intent) identity.Certificate {
	w.t.Helper()
	c, err := w.reserve(w.blank(i), 8)
	require.NoError(w.t, err)
	return w.finish(w.finished(c))
}

func (w *world) bind(c identity.Certificate, n mdm.Natural) (first bool, err error) {
	err = w.try(func(ctx context.Context, tx mdm.Tx) (err error) {
		first, err = w.s.Identity().Bind(ctx, tx, c.Hash, n)
		return err
	})
	return first, err
}

// stateOf reads where a certificate stands.
func (w *world) stateOf(c identity.Certificate) identity.State {
	w.t.Helper()
	return got[identity.Certificate](w)(w.s.Identity().Certificate(w.ctx, w.tenant, c.Hash)).State
}

// identityIntents holds intents and the sequence of generations.
func identityIntents() []test {
	use := func(w *world, i identity.Intent) error {
		return w.try(func(ctx context.Context, tx mdm.Tx) error { return w.s.Identity().UseIntent(ctx, tx, i.ID) })
	}
	return []test{
		{"found by each of its names", "Intent, IntentByLink, IntentByChallenge", func(t *testing.T, w *world) {
			plain := w.intent()
			full := w.intent(func(i *identity.Intent) {
				i.Kind, i.Way, i.Platform = identity.KindRenewal, identity.ADE, mdm.IPadOS
				i.Serials, i.HardwareIDs = []string{"A", "B"}, []string{"C"}
				i.Person, i.Team, i.Quota, i.Used, i.Issued = "ann@example.com", 7, 200, 3, 5
				i.Enrollment, i.Generation = mdm.EnrollmentID(w.uuid()), 9
				i.Actor = mdm.Actor{Kind: "user", Name: "bob", Reason: "asked"}
				i.Revoked, i.RevokedBy = true, mdm.Actor{Kind: "token", Name: "ci"}
			})
			for _, i := range []identity.Intent{plain, full} {
				require.Equal(t, i, got[identity.Intent](w)(w.s.Identity().Intent(w.ctx, w.tenant, i.ID)))
				require.Equal(t, i, got[identity.Intent](w)(w.s.Identity().IntentByLink(w.ctx, w.tenant, i.Link)))
				require.Equal(t, i, got[identity.Intent](w)(w.s.Identity().IntentByChallenge(w.ctx, w.tenant, i.Challenge)))
			}
		}},
		{"not found", "Getters return a CodeNotFound error when there is no row", func(t *testing.T, w *world) {
			i := w.intent()
			_, err := w.s.Identity().Intent(w.ctx, w.tenant, mdm.IntentID(w.uuid()))
			require.ErrorIs(t, err, mdm.CodeNotFound)
			_, err = w.s.Identity().IntentByLink(w.ctx, w.tenant, i.Challenge)
			require.ErrorIs(t, err, mdm.CodeNotFound)
			_, err = w.s.Identity().IntentByChallenge(w.ctx, w.tenant, i.Link)
			require.ErrorIs(t, err, mdm.CodeNotFound)
		}},
		{"inserted once", "PutIntent inserts an intent", func(t *testing.T, w *world) {
			i := w.intent()
			same := func(change func(*identity.Intent)) error {
				j := i
				j.ID, j.Link, j.Challenge = mdm.IntentID(w.uuid()), w.hash(), w.hash()
				change(&j)
				return w.try(func(ctx context.Context, tx mdm.Tx) error { return w.s.Identity().PutIntent(ctx, tx, j) })
			}
			require.ErrorIs(t, same(func(j *identity.Intent) { j.ID = i.ID }), mdm.CodeConflict)
			require.ErrorIs(t, same(func(j *identity.Intent) { j.Link = i.Link }), mdm.CodeConflict, "a link leads to one intent")
			require.ErrorIs(t, same(func(j *identity.Intent) { j.Challenge = i.Challenge }), mdm.CodeConflict)
			require.NoError(t, same(func(*identity.Intent) {}))
		}},
		{"quota", "It returns a CodeChallenge error when the quota is used up", func(t *testing.T, w *world) {
			i := w.intent(func(i *identity.Intent) { i.Quota = 2 })
			require.NoError(t, use(w, i))
			require.NoError(t, use(w, i))
			require.ErrorIs(t, use(w, i), mdm.CodeChallenge)
			require.Equal(t, 2, got[identity.Intent](w)(w.s.Identity().Intent(w.ctx, w.tenant, i.ID)).Used)
			zero := w.intent(func(i *identity.Intent) { i.Quota = 0 }) // means 1
			require.NoError(t, use(w, zero))
			require.ErrorIs(t, use(w, zero), mdm.CodeChallenge)
		}},
		{"revoked", "RevokeIntent closes an intent and records who did; the first stays on record. UseIntent returns a CodeChallenge error when … the intent is revoked", func(t *testing.T, w *world) {
			i := w.intent()
			ann, bob := mdm.Actor{Kind: "user", Name: "ann", Reason: "stolen"}, mdm.Actor{Kind: "user", Name: "bob"}
			revoke := func(id mdm.IntentID, who mdm.Actor) error {
				return w.try(func(ctx context.Context, tx mdm.Tx) error { return w.s.Identity().RevokeIntent(ctx, tx, id, who) })
			}
			require.NoError(t, revoke(i.ID, ann))
			require.ErrorIs(t, use(w, i), mdm.CodeChallenge)
			i.Revoked, i.RevokedBy = true, ann
			require.Equal(t, i, got[identity.Intent](w)(w.s.Identity().Intent(w.ctx, w.tenant, i.ID)))
			require.NoError(t, revoke(i.ID, bob), "twice is no error")
			require.Equal(t, i, got[identity.Intent](w)(w.s.Identity().Intent(w.ctx, w.tenant, i.ID)))
			system := w.intent()
			require.NoError(t, revoke(system.ID, mdm.Actor{}))
			require.NoError(t, revoke(system.ID, bob))
			require.Zero(t, got[identity.Intent](w)(w.s.Identity().Intent(w.ctx, w.tenant, system.ID)).RevokedBy)
			require.ErrorIs(t, revoke(mdm.IntentID(w.uuid()), ann), mdm.CodeNotFound)
		}},
		{"of an intent that does not exist", "It returns a CodeChallenge error", func(t *testing.T, w *world) {
			require.ErrorIs(t, use(w, identity.Intent{ID: mdm.IntentID(w.uuid())}), mdm.CodeChallenge)
		}},
		{"generations rise", "NextGeneration draws from a sequence that only rises, over all tenants", func(t *testing.T, w *world) {
			other := over(t, w.h, w.s, "beta")
			last := mdm.Generation(0)
			for i := range 6 {
				from := []*world{w, other}[i%2]
				g := in(from, func(ctx context.Context, tx mdm.Tx) (mdm.Generation, error) {
					a, err := w.s.Identity().NextGeneration(ctx, tx)
					require.NoError(t, err)
					b, err := w.s.Identity().NextGeneration(ctx, tx)
					require.Greater(t, b, a)
					return a, err
				})
				require.Greater(t, g, last)
				last = g + 1
			}
		}},
	}
}

// identityCertificates holds how certificates are reserved, issued and bound.
func identityCertificates() []test {
	return []test{
		{"reserved once for a key", "Reserve inserts c as reserved and counts it on its intent, or returns the row that (intent, public key) has already", func(t *testing.T, w *world) {
			i := w.intent(func(i *identity.Intent) { i.Person, i.Team = "ann", 3 })
			ask := w.blank(i)
			first, err := w.reserve(ask, 1)
			require.NoError(t, err)
			require.Equal(t, ask, first)
			again := ask
			again.Enrollment, again.Generation = mdm.EnrollmentID(w.uuid()), 99
			second, err := w.reserve(again, 1)
			require.NoError(t, err, "a repeated request is not counted")
			require.Equal(t, first, second)
			require.Equal(t, 1, got[identity.Intent](w)(w.s.Identity().Intent(w.ctx, w.tenant, i.ID)).Issued)

			done := w.finish(w.finished(first))
			third, err := w.reserve(again, 1)
			require.NoError(t, err)
			require.Equal(t, done, third)
		}},
		{"no more than the limit", "It returns a CodeChallenge error when the intent has issued limit certificates", func(t *testing.T, w *world) {
			i := w.intent()
			for range 3 {
				_, err := w.reserve(w.blank(i), 3)
				require.NoError(t, err)
			}
			before := w.dump()
			_, err := w.reserve(w.blank(i), 3)
			require.ErrorIs(t, err, mdm.CodeChallenge)
			require.Equal(t, before, w.dump())
		}},
		{"for an intent that does not exist", "Rows of another tenant do not exist", func(t *testing.T, w *world) {
			_, err := w.reserve(w.blank(identity.Intent{ID: mdm.IntentID(w.uuid())}), 3)
			require.ErrorIs(t, err, mdm.CodeNotFound)
		}},
		{"the first signature wins", "When another did that first, it returns that row", func(t *testing.T, w *world) {
			c, err := w.reserve(w.blank(w.intent()), 1)
			require.NoError(t, err)
			one, two := w.finished(c), w.finished(c)
			require.Equal(t, one, w.finish(one))
			require.Equal(t, one, w.finish(two))
			require.Equal(t, one, got[identity.Certificate](w)(w.s.Identity().Certificate(w.ctx, w.tenant, one.Hash)))
			_, err = w.s.Identity().Certificate(w.ctx, w.tenant, two.Hash)
			require.ErrorIs(t, err, mdm.CodeNotFound)
		}},
		{"finish what nobody reserved", "FinishIssue stores hash, DER and NotAfter of a reserved certificate", func(t *testing.T, w *world) {
			c := w.finished(w.blank(w.intent()))
			require.ErrorIs(t, w.try(func(ctx context.Context, tx mdm.Tx) error {
				_, err := w.s.Identity().FinishIssue(ctx, tx, c)
				return err
			}), mdm.CodeNotFound)
		}},
		{"no certificate has no hash", "Hash … zero while reserved", func(t *testing.T, w *world) {
			_, err := w.reserve(w.blank(w.intent()), 1)
			require.NoError(t, err)
			_, err = w.s.Identity().Certificate(w.ctx, w.tenant, mdm.Hash{})
			require.ErrorIs(t, err, mdm.CodeNotFound)
			_, err = w.bind(identity.Certificate{}, "apple:A")
			require.ErrorIs(t, err, mdm.CodeNotFound)
		}},
		{"bound to one channel", "Bind pins an issued certificate to a channel. Binding it again to the same channel changes nothing; First is set when this call bound it", func(t *testing.T, w *world) {
			c := w.issued(w.intent())
			first, err := w.bind(c, "apple:A")
			require.NoError(t, err)
			require.True(t, first)
			before := w.dump()
			first, err = w.bind(c, "apple:A")
			require.NoError(t, err)
			require.False(t, first)
			require.Equal(t, before, w.dump())
			now := got[identity.Certificate](w)(w.s.Identity().Certificate(w.ctx, w.tenant, c.Hash))
			require.Equal(t, identity.Bound, now.State)
			require.Equal(t, mdm.Natural("apple:A"), now.Natural)
		}},
		{"A cannot come as B", "a bound certificate with another channel … is a CodeIdentity error", func(t *testing.T, w *world) {
			c := w.issued(w.intent())
			_, err := w.bind(c, "apple:A")
			require.NoError(t, err)
			before := w.dump()
			_, err = w.bind(c, "apple:B")
			require.ErrorIs(t, err, mdm.CodeIdentity)
			require.Equal(t, before, w.dump())
		}},
		{"superseded binds nothing", "a superseded one is a CodeIdentity error", func(t *testing.T, w *world) {
			c := w.issued(w.intent())
			_, err := w.bind(c, "apple:A")
			require.NoError(t, err)
			w.supersedeBound("apple:A", mdm.Hash{})
			_, err = w.bind(c, "apple:A")
			require.ErrorIs(t, err, mdm.CodeIdentity)
		}},
		{"unknown binds nothing", "Getters return a CodeNotFound error when there is no row", func(t *testing.T, w *world) {
			_, err := w.bind(identity.Certificate{Hash: w.hash()}, "apple:A")
			require.ErrorIs(t, err, mdm.CodeNotFound)
		}},
		{"supersede all but one", "SupersedeBound marks the channel's bound certificates other than keep as superseded. A zero keep marks all", func(t *testing.T, w *world) {
			i := w.intent(func(i *identity.Intent) { i.Quota = 9 })
			a, b, c, other, loose := w.issued(i), w.issued(i), w.issued(i), w.issued(i), w.issued(i)
			for _, x := range []identity.Certificate{a, b, c} {
				_, err := w.bind(x, "apple:A")
				require.NoError(t, err)
			}
			_, err := w.bind(other, "apple:B")
			require.NoError(t, err)
			w.supersedeBound("apple:A", b.Hash)
			require.Equal(t, identity.Superseded, w.stateOf(a))
			require.Equal(t, identity.Bound, w.stateOf(b))
			require.Equal(t, identity.Superseded, w.stateOf(c))
			w.supersedeBound("apple:A", mdm.Hash{})
			require.Equal(t, identity.Superseded, w.stateOf(b))
			require.Equal(t, identity.Bound, w.stateOf(other))
			require.Equal(t, identity.Issued, w.stateOf(loose))
			require.Equal(t, mdm.Natural("apple:A"), got[identity.Certificate](w)(w.s.Identity().Certificate(w.ctx, w.tenant, a.Hash)).Natural)
		}},
		{"the channel", "Enrollment returns the channel of that natural key: a read of a table that lifecycle writes", func(t *testing.T, w *world) {
			e := w.enroll()
			require.Equal(t, e, got[mdm.Enrollment](w)(w.s.Identity().Enrollment(w.ctx, w.tenant, e.Natural)))
			require.Equal(t, e, in(w, func(ctx context.Context, tx mdm.Tx) (mdm.Enrollment, error) {
				return w.s.Identity().EnrollmentTx(ctx, tx, e.Natural)
			}))
			_, err := w.s.Identity().Enrollment(w.ctx, w.tenant, "apple:nobody")
			require.ErrorIs(t, err, mdm.CodeNotFound)
		}},
	}
}

func (w *world) supersedeBound(n mdm.Natural, keep mdm.Hash) {
	w.t.Helper()
	w.do(func(ctx context.Context, tx mdm.Tx) error { return w.s.Identity().SupersedeBound(ctx, tx, n, keep) })
}
