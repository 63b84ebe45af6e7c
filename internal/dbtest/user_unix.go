//go:build unix

package dbtest

import (
	"errors"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// owner is whom a throwaway server runs as: servers refuse to run as root, so
// that root runs them as the user whom their package made, or as nobody. Nil
// means as who runs the tests.
type owner struct{ uid, gid int }

func ownerFor(name string) (*owner, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, n := range []string{name, "nobody"} {
		u, err := user.Lookup(n)
		if err != nil {
			continue
		}
		uid, err := strconv.Atoi(u.Uid)
		if err != nil {
			return nil, err
		}
		gid, err := strconv.Atoi(u.Gid)
		return &owner{uid, gid}, err
	}
	return nil, errors.New("there is no user whom the server may run as")
}

// run makes cmd run as the owner, in a process group of its own.
func (o *owner) run(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if o != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(o.uid), Gid: uint32(o.gid)}
	}
}

// chown gives a folder to the owner.
func (o *owner) chown(dir string) error {
	if o == nil {
		return nil
	}
	return os.Chown(dir, o.uid, o.gid)
}
