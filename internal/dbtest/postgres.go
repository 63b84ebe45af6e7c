package dbtest

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver
)

var postgres = kind{
	driver: "pgx",
	local: func() (out []func(string) string) {
		for _, name := range []string{me(), "postgres"} {
			out = append(out, postgresAt("127.0.0.1", 5432, name))
		}
		return out
	},
	start: startPostgreSQL,
	parse: func(dsn string) (func(string) string, error) {
		u, err := url.Parse(dsn)
		if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
			return nil, errors.New("it is a URL: postgres://user@host:port/database")
		}
		return func(database string) string {
			v := *u
			if database != "" {
				v.Path = "/" + database
			}
			return v.String()
		}, nil
	},
	drop:   "DROP DATABASE IF EXISTS ",
	tables: "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' ORDER BY table_name",
}

func me() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "postgres"
}

// postgresAt does not wait for the disk at each commit: no test of ours cuts the
// power.
func postgresAt(host string, port int, name string) func(string) string {
	return func(database string) string {
		if database == "" {
			database = "postgres"
		}
		return fmt.Sprintf("postgres://%s@%s:%d/%s?sslmode=disable&connect_timeout=3&synchronous_commit=off", url.PathEscape(name), host, port, database)
	}
}

// startPostgreSQL starts a server in a folder of its own.
func startPostgreSQL() (func(string) string, func(), error) {
	initdb, err := program("initdb", "/usr/lib/postgresql/*/bin/initdb", "/usr/local/pgsql/bin/initdb")
	if err != nil {
		return nil, nil, err
	}
	d, err := newDaemon("postgres")
	if err != nil {
		return nil, nil, err
	}
	data := filepath.Join(d.dir, "data")
	if err := d.run(initdb, "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"); err != nil {
		return nil, nil, d.fail(err)
	}
	cmd := d.command(filepath.Join(filepath.Dir(initdb), "postgres"), "-D", data, "-k", d.dir,
		"-c", "listen_addresses=127.0.0.1", "-c", "port="+strconv.Itoa(d.port), "-c", "fsync=off")
	dsn := postgresAt("127.0.0.1", d.port, "postgres")
	return d.serve(cmd, os.Interrupt, "pgx", dsn)
}

// program finds an installed program by its name or by where packages put it.
func program(name string, places ...string) (string, error) {
	if p, err := exec.LookPath(name); err == nil {
		return p, nil
	}
	for _, glob := range places {
		found, _ := filepath.Glob(glob)
		if len(found) > 0 {
			return found[len(found)-1], nil
		}
	}
	return "", fmt.Errorf("%s is not installed", name)
}
