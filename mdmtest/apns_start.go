package mdmtest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"time"
)

// StartAPNs starts a fake APNs outside a test, for demonstrations and load
// runs; the caller closes it. In a test, [NewAPNs] does both. Nil options mean
// the defaults.
func StartAPNs(o *APNsOptions) (*APNs, error) {
	if o == nil {
		o = &APNsOptions{}
	}
	streams := o.MaxStreams
	if streams <= 0 {
		streams = 1000
	}
	topic := o.Topic
	if topic == "" {
		topic = "com.apple.mgmt.External." + apnsUUID()
	}
	ca, err := newAPNsCA()
	if err != nil {
		return nil, err
	}
	cert, err := ca.push(topic, time.Time{}, time.Time{})
	if err != nil {
		return nil, err
	}
	serverCert, err := ca.server()
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca.cert)
	a := &APNs{
		URL:         "https://" + listener.Addr().String(),
		RootCAs:     roots,
		Topic:       topic,
		Certificate: cert,
		ca:          ca,
		served:      make(chan struct{}),
		done:        make(chan struct{}),
		keep:        o.Keep,
		gone:        map[string]time.Time{},
		script:      map[string][]APNsAnswer{},
		conns:       map[*apnsConn]struct{}{},
	}
	// TLS ends in apnsListener and not in http.Server, which then speaks
	// HTTP/2 over what it takes for a plain connection: only so can a GOAWAY
	// be put between two of its frames.
	protocols := &http.Protocols{}
	protocols.SetUnencryptedHTTP2(true)
	a.server = &http.Server{
		Handler:           a,
		Protocols:         protocols,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: streams},
		ReadHeaderTimeout: 30 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, apnsConnKey{}, c)
		},
	}
	go func() {
		defer close(a.served)
		// Always http.ErrServerClosed, after Close.
		_ = a.server.Serve(&apnsListener{Listener: listener, fake: a, config: &tls.Config{
			Certificates: []tls.Certificate{serverCert},
			MinVersion:   tls.VersionTLS12,
			NextProtos:   []string{"h2"},
			// A provider may come without a certificate and bring a token;
			// it is refused per request, with MissingProviderToken.
			ClientAuth: tls.VerifyClientCertIfGiven,
			ClientCAs:  roots,
		}})
	}()
	return a, nil
}
