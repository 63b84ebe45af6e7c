package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"

	"github.com/keelson-mdm/keelson/apple/apns"
	"github.com/keelson-mdm/keelson/mdm"
)

// push is how Apple devices are woken.
type push struct {
	pusher *apns.Pusher // nil when devices come when they come
	topic  string       // empty when no Apple device can enroll
}

// openPush takes the certificate of -apns-cert.
func openPush(o *options, log *slog.Logger) (*push, error) {
	if o.apnsCert == "" {
		return &push{topic: o.topic}, nil
	}
	cert, err := tls.LoadX509KeyPair(o.apnsCert, o.apnsKey)
	if err != nil {
		return nil, fmt.Errorf("-apns-cert: %w", err)
	}
	p, err := apns.New(cert, &apns.Options{Logger: log})
	if err != nil {
		return nil, fmt.Errorf("-apns-cert: %w", err)
	}
	if o.topic != "" && o.topic != p.Topic() {
		return nil, fmt.Errorf("-topic is %s, and the push certificate is for %s: leave -topic out", o.topic, p.Topic())
	}
	return &push{pusher: p, topic: p.Topic()}, nil
}

// port is the pusher as Keelson takes it; nil when there is none.
func (p *push) port() mdm.Pusher {
	if p.pusher == nil {
		return nil
	}
	return p.pusher.Port()
}

func (p *push) close() error {
	if p.pusher == nil {
		return nil
	}
	return p.pusher.Close()
}
