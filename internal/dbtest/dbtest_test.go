package dbtest

import (
	"database/sql"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestThrowaway starts each server from installed programs, as on a machine on
// which none runs.
func TestThrowaway(t *testing.T) {
	for name, k := range map[string]kind{"PostgreSQL": postgres, "MariaDB": mysql} {
		t.Run(name, func(t *testing.T) {
			k.local = func() []func(string) string { return nil }
			s := &Server{Env: "KEELSON_TEST_NO_SUCH_VARIABLE", kind: k}
			s.Need(t)
			defer s.Close()
			prepared := 0
			prepare := func(db *sql.DB) error {
				prepared++
				_, err := db.Exec("CREATE TABLE keelson_thing (n INT)")
				return err
			}
			for range 2 { // the second test finds what the first has left, emptied
				t.Run("database", func(t *testing.T) {
					db := s.Open(t, s.Name(t, prepare))
					var n int
					require.NoError(t, db.QueryRow("SELECT count(*) FROM keelson_thing").Scan(&n))
					require.Zero(t, n)
					_, err := db.Exec("INSERT INTO keelson_thing VALUES (1)")
					require.NoError(t, err)
				})
			}
			require.Equal(t, 1, prepared)
			require.Empty(t, Tables(t, s.Open(t, s.Blank(t)), s.TablesQuery()))
		})
	}
}

// TestNamed uses the server that an environment variable names, and says so when
// it does not answer.
func TestNamed(t *testing.T) {
	t.Setenv("KEELSON_TEST_NAMED", "postgres://nobody@127.0.0.1:1/nothing?connect_timeout=1")
	s := &Server{Env: "KEELSON_TEST_NAMED", kind: postgres}
	s.once.Do(s.find)
	require.Contains(t, s.why, "KEELSON_TEST_NAMED names a server that does not answer")
	t.Setenv("KEELSON_TEST_NAMED", "no URL")
	s = &Server{Env: "KEELSON_TEST_NAMED", kind: postgres}
	s.once.Do(s.find)
	require.Contains(t, s.why, "it is a URL")
	dsn, err := mysql.parse("root:secret@tcp(127.0.0.1:3306)/test?tls=true")
	require.NoError(t, err)
	require.Equal(t, "root:secret@tcp(127.0.0.1:3306)/other?tls=true", dsn("other"))
	_, err = mysql.parse("root")
	require.ErrorContains(t, err, "data source name")
}
