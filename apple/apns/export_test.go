package apns

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"time"

	"github.com/sideshow/apns2"
)

// LateFault opens a connection, lets the other side end it, and returns what
// the first request on it comes to.
func LateFault(ctx context.Context, cert tls.Certificate, host string, roots *x509.CertPool, ended func(func() bool)) (Outcome, error) {
	id, err := newIdentity(cert, time.Now())
	if err != nil {
		return Outcome{}, err
	}
	_, address, err := parseHost(host)
	if err != nil {
		return Outcome{}, err
	}
	c, err := newDialer(id, address, roots, nil).dial(ctx)
	if err != nil {
		return Outcome{}, err
	}
	defer c.Close()
	ended(func() bool { return c.Err() != nil })
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, host+"/3/device/00", nil)
	if err != nil {
		return Outcome{}, err
	}
	_, err = c.RoundTrip(req)
	return classifyFault(ctx, c.refusal(err), &apns2.Notification{}), nil
}
