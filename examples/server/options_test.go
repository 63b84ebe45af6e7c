package main

import (
	"bytes"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func environment(vars map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := vars[name]; return v, ok }
}

func TestOptionsComeFromFlagsAndThenTheEnvironment(t *testing.T) {
	o, err := readOptions([]string{"-listen", ":1", "-demo"}, environment(map[string]string{
		"KEELSON_LISTEN": ":2", "KEELSON_TLS_CERT": "chain.pem", "KEELSON_LOG_LEVEL": "debug", "KEELSON_TOKEN": "a token from outside",
	}), io.Discard)
	require.NoError(t, err)
	require.Equal(t, ":1", o.listen, "a flag goes first")
	require.Equal(t, "chain.pem", o.tlsCert)
	require.Equal(t, "chain.pem", o.tlsKey, "both may be one file")
	require.Equal(t, slog.LevelDebug, o.logLevel)
	require.Equal(t, "a token from outside", o.token)
	require.True(t, o.demo)
	require.Equal(t, "keelson-data", o.data)
}

func TestTheDemonstrationIsQuiet(t *testing.T) {
	for level, args := range map[slog.Level][]string{
		slog.LevelWarn: {"-demo"}, slog.LevelInfo: {"-demo", "-log-level", "info"}, slog.LevelError: {"-log-level", "error"},
	} {
		o, err := readOptions(args, environment(nil), io.Discard)
		require.NoError(t, err)
		require.Equal(t, level, o.logLevel)
	}
	o, err := readOptions(nil, environment(nil), io.Discard)
	require.NoError(t, err)
	require.Equal(t, slog.LevelInfo, o.logLevel)
}

func TestOptionsThatCannotBe(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		env  map[string]string
		want string
	}{
		"an argument":         {args: []string{"serve"}, want: "not a flag"},
		"http":                {args: []string{"-url", "http://mdm.example.com"}, want: "-url"},
		"no host":             {args: []string{"-url", "https://"}, want: "-url"},
		"a key alone":         {args: []string{"-apns-key", "k.pem"}, want: "-apns-cert"},
		"a TLS key alone":     {args: []string{"-tls-key", "k.pem"}, want: "-tls-cert"},
		"a user alone":        {args: []string{"-user", "ada"}, want: "-password"},
		"a short token":       {args: []string{"-token", "secret"}, want: "16 characters"},
		"two push services":   {args: []string{"-demo", "-apns-cert", "c.pem"}, want: "push service of its own"},
		"nowhere":             {args: []string{"-data", ""}, want: "directory"},
		"a wrong environment": {env: map[string]string{"KEELSON_DEMO": "maybe not"}, want: "KEELSON_DEMO"},
		"a wrong level":       {env: map[string]string{"KEELSON_LOG_LEVEL": "loud"}, want: "KEELSON_LOG_LEVEL"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readOptions(c.args, environment(c.env), io.Discard)
			require.ErrorContains(t, err, c.want)
			for _, v := range c.env {
				require.NotContains(t, err.Error(), v, "the environment holds secrets")
			}
		})
	}
}

func TestHelpAndWrongFlags(t *testing.T) {
	var out bytes.Buffer
	require.Zero(t, run(t.Context(), []string{"-help"}, environment(nil), &out, &out))
	require.Contains(t, out.String(), "KEELSON_APNS_CERT")
	require.Equal(t, 2, run(t.Context(), []string{"-nonsense"}, environment(nil), &out, &out))
}

func TestWrongDatabases(t *testing.T) {
	for spec, want := range map[string]string{
		"postgres://ada:lovelace@127.0.0.1:1/mdm?connect_timeout=1": "the schema could not be brought up to date",
		"postgres://ada:lovelace@127.0.0.1:port/mdm":                "the schema could not be brought up to date",
		"mysql://ada:lovelace@127.0.0.1:1/mdm?timeout=1s":           "the schema could not be brought up to date",
		"mysql://ada:lovelace@127.0.0.1":                            "mysql needs mysql://",
		"mysql:lovelace":                                            "mysql needs mysql://",
		"oracle:lovelace":                                           "use memory:, sqlite:PATH, postgres://… or mysql://…",
		"sqlite:":                                                   "needs the path",
	} {
		var out bytes.Buffer
		require.Equal(t, 1, run(t.Context(), []string{"-db", spec, "-data", t.TempDir(), "-listen", "127.0.0.1:0"}, environment(nil), &out, &out))
		require.Contains(t, out.String(), want)
		require.NotContains(t, out.String(), "lovelace", "an address may hold a password")
	}
}

func TestMySQLNames(t *testing.T) {
	for spec, want := range map[string]string{
		"mysql://root@127.0.0.1:3307/mdm":               "root@tcp(127.0.0.1:3307)/mdm",
		"mysql://ada:love%40lace@db/mdm?tls=true":       "ada:love@lace@tcp(db:3306)/mdm?tls=true",
		"mysql://ada:secret@[::1]/mdm":                  "ada:secret@tcp([::1]:3306)/mdm",
		"mysql://root@db/mdm?timeout=3s&readTimeout=9s": "root@tcp(db:3306)/mdm?timeout=3s&readTimeout=9s",
	} {
		name, err := mysqlName(spec)
		require.NoError(t, err)
		require.Equal(t, want, name)
	}
}

func TestSQLiteNames(t *testing.T) {
	require.True(t, strings.HasPrefix(sqliteName("/a b/c?d#e%f.db"), "file:///a%20b/c%3Fd%23e%25f.db?_pragma="))
	require.True(t, strings.HasPrefix(sqliteName("C:/keelson.db"), "file:///C:/keelson.db?"))
	db, err := openSQLite(t.Context(), filepath.Join(t.TempDir(), "odd ?#% name.db"))
	require.NoError(t, err)
	require.NoError(t, db.Ready(t.Context()))
	require.NoError(t, db.close())
}
