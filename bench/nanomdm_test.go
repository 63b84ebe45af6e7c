package bench

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"

	"github.com/micromdm/nanolib/log"
	"github.com/micromdm/nanomdm/certverify"
	"github.com/micromdm/nanomdm/cryptoutil"
	nanohttp "github.com/micromdm/nanomdm/http/mdm"
	nano "github.com/micromdm/nanomdm/mdm"
	"github.com/micromdm/nanomdm/service/certauth"
	"github.com/micromdm/nanomdm/service/nanomdm"
	"github.com/micromdm/nanomdm/storage"
	nanostore "github.com/micromdm/nanomdm/storage/inmem"
)

// peer is NanoMDM over a store of its own.
type peer struct {
	side
	store    storage.AllStorage
	verifier *certverify.PoolVerifier
	// tls is the same server, set up to take certificates from connections.
	tls *side
}

// newPeer wires NanoMDM as its own server does and enrolls the devices. Its logs
// go nowhere.
func newPeer(authority *x509.Certificate, ds []*device) (*peer, error) {
	return newPeerOn(nanostore.New(), authority, ds)
}

// newPeerOn is newPeer over another of its stores.
func newPeerOn(store storage.AllStorage, authority *x509.Certificate, ds []*device) (*peer, error) {
	roots := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.Raw})
	verifier, err := certverify.NewPoolVerifier(roots, nil, x509.ExtKeyUsageClientAuth)
	if err != nil {
		return nil, err
	}
	core := nanomdm.New(store,
		nanomdm.WithUserAuthenticate(nanomdm.NewUAService(store, false)),
		nanomdm.WithGetToken(nanomdm.NewTokenMux()))
	handler := nanohttp.CheckinAndCommandHandler(certauth.New(core, store), log.NopLogger)
	verified := nanohttp.CertVerifyMiddleware(handler, verifier, log.NopLogger)
	const path = "/mdm"
	mux := func(h http.Handler) *http.ServeMux {
		m := http.NewServeMux()
		m.Handle(path, h)
		return m
	}
	p := &peer{store: store, verifier: verifier}
	p.side = side{
		name: "NanoMDM", path: &url.URL{Path: path}, checkIn: &url.URL{Path: path}, devices: ds, enqueue: p.queue,
		handler: mux(nanohttp.CertExtractMdmSignatureMiddleware(verified, nanohttp.MdmSignatureVerifierFunc(cryptoutil.VerifyMdmSignature))),
	}
	tls := p.side
	tls.handler = mux(nanohttp.CertExtractTLSMiddleware(verified, log.NopLogger))
	p.tls = &tls
	for _, d := range ds {
		if err := p.enroll(d); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *peer) queue(ctx context.Context, ds []*device, ids []string) error {
	for i, d := range ds {
		if err := p.call(ctx, []string{d.udid}, raw(ids[i])); err != nil {
			return err
		}
	}
	return nil
}

// raw is a command as NanoMDM's API passes it to the store.
func raw(id string) *nano.Command {
	c := &nano.Command{CommandUUID: id, Raw: command(id)}
	c.Command.RequestType = "DeviceInformation"
	return c
}

// call queues one command for the devices with these UDIDs.
func (p *peer) call(ctx context.Context, udids []string, c *nano.Command) error {
	failed, err := p.store.EnqueueCommand(ctx, udids, c)
	if err == nil && len(failed) > 0 {
		err = fmt.Errorf("NanoMDM does not queue for %d devices", len(failed))
	}
	return err
}

// request is what NanoMDM's store knows a device by.
func request(ctx context.Context, udid string) *nano.Request {
	r := nano.NewRequestWithContext(ctx, nil)
	r.EnrollID = &nano.EnrollID{Type: nano.Device, ID: udid}
	return r
}
