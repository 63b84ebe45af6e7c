package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/storage/inmem"
)

// fleetSize is how many devices each server has enrolled in the benchmarks.
const fleetSize = 1000

// scratch is where databases go; TestMain makes and removes it.
var scratch = filepath.Join(os.TempDir(), fmt.Sprintf("keelson-bench-%d", os.Getpid()))

func TestMain(m *testing.M) {
	if err := os.MkdirAll(scratch, 0o700); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := os.RemoveAll(scratch); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// pair is NanoMDM and Keelson, both in memory, with the same devices.
type pair struct {
	peer *peer
	ours *ours
}

func newPair(n int) (*pair, error) {
	o, err := newOurs("Keelson", inmem.New(nil), n)
	if err != nil {
		return nil, err
	}
	auth, err := authority()
	if err != nil {
		return nil, err
	}
	p, err := newPeer(auth.Certificate(), o.devices)
	if err != nil {
		return nil, err
	}
	return &pair{p, o}, nil
}

// The fleets of the benchmarks are enrolled once and live as long as the process.
var (
	memory = sync.OnceValues(func() (*pair, error) { return newPair(fleetSize) })
	disk   = sync.OnceValues(func() (*ours, error) {
		s, _, err := openSQLite(context.Background(), filepath.Join(scratch, "fleet.db"))
		if err != nil {
			return nil, err
		}
		return newOurs("Keelson on SQLite", s, fleetSize)
	})
)

func fleets(b *testing.B) *pair {
	b.Helper()
	p, err := memory()
	require.NoError(b, err)
	return p
}

func fleetOnDisk(b *testing.B) *ours {
	b.Helper()
	o, err := disk()
	require.NoError(b, err)
	return o
}
