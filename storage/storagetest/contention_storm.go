package storagetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
)

// storm is what the workers of one storm found out.
type storm struct {
	*world
	channels []mdm.Enrollment
	mu       sync.Mutex
	queued   []mdm.CommandID
	left     map[mdm.CommandID]bool
	ended    map[mdm.CommandID]int // by a report that was new, or a cancel
	canceled map[mdm.CommandID]bool
}

// enqueuer queues n commands, spread over the channels.
func (s *storm) enqueuer(worker, n int) error {
	for i := range n {
		e := s.channels[i%len(s.channels)]
		x := queue.Entry{
			Command: queue.Command{
				ID: mdm.CommandID(fmt.Sprintf("%08x-0000-7000-8000-%012x", worker, i)), Enrollment: e.Key, Generation: e.Generation,
				Owner: mdm.OwnerApplication, Kind: mdm.KindRawApple, Lane: queue.LaneNormal, Redelivery: mdm.Repeatable,
				Resource: []string{"", "r"}[i%2],
			},
			Hash: mdm.Hash{1}, Queued: s.now,
		}
		err := stubborn(func() error {
			return s.try(func(ctx context.Context, tx mdm.Tx) error {
				if err := s.s.Queue().PutContent(ctx, tx, x.Hash, []byte("content"), s.now); err != nil {
					return err
				}
				return s.s.Queue().Insert(ctx, tx, []queue.Entry{x})
			})
		})
		if err != nil {
			return err
		}
		s.mu.Lock()
		s.queued = append(s.queued, x.ID)
		s.mu.Unlock()
	}
	return nil
}

// canceler takes back commands at random until all have been queued.
func (s *storm) canceler(want int) error {
	for {
		s.mu.Lock()
		n, id := len(s.queued), mdm.CommandID("")
		if n > 0 {
			id = s.queued[rand.IntN(n)]
		}
		s.mu.Unlock()
		if n == want {
			return nil
		}
		if id == "" {
			continue
		}
		var a queue.CancelAnswer
		if err := stubborn(func() error {
			return s.try(func(ctx context.Context, tx mdm.Tx) (err error) {
				a, _, err = s.s.Queue().Cancel(ctx, tx, id, s.now)
				return err
			})
		}); err != nil {
			return err
		}
		if a == queue.Canceled {
			s.mu.Lock()
			s.ended[id]++
			s.canceled[id] = true
			s.mu.Unlock()
		}
	}
}

// device polls and reports until everything has been queued.
func (s *storm) device(e mdm.Enrollment, want int) error {
	for {
		s.mu.Lock()
		over := len(s.queued) == want
		s.mu.Unlock()
		if _, err := s.serve(e); err != nil || over {
			return err
		}
	}
}

// drain serves a channel until it is empty.
func (s *storm) drain(e mdm.Enrollment) error {
	for {
		if n, err := s.serve(e); err != nil || n == 0 {
			return err
		}
	}
}

// serve polls once and reports on everything that came, half of it twice.
func (s *storm) serve(e mdm.Enrollment) (int, error) {
	s.mu.Lock()
	before := make(map[mdm.CommandID]bool, len(s.ended))
	for id := range s.ended {
		before[id] = true
	}
	s.mu.Unlock()
	var a queue.Answer
	if err := stubborn(func() (err error) {
		a, err = s.s.Queue().Poll(s.ctx, s.tenant, queue.Poll{Caller: queue.Caller{Natural: e.Natural, Pin: e.Pin}, Now: s.now, Limit: 1 + 2*rand.IntN(2)})
		return err
	}); err != nil {
		return 0, err
	}
	for i, h := range a.Handouts {
		if before[h.ID] {
			return 0, fmt.Errorf("%s was handed out after it had ended", h.ID)
		}
		s.mu.Lock()
		s.left[h.ID] = true
		s.mu.Unlock()
		for range 1 + i%2 {
			if err := s.reportOn(e, h.ID); err != nil {
				return 0, err
			}
		}
	}
	return len(a.Handouts), nil
}

func (s *storm) reportOn(e mdm.Enrollment, id mdm.CommandID) error {
	var f queue.Filed
	err := stubborn(func() error {
		return s.try(func(ctx context.Context, tx mdm.Tx) (err error) {
			f, err = s.s.Queue().File(ctx, tx, e, queue.Report{Command: id, Now: s.now, Outcome: mdm.OutcomeAcknowledged})
			return err
		})
	})
	switch {
	case err != nil:
		return err
	case f.Filing == queue.FilingNew:
		s.mu.Lock()
		s.ended[id]++
		s.mu.Unlock()
	case f.Filing != queue.FilingRepeated:
		return fmt.Errorf("a report on %s was %s", id, f.Filing)
	}
	return nil
}
