package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// patience is how long requests may take to end when the server stops.
const patience = 10 * time.Second

// run serves until ctx ends or something fails; then it ends what is under way,
// in order: devices of the demonstration, requests, Keelson's own work.
func (s *server) run(ctx context.Context) error {
	failed := make(chan error, 2)
	living, die := context.WithCancel(ctx) // the devices
	defer die()
	working, rest := context.WithCancel(context.WithoutCancel(ctx)) // outlives the requests
	defer rest()
	var work, requests, devices sync.WaitGroup
	work.Go(func() {
		if err := s.mdm.Run(working); working.Err() == nil {
			failed <- fmt.Errorf("the work behind the requests stopped: %w", err)
		}
	})
	requests.Go(func() {
		if err := s.http.ServeTLS(s.listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("serving stopped: %w", err)
		}
	})
	s.greet()
	for _, f := range s.mdm.Doctor(ctx) {
		s.log.Warn(f.Message, "area", f.Area, "broken", f.Broken)
	}
	if s.demo != nil {
		devices.Go(func() { s.demo.run(living) })
	}

	var failure error
	select {
	case <-ctx.Done():
		s.log.Info("stopping")
	case failure = <-failed:
	}
	die()
	devices.Wait()
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if err := s.http.Shutdown(ending); err != nil {
		failure = errors.Join(failure, fmt.Errorf("requests were cut off: %w", err), s.http.Close())
	}
	requests.Wait()
	rest()
	work.Wait()
	return failure
}

// greet tells how to get in.
func (s *server) greet() {
	token := s.token
	if s.o.token != "" {
		token = "as you set it"
	}
	fmt.Fprintf(s.out, "\nKeelson is serving.\n\n  Dashboard  %s/\n  Token      %s\n  API        %s/api/openapi.json\n  Data       %s\n\n",
		s.url, token, s.url, s.data)
	if len(s.identity.anchors) > 0 {
		fmt.Fprintf(s.out, "The certificate is self-signed, so your browser asks once. Ctrl-C stops.\n\n")
	}
	if h := hostOf(s.url); s.demo == nil && (h == "localhost" || h == "127.0.0.1" || h == "::1") {
		fmt.Fprintf(s.out, "Only this machine reaches %s: for real devices, set -listen and -url.\n\n", s.url)
	}
}
