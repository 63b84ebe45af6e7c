package apns

import (
	"context"

	"github.com/keelson-mdm/keelson/mdm"
)

// Port is an [mdm.Pusher] that sends each target with the pusher of its topic.
type Port struct {
	find func(t mdm.TenantID, topic string) *Pusher
}

var _ mdm.Pusher = (*Port)(nil)

// NewPort makes a port for several topics or tenants. find returns the pusher
// for a topic of a tenant, nil when the tenant has none; it is called from
// several goroutines and must answer from memory.
func NewPort(find func(t mdm.TenantID, topic string) *Pusher) *Port {
	return &Port{find: find}
}

// Port makes a port of one pusher, for every tenant.
func (p *Pusher) Port() *Port {
	return NewPort(func(_ mdm.TenantID, topic string) *Pusher {
		if topic != p.Topic() {
			return nil
		}
		return p
	})
}

// Push implements [mdm.Pusher]. Targets of another protocol than Apple's, and
// of a topic without a pusher, fail. It never returns an error.
func (p *Port) Push(ctx context.Context, t mdm.TenantID, targets []mdm.PushTarget) ([]mdm.PushOutcome, error) {
	outcomes := make([]mdm.PushOutcome, len(targets))
	groups := map[*Pusher][]int{}
	for i, target := range targets {
		if target.Protocol != mdm.AppleProtocol {
			outcomes[i] = mdm.PushOutcome{Status: mdm.PushFailed,
				Err: mdm.Errorf(mdm.CodeUnsupported, "protocol", "APNs wakes Apple devices only")}
			continue
		}
		pusher := p.find(t, target.Topic)
		if pusher == nil {
			outcomes[i] = mdm.PushOutcome{Status: mdm.PushFailed,
				Err: mdm.Errorf(mdm.CodeInvalid, "topic", "there is no push certificate for the device's topic: load that certificate's renewal, or enroll the device again")}
			continue
		}
		groups[pusher] = append(groups[pusher], i)
	}
	for pusher, indexes := range groups {
		batch := make([]Target, len(indexes))
		for k, i := range indexes {
			batch[k] = Target{Token: targets[i].Token, Magic: targets[i].Magic, Topic: targets[i].Topic}
		}
		for k, o := range pusher.Push(ctx, batch) {
			outcomes[indexes[k]] = o.port()
		}
	}
	return outcomes, nil
}

// port returns what an outcome is called in mdm.
func (o Outcome) port() mdm.PushOutcome {
	out := mdm.PushOutcome{Status: mdm.PushFailed, RetryAfter: o.Wait, Err: o.Err}
	switch o.Status {
	case Delivered:
		out.Status = mdm.PushDelivered
	case TokenGone:
		out.Status = mdm.PushGone
	case Retry:
		out.Status = mdm.PushRetry
	}
	return out
}
