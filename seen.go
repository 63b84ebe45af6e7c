package keelson

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// seenEvery is how often last-seen times are written, in one batch a tenant.
const seenEvery = 2 * time.Second

// seen gathers when hosts spoke, so that a poll writes nothing.
type seen struct {
	c  Config
	mu sync.Mutex
	at map[mdm.TenantID]map[mdm.HostKey]time.Time
}

func newSeen(c Config) *seen {
	return &seen{c: c, at: make(map[mdm.TenantID]map[mdm.HostKey]time.Time)}
}

func (s *seen) add(t mdm.TenantID, h mdm.HostKey) {
	now := s.c.Clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at[t] == nil {
		s.at[t] = make(map[mdm.HostKey]time.Time)
	}
	s.at[t][h] = now
}

// flush writes what was gathered; what cannot be written is gathered again.
func (s *seen) flush(ctx context.Context) {
	s.mu.Lock()
	batch := s.at
	s.at = make(map[mdm.TenantID]map[mdm.HostKey]time.Time)
	s.mu.Unlock()
	for t, hosts := range batch {
		err := s.c.Store.Lifecycle().Seen(ctx, t, hosts)
		if err == nil {
			continue
		}
		s.c.Log.WarnContext(ctx, "last-seen times were not written", "tenant", t, "error", err)
		s.mu.Lock()
		if s.at[t] == nil {
			s.at[t] = hosts
		} else {
			maps.Copy(hosts, s.at[t]) // the newer win
			s.at[t] = hosts
		}
		s.mu.Unlock()
	}
}

func (s *seen) run(ctx context.Context) error {
	tick := time.NewTicker(seenEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), seenEvery)
			defer cancel()
			s.flush(last)
			return ctx.Err()
		case <-tick.C:
			s.flush(ctx)
		}
	}
}
