package sqlstore_test

import (
	"database/sql"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// growing are the tables that grow with the fleet or with time.
const growing = `keelson_(queue|done|content|enrollment|host|seen|row|outbox|member|intent|certificate|apple_\w+|windows_\w+)`

var (
	named       = regexp.MustCompile(`(?:FROM|JOIN|UPDATE|INTO)\s+(keelson_\w+)(?: ([a-z])\b)?`)
	step        = regexp.MustCompile(`^(SCAN|SEARCH) (\w+)(?: USING .*?\((.*)\))?`)
	growingOnly = regexp.MustCompile(`^` + growing + `$`)
	placeholder = regexp.MustCompile(`\?(\d*)`)
)

// whole lists the statements that read all of a tenant's rows because that is
// what they are for.
func wholeOnPurpose(query string) bool {
	for _, retention := range []string{`SELECT DISTINCT content FROM keelson_`, `SELECT traces FROM keelson_row`} {
		if strings.HasPrefix(query, retention) {
			return true
		}
	}
	return strings.HasPrefix(query, `SELECT platform, state, count(*) FROM keelson_host`) ||
		strings.HasPrefix(query, `SELECT count(*) FROM (SELECT host FROM keelson_dirty`)
}

// wasteful returns the steps of a plan that read a growing table whole, or all of
// a tenant's part of it; walking a tenant's part in its order is fine for who
// stops at a limit.
func wasteful(query string, plan []string) (out []string) {
	tables := make(map[string]string) // by their name in the plan
	for _, m := range named.FindAllStringSubmatch(query, -1) {
		tables[m[1]] = m[1]
		if m[2] != "" {
			tables[m[2]] = m[1]
		}
	}
	stops := strings.Contains(query, "LIMIT ?") && !strings.Contains(strings.Join(plan, "\n"), "TEMP B-TREE")
	for _, s := range plan {
		m := step.FindStringSubmatch(s)
		if m == nil || !growingOnly.MatchString(tables[m[2]]) {
			continue
		}
		if m[1] == "SCAN" || m[3] == "tenant=?" && !stops {
			out = append(out, s)
		}
	}
	return out
}

// plan is how SQLite executes a statement, step by step.
func plan(t *testing.T, db *sql.DB, query string) (steps []string) {
	t.Helper()
	n := 0
	for _, m := range placeholder.FindAllStringSubmatch(query, -1) {
		if at, err := strconv.Atoi(m[1]); err == nil {
			n = max(n, at)
		} else {
			n++
		}
	}
	rows, err := db.Query("EXPLAIN QUERY PLAN "+query, make([]any, n)...)
	require.NoError(t, err, query)
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var s string
		require.NoError(t, rows.Scan(&id, &parent, &unused, &s))
		steps = append(steps, s)
	}
	require.NoError(t, rows.Err())
	return steps
}

// checkPlans asks SQLite how it would execute each statement that was made.
func checkPlans(t *testing.T, db *sql.DB, made []string) {
	checked := 0
	for _, q := range made {
		if strings.HasPrefix(q, dumping) || !strings.Contains(q, "keelson_") {
			continue
		}
		checked++
		if bad := wasteful(q, plan(t, db, q)); !wholeOnPurpose(q) && len(bad) > 0 {
			require.Fail(t, "a growing table is read whole", "%s\n%s", q, strings.Join(bad, "\n"))
		}
	}
	require.Greater(t, checked, 80, "the suite makes every statement that there is")
}

// TestPlansCanFail shows that a wasteful plan is found.
func TestPlansCanFail(t *testing.T) {
	_, db := newStore(t)
	for _, q := range []string{
		`SELECT count(*) FROM keelson_queue`,
		`SELECT q.seq FROM keelson_queue q WHERE q.tenant = ? AND q.generation = ?`,
		`UPDATE keelson_row SET ack = 1 WHERE tenant = ? AND content = ?`,
		`SELECT seq FROM keelson_outbox WHERE tenant = ? AND tries = 0 ORDER BY kind LIMIT ?`,
		`SELECT h.id FROM keelson_walk w JOIN keelson_host h ON h.name = w.team WHERE w.tenant = ?`,
	} {
		require.NotEmpty(t, wasteful(q, plan(t, db, q)), q)
	}
	fine := `SELECT q.seq FROM keelson_queue q WHERE q.tenant = ? AND q.enrollment = ? ORDER BY q.lane, q.seq LIMIT ?`
	require.Empty(t, wasteful(fine, plan(t, db, fine)))
}
