package bench

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"

	"github.com/keelson-mdm/keelson/mdm"
)

// load is work for one side, in rounds: prepare makes ready for n operations and
// is not timed; do is operation i of the round and is.
type load struct {
	round   int // the most operations of a round
	prepare func(n int) error
	do      func(i int) error
}

func nothing(int) error { return nil }

// idle is devices polling one after the other, with nothing for them.
func idle(s *side, of func(*device) message) load {
	return load{round: len(s.devices), prepare: nothing, do: func(i int) error { return s.poll(of(s.devices[i])) }}
}

func signedIdle(d *device) message { return d.idleSigned }
func sentIdle(d *device) message   { return d.idleAsSent }
func tlsIdle(d *device) message    { return d.idleTLS }

// cycle is one command to each device: it asks, gets the command, answers, and
// gets nothing more. Two requests are one operation.
func cycle(s *side) load {
	ids := make([]string, len(s.devices))
	answers := make([]message, len(s.devices))
	return load{
		round: len(s.devices),
		prepare: func(n int) error {
			for i := range n {
				var err error
				if ids[i], err = mdm.NewUUID(mdm.SystemClock{}.Now(), rand.Reader); err != nil {
					return err
				}
			}
			if err := s.enqueue(context.Background(), s.devices[:n], ids[:n]); err != nil {
				return err
			}
			return both(n, func(i int) (err error) {
				answers[i], err = s.devices[i].acknowledged(ids[i])
				return err
			})
		},
		do: func(i int) error {
			if err := s.fetch(s.devices[i].idleSigned, ids[i]); err != nil {
				return err
			}
			return s.poll(answers[i])
		},
	}
}

// both runs n pieces of work in two goroutines.
func both(n int, do func(i int) error) error {
	var wg sync.WaitGroup
	var errs [2]error
	for half := range errs {
		wg.Go(func() {
			for i := half; i < n && errs[half] == nil; i += 2 {
				errs[half] = do(i)
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return fmt.Errorf("sign answers: %w", err)
		}
	}
	return nil
}
