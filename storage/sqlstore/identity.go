package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/mdm"
)

type identityRoom struct{ s *Store }

// expects is what an intent expects of its device, as its column keeps it.
type expects struct {
	Serials     []string `json:"serials,omitempty"`
	HardwareIDs []string `json:"hardware_ids,omitempty"`
}

func (r identityRoom) PutIntent(ctx context.Context, x mdm.Tx, i identity.Intent) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	want, err := json.Marshal(expects{i.Serials, i.HardwareIDs})
	if err != nil {
		return err
	}
	_, err = t.guarded(ctx, "intent", `INSERT INTO keelson_intent (tenant, uid, kind, way, link, challenge, platform, expects, person, team,
		quota, used, issued, enrollment, generation, actor, created_at, expires_at, revoked, revoked_by)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		t.id, i.ID, i.Kind, i.Way, i.Link[:], i.Challenge[:], i.Platform, string(want), i.Person, i.Team,
		i.Quota, i.Used, i.Issued, i.Enrollment, i.Generation, actorColumn{&i.Actor}, mdm.Micros(i.CreatedAt), mdm.Micros(i.ExpiresAt),
		i.Revoked, actorColumn{&i.RevokedBy})
	return takenAs(err, "id", "this intent exists")
}

const intentColumns = `uid, kind, way, link, challenge, platform, expects, person, team, quota, used, issued,
	enrollment, generation, actor, created_at, expires_at, revoked, revoked_by`

// scanIntent scans intentColumns.
func scanIntent(scan func(...any) error) (i identity.Intent, err error) {
	var link, challenge []byte
	var want string
	var created, expires int64
	if err := scan(&i.ID, &i.Kind, &i.Way, &link, &challenge, &i.Platform, &want, &i.Person, &i.Team, &i.Quota, &i.Used, &i.Issued,
		&i.Enrollment, &i.Generation, actorColumn{&i.Actor}, &created, &expires, &i.Revoked, actorColumn{&i.RevokedBy}); err != nil {
		return i, failure("intent", err)
	}
	var e expects
	if err := json.Unmarshal([]byte(want), &e); err != nil {
		return i, mdm.WrapError(mdm.CodeInternal, "", "a stored intent cannot be read", err)
	}
	copy(i.Link[:], link)
	copy(i.Challenge[:], challenge)
	i.Serials, i.HardwareIDs = e.Serials, e.HardwareIDs
	i.CreatedAt, i.ExpiresAt = mdm.FromMicros(created), mdm.FromMicros(expires)
	return i, nil
}

func (r identityRoom) intent(ctx context.Context, tenant mdm.TenantID, where string, arg any) (i identity.Intent, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error {
		i, err = scanIntent(t.q.QueryRowContext(ctx, `SELECT `+intentColumns+` FROM keelson_intent WHERE tenant = ? AND `+where, t.id, arg).Scan)
		return err
	})
	return i, err
}

func (r identityRoom) Intent(ctx context.Context, t mdm.TenantID, id mdm.IntentID) (identity.Intent, error) {
	return r.intent(ctx, t, `uid = ?`, id)
}

func (r identityRoom) IntentByLink(ctx context.Context, t mdm.TenantID, link mdm.Hash) (identity.Intent, error) {
	return r.intent(ctx, t, `link = ?`, link[:])
}

func (r identityRoom) IntentByChallenge(ctx context.Context, t mdm.TenantID, c mdm.Hash) (identity.Intent, error) {
	return r.intent(ctx, t, `challenge = ?`, c[:])
}

func (r identityRoom) UseIntent(ctx context.Context, x mdm.Tx, id mdm.IntentID) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	n, err := t.exec(ctx, "intent", `UPDATE keelson_intent SET used = used + 1
		WHERE tenant = ? AND uid = ? AND NOT revoked AND (used < quota OR used < 1)`, t.id, id)
	if err == nil && n == 0 {
		return mdm.Errorf(mdm.CodeChallenge, "intent", "this enrollment has been used or withdrawn: ask for a new one")
	}
	return err
}

func (r identityRoom) RevokeIntent(ctx context.Context, x mdm.Tx, id mdm.IntentID, who mdm.Actor) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	n, err := t.exec(ctx, "intent", `UPDATE keelson_intent SET revoked_by = CASE WHEN revoked THEN revoked_by ELSE ? END, revoked = true
		WHERE tenant = ? AND uid = ?`, actorColumn{&who}, t.id, id)
	return t.touched(ctx, n, err, "intent", "keelson_intent", "uid", id)
}

func (r identityRoom) NextGeneration(ctx context.Context, x mdm.Tx) (g mdm.Generation, err error) {
	t, err := r.s.join(x)
	if err != nil {
		return 0, err
	}
	if err := t.write("sequence"); err != nil {
		return 0, err
	}
	n, err := t.d.generation(ctx, t.q)
	return mdm.Generation(n), t.judged(failure("draw from a sequence", err))
}

const certificateColumns = `intent, public_key, kind, enrollment, generation, sha, der, not_after, natural_key, state, team, person, created_at`

func (t *tx) certificates(ctx context.Context, where string, args ...any) (out []identity.Certificate, err error) {
	err = t.each(ctx, "certificates", `SELECT `+certificateColumns+` FROM keelson_certificate WHERE tenant = ? AND `+where,
		append([]any{t.id}, args...), func(rows *sql.Rows) error {
			var c identity.Certificate
			var key, sha []byte
			var notAfter, created int64
			if err := rows.Scan(&c.Intent, &key, &c.Kind, &c.Enrollment, &c.Generation, &sha, &c.DER, &notAfter, &c.Natural,
				&c.State, &c.Team, &c.Person, &created); err != nil {
				return err
			}
			copy(c.PublicKey[:], key)
			copy(c.Hash[:], sha)
			c.NotAfter, c.CreatedAt = mdm.FromMicros(notAfter), mdm.FromMicros(created)
			out = append(out, c)
			return nil
		})
	return out, err
}

func (t *tx) certificate(ctx context.Context, where string, args ...any) (identity.Certificate, error) {
	cs, err := t.certificates(ctx, where, args...)
	if err != nil {
		return identity.Certificate{}, err
	}
	if len(cs) == 0 {
		return identity.Certificate{}, failure("certificate", sql.ErrNoRows)
	}
	return cs[0], nil
}

const byIssue = `intent = ? AND public_key = ?`

func (r identityRoom) Reserve(ctx context.Context, x mdm.Tx, c identity.Certificate, limit int) (identity.Certificate, error) {
	t, err := r.s.join(x)
	if err != nil {
		return identity.Certificate{}, err
	}
	old, err := t.certificate(ctx, byIssue, c.Intent, c.PublicKey[:])
	if mdm.CodeOf(err) == mdm.CodeNotFound && t.d.lock != "" { // another may be about to reserve it
		if err = t.hold(ctx, "intent", `SELECT uid FROM keelson_intent WHERE tenant = ? AND uid = ?`, t.id, c.Intent); err == nil {
			old, err = t.certificate(ctx, byIssue, c.Intent, c.PublicKey[:])
		}
	}
	if mdm.CodeOf(err) != mdm.CodeNotFound {
		return old, err
	}
	n, err := t.exec(ctx, "intent", `UPDATE keelson_intent SET issued = issued + 1 WHERE tenant = ? AND uid = ? AND issued < ?`, t.id, c.Intent, limit)
	if err != nil {
		return identity.Certificate{}, err
	}
	if n == 0 {
		var known bool
		err := t.q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM keelson_intent WHERE tenant = ? AND uid = ?)`, t.id, c.Intent).Scan(&known)
		if err != nil {
			return identity.Certificate{}, failure("read an intent", err)
		}
		if !known {
			return identity.Certificate{}, failure("intent", sql.ErrNoRows)
		}
		return identity.Certificate{}, mdm.Errorf(mdm.CodeChallenge, "intent", "this enrollment has issued as many certificates as it may: ask for a new one")
	}
	c.State, c.CreatedAt = identity.Reserved, mdm.FromMicros(mdm.Micros(c.CreatedAt))
	c.Hash, c.DER, c.NotAfter, c.Natural = mdm.Hash{}, nil, time.Time{}, ""
	_, err = t.exec(ctx, "certificate", `INSERT INTO keelson_certificate (tenant, `+certificateColumns+`)
		VALUES (?, ?, ?, ?, ?, ?, NULL, NULL, 0, '', ?, ?, ?, ?)`,
		t.id, c.Intent, c.PublicKey[:], c.Kind, c.Enrollment, c.Generation, c.State, c.Team, c.Person, mdm.Micros(c.CreatedAt))
	return c, err
}

func (r identityRoom) FinishIssue(ctx context.Context, x mdm.Tx, c identity.Certificate) (identity.Certificate, error) {
	t, err := r.s.join(x)
	if err != nil {
		return identity.Certificate{}, err
	}
	_, err = t.exec(ctx, "certificate", `UPDATE keelson_certificate SET sha = ?, der = ?, not_after = ?, state = 'issued'
		WHERE tenant = ? AND `+byIssue+` AND state = 'reserved'`, c.Hash[:], c.DER, mdm.Micros(c.NotAfter), t.id, c.Intent, c.PublicKey[:])
	if err != nil {
		return identity.Certificate{}, err
	}
	return t.certificate(ctx, byIssue, c.Intent, c.PublicKey[:])
}

func (r identityRoom) SupersedeBound(ctx context.Context, x mdm.Tx, n mdm.Natural, keep mdm.Hash) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "certificate", `UPDATE keelson_certificate SET state = 'superseded'
		WHERE tenant = ? AND natural_key = ? AND natural_key <> '' AND state = 'bound' AND sha <> ?`, t.id, n, keep[:])
	return err
}

func (r identityRoom) Certificate(ctx context.Context, tenant mdm.TenantID, h mdm.Hash) (c identity.Certificate, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error { c, err = t.certificate(ctx, `sha = ?`, h[:]); return err })
	return c, err
}

func (r identityRoom) Bind(ctx context.Context, x mdm.Tx, h mdm.Hash, n mdm.Natural) (first bool, err error) {
	t, err := r.s.join(x)
	if err != nil {
		return false, err
	}
	touched, err := t.exec(ctx, "certificate", `UPDATE keelson_certificate SET state = 'bound', natural_key = ?
		WHERE tenant = ? AND sha = ? AND state = 'issued'`, n, t.id, h[:])
	if err != nil || touched > 0 {
		return touched > 0, err
	}
	c, err := t.certificate(ctx, `sha = ?`, h[:])
	if err != nil {
		return false, err
	}
	if c.State == identity.Bound && c.Natural == n {
		return false, nil
	}
	return false, mdm.Errorf(mdm.CodeIdentity, "certificate", "this certificate is another device's, or has been superseded")
}

func (r identityRoom) Enrollment(ctx context.Context, tenant mdm.TenantID, n mdm.Natural) (e mdm.Enrollment, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error { e, err = t.enrollment(ctx, `e.natural_key = ?`, n); return err })
	return e, err
}

func (r identityRoom) EnrollmentTx(ctx context.Context, x mdm.Tx, n mdm.Natural) (mdm.Enrollment, error) {
	return lifecycleRoom(r).EnrollmentTx(ctx, x, n)
}
