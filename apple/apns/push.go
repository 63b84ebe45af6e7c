package apns

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sideshow/apns2"

	"github.com/keelson-mdm/keelson/mdm"
)

// firstPause is before the second attempt; it doubles with each further one.
const firstPause = 250 * time.Millisecond

// Push wakes targets and returns one outcome for each, in order. No target's
// failure touches another's; only what would meet all of them, such as a
// refused certificate or a network that is down, is not found out again for
// each. What APNs or the network asks to be tried again is, together, after a
// pause, up to [Options.Attempts] times. When ctx ends, what is not answered is
// [Retry] with [ReasonCanceled].
func (p *Pusher) Push(ctx context.Context, targets []Target) []Outcome {
	outcomes := make([]Outcome, len(targets))
	notes := make([]*apns2.Notification, len(targets))
	ctx, finish, open := p.begin(ctx)
	if !open {
		closed := classifyFault(context.Background(), errClosed, nil)
		for i := range outcomes {
			outcomes[i] = closed
		}
		return outcomes
	}
	defer finish()
	started := p.options.Clock.Now()
	topic := p.Topic()
	pending := make([]int, 0, len(targets))
	for i, target := range targets {
		note, refused := notification(target, topic)
		if refused != nil {
			outcomes[i] = *refused
			continue
		}
		note.Priority = p.options.Priority
		if p.options.Expiration > 0 {
			note.Expiration = started.Add(p.options.Expiration)
		}
		notes[i] = note
		pending = append(pending, i)
	}
	for attempt := 1; len(pending) > 0; attempt++ {
		p.round(ctx, pending, notes, outcomes)
		var pause time.Duration
		if pending, pause = p.again(pending, outcomes, attempt); len(pending) == 0 {
			break
		}
		if p.options.Wait(ctx, pause) != nil {
			break
		}
	}
	p.report(outcomes, started)
	return outcomes
}

// begin counts a call in, and ties its context to the pusher's life.
func (p *Pusher) begin(ctx context.Context) (_ context.Context, finish func(), open bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, nil, false
	}
	p.pushes.Add(1)
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(p.life, func() { cancel(errClosed) })
	return ctx, func() {
		stop()
		cancel(nil)
		p.pushes.Done()
	}, true
}

// round sends what is pending once, with as many workers as there are places.
func (p *Pusher) round(ctx context.Context, pending []int, notes []*apns2.Notification, outcomes []Outcome) {
	var (
		next    atomic.Int64
		general atomic.Pointer[Outcome] // what any further push would meet
		workers sync.WaitGroup
	)
	for range min(len(pending), p.options.Workers) {
		workers.Go(func() {
			for {
				k := int(next.Add(1)) - 1
				if k >= len(pending) {
					return
				}
				i := pending[k]
				tried := outcomes[i].Attempts
				if known := general.Load(); known != nil {
					outcomes[i] = *known
					outcomes[i].Attempts = tried
					continue
				}
				select {
				case p.places <- struct{}{}:
				case <-ctx.Done():
					outcomes[i] = classifyFault(ctx, context.Cause(ctx), notes[i])
					outcomes[i].Attempts = tried
					continue
				}
				o, all := p.attempt(ctx, notes[i])
				<-p.places
				o.Attempts = tried + 1
				outcomes[i] = o
				if all {
					general.Store(&o)
				}
			}
		})
	}
	workers.Wait()
}

// attempt sends one message once. all reports whether any other message would
// meet the same.
func (p *Pusher) attempt(ctx context.Context, n *apns2.Notification) (_ Outcome, all bool) {
	now := p.options.Clock.Now()
	limited, cancel := context.WithTimeoutCause(ctx, p.options.Timeout, errTimeout)
	defer cancel()
	for {
		way := p.link.Load()
		if now.After(way.identity.notAfter) {
			return Outcome{Status: Failed, Reason: ReasonCertificateExpired,
				Err: mdm.Errorf(mdm.CodeForbidden, "certificate.not_after",
					"the push certificate expired on %s; renew it, with the Apple Account that made it, and load it",
					way.identity.notAfter.UTC().Format(time.DateOnly))}, true
		}
		if n.Topic != way.identity.topic {
			return *refuse(ReasonTopicMismatch, "topic", "the push certificate was replaced by one of another topic"), false
		}
		ex := &exchange{}
		resp, err := way.client.PushWithContext(withExchange(limited, ex), n)
		if ex.status != 0 {
			if err != nil {
				resp = nil
			}
			o := classifyAnswer(ex, resp, now)
			return o, o.Reason.condemnsCertificate()
		}
		if errors.Is(err, errReplaced) && ctx.Err() == nil {
			continue // the new certificate is there already
		}
		o := classifyFault(limited, err, n)
		var opened *openError
		return o, errors.As(err, &opened)
	}
}

// again returns what is worth another attempt within this call, and the pause
// before it.
func (p *Pusher) again(pending []int, outcomes []Outcome, attempt int) ([]int, time.Duration) {
	if attempt >= p.options.Attempts || p.options.MaxWait < 0 {
		return nil, 0
	}
	// Between half and all of 250 ms, 500 ms, 1 s, …: servers that failed
	// together do not come back together.
	pause := min(firstPause<<(attempt-1), p.options.MaxWait)
	pause = pause/2 + time.Duration(p.options.Rand()*float64(pause/2))
	var left []int
	for _, i := range pending {
		o := outcomes[i]
		if o.Status != Retry || o.Reason == ReasonCanceled || o.Reason == ReasonClosed || o.Wait > p.options.MaxWait {
			continue
		}
		left = append(left, i)
		pause = max(pause, o.Wait)
	}
	return left, pause
}

// report logs and counts a call.
func (p *Pusher) report(outcomes []Outcome, started time.Time) {
	counts := map[Status]int64{}
	for i := range outcomes {
		counts[outcomes[i].Status]++
	}
	took := p.options.Clock.Now().Sub(started)
	p.options.Logger.Debug("apns: pushed", "topic", p.Topic(), "delivered", counts[Delivered],
		"token_gone", counts[TokenGone], "retry", counts[Retry], "failed", counts[Failed], "took", took)
	if p.options.Meter == nil {
		return
	}
	for status, n := range counts {
		p.options.Meter.Count("apns_pushes", n, "outcome", status.String())
	}
	p.options.Meter.Observe("apns_push_seconds", took.Seconds())
}
