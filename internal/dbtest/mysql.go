package dbtest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"

	_ "github.com/go-sql-driver/mysql" // the driver
)

var mysql = kind{
	driver: "mysql",
	local: func() (out []func(string) string) {
		for _, at := range []string{"tcp(127.0.0.1:3306)", "unix(/run/mysqld/mysqld.sock)"} {
			out = append(out, mysqlAt("root@"+at))
		}
		return out
	},
	start: startMariaDB,
	parse: func(dsn string) (func(string) string, error) {
		at := strings.LastIndex(dsn, "/")
		if at < 0 {
			return nil, errors.New("it is a data source name: user:password@tcp(host:port)/database")
		}
		_, params, _ := strings.Cut(dsn[at+1:], "?")
		return func(database string) string { return dsn[:at+1] + database + "?" + params }, nil
	},
	drop:   "DROP DATABASE IF EXISTS ",
	tables: "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY table_name",
}

func mysqlAt(address string) func(string) string {
	return func(database string) string { return address + "/" + database + "?timeout=3s" }
}

// startMariaDB starts a server in a folder of its own.
func startMariaDB() (func(string) string, func(), error) {
	install, err := program("mariadb-install-db", "/usr/bin/mysql_install_db")
	if err != nil {
		return nil, nil, err
	}
	server, err := program("mariadbd", "/usr/sbin/mariadbd", "/usr/sbin/mysqld")
	if err != nil {
		return nil, nil, err
	}
	d, err := newDaemon("mysql")
	if err != nil {
		return nil, nil, err
	}
	if err := d.run(install, "--no-defaults", "--datadir="+d.dir+"/data", "--auth-root-authentication-method=normal", "--skip-test-db"); err != nil {
		return nil, nil, d.fail(err)
	}
	cmd := d.command(server, "--no-defaults", "--datadir="+d.dir+"/data", "--socket="+d.dir+"/s", "--bind-address=127.0.0.1",
		"--port="+strconv.Itoa(d.port), "--innodb-flush-log-at-trx-commit=2")
	return d.serve(cmd, syscall.SIGTERM, "mysql", mysqlAt(fmt.Sprintf("root@tcp(127.0.0.1:%d)", d.port)))
}
