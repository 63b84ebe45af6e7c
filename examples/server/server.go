package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/identity/ca"
)

// server is everything that runs.
type server struct {
	o        *options
	log      *slog.Logger
	out      io.Writer
	data     dataDir
	listener net.Listener
	url      string
	token    string
	people   credentials // who may enroll Windows PCs; without a name, nobody
	identity *identity
	keys     keys
	db       *database
	push     *push
	demo     *demo // nil without -demo
	mdm      *keelson.MDM
	http     *http.Server
	closers  []func() error // in the order of opening
}

// serve runs a server until ctx ends.
func serve(ctx context.Context, o *options, out, errs io.Writer) (err error) {
	s := &server{o: o, out: out, people: credentials{o.user, o.password}, log: slog.New(slog.NewTextHandler(errs, &slog.HandlerOptions{Level: o.logLevel}))}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.open(ctx); err != nil {
		return err
	}
	if err := s.assemble(); err != nil {
		return err
	}
	if err := s.rememberURL(); err != nil { // now that a start with it succeeds
		return err
	}
	return s.run(ctx)
}

// open gets what is kept, and the port.
func (s *server) open(ctx context.Context) (err error) {
	if s.data, err = openDataDir(s.o.data); err != nil {
		return err
	}
	if s.token = s.o.token; s.token == "" {
		if s.token, err = s.data.secret("admin-token"); err != nil {
			return err
		}
	}
	if s.listener, err = net.Listen("tcp", s.o.listen); err != nil {
		return fmt.Errorf("-listen: %w", err)
	}
	s.closers = append(s.closers, ignoreClosed(s.listener.Close))
	s.url = cmp.Or(s.o.url, urlOf(s.o.listen, s.listener.Addr()))
	if s.identity, err = loadIdentity(s.o, s.data, hostOf(s.url), s.log); err != nil {
		return err
	}
	if s.keys, err = loadKeys(s.o, s.data); err != nil {
		return err
	}
	if s.db, err = openDatabase(ctx, s.o.db, s.data); err != nil {
		return err
	}
	s.closers = append(s.closers, s.db.close)
	if s.o.demo {
		s.demo, err = openDemo(s)
		return err
	}
	if s.push, err = openPush(s.o, s.log); err != nil {
		return err
	}
	s.closers = append(s.closers, s.push.close)
	return nil
}

// assemble makes Keelson and what is around it.
func (s *server) assemble() error {
	devices, err := ca.New(s.keys.cert, s.keys.key, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", s.data.path(deviceCAFile), err)
	}
	c := keelson.Config{
		URL: s.url, Store: s.db, CA: devices, Keyring: s.keys.ring,
		Push: s.push.port(), Topic: s.push.topic, Organization: s.o.org,
		Anchors: s.identity.anchors, Signer: s.identity.signer, Log: s.log,
	}
	if s.people.user != "" {
		c.Passwords = s.people
	}
	if s.mdm, err = keelson.New(c); err != nil {
		return err
	}
	h, err := s.handler()
	if err != nil {
		return err
	}
	s.http = &http.Server{
		Handler:           h,
		TLSConfig:         s.identity.config(s.keys.cert),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      2 * time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	return nil
}

// handler is everything that is served.
func (s *server) handler() (http.Handler, error) {
	mux := http.NewServeMux()
	s.mdm.Register(mux)
	s.health(mux)
	if err := s.api(mux); err != nil {
		return nil, err
	}
	d, err := newDashboard(s)
	if err != nil {
		return nil, err
	}
	d.register(mux)
	return mux, nil
}

// close closes what was opened, the last first.
func (s *server) close() error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i]())
	}
	return errors.Join(errs...)
}

func ignoreClosed(f func() error) func() error {
	return func() error {
		if err := f(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	}
}

// rememberURL warns when the URL is not the one of the start before.
func (s *server) rememberURL() error {
	before, err := s.data.read("url")
	if err != nil {
		return err
	}
	if len(before) > 0 && string(before) != s.url {
		s.log.Warn("the URL has changed: devices that enrolled before keep asking at the old one", "before", string(before), "now", s.url)
	}
	return s.data.write("url", []byte(s.url))
}

// urlOf makes the URL of an address to listen on.
func urlOf(listen string, bound net.Addr) string {
	host, _, err := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); err != nil || host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	_, port, _ := net.SplitHostPort(bound.String())
	if port == "443" {
		return "https://" + host
	}
	return "https://" + net.JoinHostPort(host, port)
}

func hostOf(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return ""
	}
	return u.Hostname()
}
