package e2e

import (
	"fmt"
	"sync"
	"testing"

	nanomdm "github.com/micromdm/nanomdm/mdm"
	"github.com/stretchr/testify/require"
)

// TestEverybodyAtOnce: commands are queued for all devices by several senders while
// the devices answer. Every command comes to every device exactly once, those of
// one sender in order.
func TestEverybodyAtOnce(t *testing.T) {
	const devices, senders, commands = 3, 3, 6
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			s := newStorage(t, b.open(t))
			var ids []string
			for d := range devices {
				ids = append(ids, fmt.Sprintf("D%d", d))
				r := requestOf(ids[d])
				require.NoError(t, s.StoreAuthenticate(r, &nanomdm.Authenticate{Raw: []byte("a")}))
				require.NoError(t, s.StoreTokenUpdate(r, &nanomdm.TokenUpdate{Raw: []byte("t")}))
			}
			var wg sync.WaitGroup
			errs := make(chan error, senders*commands+devices)
			for n := range senders {
				wg.Go(func() {
					for c := range commands {
						cmd := &nanomdm.Command{CommandUUID: fmt.Sprintf("%d/%d", n, c), Raw: []byte("raw")}
						cmd.Command.RequestType = "ProfileList"
						failed, err := s.EnqueueCommand(ctx, ids, cmd)
						if err == nil && len(failed) > 0 {
							err = fmt.Errorf("not queued: %v", failed)
						}
						errs <- err
					}
				})
			}
			got := make([][]string, devices)
			for d, id := range ids {
				wg.Go(func() {
					r := requestOf(id)
					for len(got[d]) < senders*commands && t.Context().Err() == nil {
						cmd, err := s.RetrieveNextCommand(r, false)
						if err == nil && cmd != nil {
							got[d] = append(got[d], cmd.CommandUUID)
							err = s.StoreCommandReport(r, &nanomdm.CommandResults{CommandUUID: cmd.CommandUUID, Status: "Acknowledged", Raw: []byte("r")})
						}
						if err != nil {
							errs <- err
							return
						}
					}
				})
			}
			wg.Wait()
			close(errs)
			for err := range errs {
				require.NoError(t, err)
			}
			for d := range devices {
				next := make([]int, senders)
				for _, uuid := range got[d] {
					var n, c int
					_, err := fmt.Sscanf(uuid, "%d/%d", &n, &c)
					require.NoError(t, err)
					require.Equal(t, next[n], c, "the commands of one sender come in order, and once: %v", got[d])
					next[n]++
				}
				more, err := s.RetrieveNextCommand(requestOf(ids[d]), false)
				require.NoError(t, err)
				require.Nil(t, more)
			}
		})
	}
}

// TestTheSameCommandAtOnce: of many who queue one CommandUUID at the same time, one
// does, and the others are told.
func TestTheSameCommandAtOnce(t *testing.T) {
	const senders = 6
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			s := newStorage(t, b.open(t))
			require.NoError(t, s.StoreAuthenticate(requestOf("D"), &nanomdm.Authenticate{Raw: []byte("a")}))
			var wg sync.WaitGroup
			failed, errs := make([]map[string]error, senders), make([]error, senders)
			for n := range senders {
				wg.Go(func() {
					cmd := &nanomdm.Command{CommandUUID: "same", Raw: []byte("raw")}
					cmd.Command.RequestType = "ProfileList"
					failed[n], errs[n] = s.EnqueueCommand(ctx, []string{"D"}, cmd)
				})
			}
			wg.Wait()
			queued := 0
			for n := range senders {
				require.NoError(t, errs[n])
				if failed[n]["D"] == nil {
					queued++
				}
			}
			require.Equal(t, 1, queued)
		})
	}
}

// TestTallyAtOnce: no TokenUpdate is lost to another.
func TestTallyAtOnce(t *testing.T) {
	const updates = 8
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			s := newStorage(t, b.open(t))
			require.NoError(t, s.StoreAuthenticate(requestOf("D"), &nanomdm.Authenticate{Raw: []byte("a")}))
			var wg sync.WaitGroup
			errs := make([]error, updates)
			for n := range updates {
				wg.Go(func() { errs[n] = s.StoreTokenUpdate(requestOf("D"), &nanomdm.TokenUpdate{Raw: []byte("t")}) })
			}
			wg.Wait()
			for _, err := range errs {
				require.NoError(t, err)
			}
			n, err := s.RetrieveTokenUpdateTally(ctx, "D")
			require.NoError(t, err)
			require.Equal(t, updates, n)
		})
	}
}

// requestOf is a request of a device.
func requestOf(id string) *nanomdm.Request {
	r := nanomdm.NewRequestWithContext(ctx, nil)
	r.EnrollID = &nanomdm.EnrollID{Type: nanomdm.Device, ID: id}
	return r
}
