package dbtest

import (
	"bytes"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// daemon is a throwaway server.
type daemon struct {
	dir  string
	port int
	as   *owner
}

func newDaemon(name string) (*daemon, error) {
	as, err := ownerFor(name)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free, most likely still in a moment
	if err != nil {
		return nil, err
	}
	defer l.Close()
	dir, err := os.MkdirTemp("", "keelson-db-")
	if err != nil {
		return nil, err
	}
	d := &daemon{dir: dir, port: l.Addr().(*net.TCPAddr).Port, as: as}
	return d, d.fail(as.chown(dir))
}

func (d *daemon) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = d.dir
	d.as.run(cmd)
	return cmd
}

func (d *daemon) run(name string, args ...string) error {
	if out, err := d.command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(name), err, bytes.TrimSpace(out))
	}
	return nil
}

// fail cleans up after an error, which it returns.
func (d *daemon) fail(err error) error {
	if err != nil {
		_ = os.RemoveAll(d.dir)
	}
	return err
}

// serve starts a server and waits until it answers.
func (d *daemon) serve(cmd *exec.Cmd, signal os.Signal, driver string, dsn func(string) string) (func(string) string, func(), error) {
	if err := cmd.Start(); err != nil {
		return nil, nil, d.fail(err)
	}
	gone := make(chan error, 1)
	go func() { gone <- cmd.Wait() }()
	stop := func() {
		_ = cmd.Process.Signal(signal)
		select {
		case <-gone:
		case <-time.After(20 * time.Second):
			_ = cmd.Process.Kill()
			<-gone
		}
		_ = os.RemoveAll(d.dir)
	}
	db, err := sql.Open(driver, dsn(""))
	if err != nil {
		stop()
		return nil, nil, err
	}
	defer db.Close()
	for range 300 {
		if err = db.Ping(); err == nil {
			return dsn, stop, nil
		}
		select {
		case err := <-gone:
			return nil, nil, d.fail(fmt.Errorf("%s ended: %w", filepath.Base(cmd.Path), err))
		case <-time.After(100 * time.Millisecond):
		}
	}
	stop()
	return nil, nil, err
}
