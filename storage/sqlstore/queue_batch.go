package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"strings"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
)

// batched is one command of many, as a row of a JSON list: one argument for lists
// of every length, on every database.
type batched struct {
	N          int    `json:"n"`
	Enrollment int64  `json:"enrollment"`
	Lane       int64  `json:"lane"`
	UID        string `json:"uid"`
	Generation int64  `json:"generation"`
	Owner      string `json:"owner"`
	RefKey     int64  `json:"ref_key"`
	RefOrder   int64  `json:"ref_order"`
	Kind       string `json:"kind"`
	SHA        string `json:"sha"` // hex
	NotBefore  int64  `json:"not_before"`
	Expires    int64  `json:"expires"`
	Resource   string `json:"resource"`
	Redelivery string `json:"redelivery"`
	Actor      string `json:"actor"`
	QueuedAt   int64  `json:"queued_at"`
}

// batchColumns are batched's, those of text marked.
var batchColumns = []string{"n", "enrollment", "lane", "uid:text", "generation", "owner:text", "ref_key", "ref_order", "kind:text",
	"sha:text", "not_before", "expires", "resource:text", "redelivery:text", "actor:text", "queued_at"}

// recordset makes a table v of a JSON list with these columns.
func (d *dialect) recordset(columns []string) string {
	var b strings.Builder
	for i, c := range columns {
		name, kind, _ := strings.Cut(c, ":")
		if i > 0 {
			b.WriteString(", ")
		}
		switch d.name {
		case PostgreSQL:
			b.WriteString(name + " " + map[string]string{"": "bigint", "text": "text"}[kind])
		case MySQL:
			b.WriteString(name + " " + map[string]string{"": "BIGINT", "text": "VARCHAR(1024)"}[kind] + " PATH '$." + name + "'")
		default:
			b.WriteString("json_extract(value, '$." + name + "') AS " + name)
		}
	}
	switch d.name {
	case PostgreSQL:
		return "json_to_recordset(CAST(? AS json)) AS v(" + b.String() + ")"
	case MySQL:
		return "JSON_TABLE(?, '$[*]' COLUMNS (" + b.String() + ")) v"
	}
	return "(SELECT " + b.String() + " FROM json_each(?)) v"
}

// alone reports whether an entry cannot be one of a batch: what it finds in the
// queue decides what becomes of it.
func alone(e *queue.Entry) bool { return e.Idempotency != "" || e.Supersede != "" }

// enqueueMany queues entries that stand for themselves, in one statement where
// the database tells the keys that it made, and in two elsewhere.
func (t *tx) enqueueMany(ctx context.Context, entries []queue.Entry) error {
	rows := make([]batched, len(entries))
	at := make(map[mdm.CommandID]*queue.Entry, len(entries))
	for i := range entries {
		e := &entries[i]
		if at[e.ID] != nil {
			return mdm.Errorf(mdm.CodeConflict, "id", takenID)
		}
		at[e.ID] = e
		actor, err := actorColumn{&e.Actor}.Value()
		if err != nil {
			return err
		}
		rows[i] = batched{
			i, int64(e.Enrollment), int64(e.Lane), string(e.ID), int64(e.Generation), string(e.Owner), e.Ref.Key, e.Ref.Order, e.Kind,
			e.Hash.String(), mdm.Micros(e.NotBefore), mdm.Micros(e.Expires), e.Resource, string(e.Redelivery), actor.(string), mdm.Micros(e.Queued),
		}
	}
	list, err := json.Marshal(rows)
	if err != nil {
		return err
	}
	insert := `INSERT INTO keelson_queue (tenant, enrollment, lane, uid, generation, owner, ref_key, ref_order, kind, content,
		not_before, expires, resource, supersede, redelivery, actor, queued_at)
		SELECT e.tenant, e.id, v.lane, v.uid, v.generation, v.owner, v.ref_key, v.ref_order, v.kind, v.content,
		v.not_before, v.expires, v.resource, '', v.redelivery, v.actor, v.queued_at
		FROM (SELECT v.*, (SELECT c.id FROM keelson_content c WHERE c.tenant = ? AND c.sha = ` + t.d.fromHex("v.sha") + `) AS content
			FROM ` + t.d.recordset(batchColumns) + `) v JOIN keelson_enrollment e ON e.id = v.enrollment AND ` + t.d.plus + `e.tenant = ?
		WHERE v.content IS NOT NULL
		AND NOT EXISTS (SELECT 1 FROM keelson_done d WHERE d.tenant = e.tenant AND d.uid = v.uid) ORDER BY v.n`
	args := []any{t.id, string(list), t.id}
	found := 0
	take := func(rows *sql.Rows) error {
		var id mdm.CommandID
		var seq int64
		if err := rows.Scan(&id, &seq); err != nil {
			return err
		}
		if e := at[id]; e != nil {
			e.Seq = seq
			found++
		}
		return nil
	}
	if t.d.name != MySQL {
		if err := t.write("queue"); err != nil {
			return err
		}
		err = t.each(ctx, "the queue", insert+` ON CONFLICT DO NOTHING RETURNING uid, seq`, args, take)
	} else if _, err = t.exec(ctx, "queue", insert, args...); err == nil {
		err = t.each(ctx, "the queue", `SELECT q.uid, q.seq FROM `+t.d.recordset([]string{"uid:text"})+`
			JOIN keelson_queue q ON q.tenant = ? AND q.uid = `+t.d.asBytes("v.uid"), []any{string(list), t.id}, take)
	}
	if err != nil {
		return takenAs(err, "id", takenID)
	}
	if found == len(entries) {
		return nil
	}
	for i := range entries { // say which, and why
		if entries[i].Seq == 0 {
			if err := t.unknownID(ctx, entries[i].ID); err != nil {
				return err
			}
			return noSuchEnrollment()
		}
	}
	return nil
}
