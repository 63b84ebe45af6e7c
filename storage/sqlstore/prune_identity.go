package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/mdm"
)

// dropOne deletes a row by its key, unless another unit holds it or it does not
// meet the condition any more.
func (t *tx) dropOne(ctx context.Context, what, table, key, still string, args ...any) (bool, error) {
	if t.d.skip != "" {
		var one int
		err := t.q.QueryRowContext(ctx, `SELECT 1 FROM `+table+t.d.keyed+` WHERE tenant = ? AND `+key+still+t.d.skip, append([]any{t.id}, args...)...).Scan(&one)
		if errors.Is(err, sql.ErrNoRows) {
			return false, nil
		}
		if err != nil {
			return false, t.judged(failure("hold a "+what, err))
		}
	}
	n, err := t.exec(ctx, what, t.d.del(table)+` WHERE tenant = ? AND `+key, append([]any{t.id}, args...)...)
	return n > 0, err
}

func (r identityRoom) PruneCertificates(ctx context.Context, x mdm.Tx, before time.Time, limit int) (n int, err error) {
	t, err := r.s.join(x)
	if err != nil {
		return 0, err
	}
	type key struct {
		intent mdm.IntentID
		public []byte
	}
	for _, of := range []struct {
		state identity.State
		since string
	}{{identity.Superseded, "not_after"}, {identity.Issued, "not_after"}, {identity.Reserved, "created_at"}} {
		var keys []key
		err := t.each(ctx, "certificates", `SELECT intent, public_key FROM keelson_certificate WHERE tenant = ? AND state = ? AND `+of.since+` < ? LIMIT ?`,
			[]any{t.id, of.state, mdm.Micros(before), limit - n}, func(rows *sql.Rows) error {
				var k key
				err := rows.Scan(&k.intent, &k.public)
				keys = append(keys, k)
				return err
			})
		if err != nil {
			return 0, err
		}
		for _, k := range keys {
			gone, err := t.dropOne(ctx, "certificate", "keelson_certificate", "intent = ? AND public_key = ?", " AND state = '"+string(of.state)+"'", k.intent, k.public)
			if err != nil {
				return 0, err
			}
			if gone {
				n++
			}
		}
	}
	return n, nil
}

func (r identityRoom) PruneIntents(ctx context.Context, x mdm.Tx, before time.Time, after mdm.IntentID, limit int) (next mdm.IntentID, err error) {
	t, err := r.s.join(x)
	if err != nil {
		return "", err
	}
	var over []mdm.IntentID
	seen := 0
	err = t.each(ctx, "intents", `SELECT i.uid, i.expires_at < ? AND NOT EXISTS (SELECT 1 FROM keelson_certificate c WHERE c.tenant = i.tenant AND c.intent = i.uid)
		FROM keelson_intent i WHERE i.tenant = ? AND i.uid > ? ORDER BY i.uid LIMIT ?`, []any{mdm.Micros(before), t.id, after, limit}, func(rows *sql.Rows) error {
		var gone bool
		if err := rows.Scan(&next, &gone); err != nil {
			return err
		}
		if seen++; gone {
			over = append(over, next)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	for _, id := range over {
		if _, err := t.dropOne(ctx, "intent", "keelson_intent", "uid = ?", "", id); err != nil {
			return "", err
		}
	}
	if seen < limit {
		next = ""
	}
	return next, nil
}
