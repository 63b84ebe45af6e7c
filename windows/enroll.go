package windows

import (
	"context"
	"net/http"
	"strings"

	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/windows/mde"
)

// Enroll issues a device its identity ([MS-WSTEP]) and tells it, in a
// provisioning document, where to be managed. An enrollment is let in by the
// person's password, a renewal by the certificate that it replaces. What a
// device says about itself finds a host and proves nothing.
//
// Every enrollment begins a new channel: a device that enrolls again, or a clone
// of it, never takes over another's.
func (s *Server) Enroll(t mdm.TenantID) http.Handler {
	return s.soap(t, mde.OpRequestSecurityToken, s.token)
}

func (s *Server) token(r *http.Request, t mdm.TenantID, body []byte, activity string) ([]byte, error) {
	req, err := mde.DecodeRequestSecurityToken(body)
	if err != nil {
		return nil, err
	}
	var doc []byte
	if req.RequestType == mde.Renew {
		doc, err = s.renew(r.Context(), t, s.c.ClientCertificate(r), req)
	} else {
		doc, err = s.enroll(r.Context(), t, req)
	}
	if err != nil {
		return nil, err
	}
	return mde.TokenReply{Document: doc, Now: s.c.Clock.Now()}.Encode(req.Reply(activity))
}

// person returns who stands behind a credential.
func (s *Server) person(ctx context.Context, t mdm.TenantID, c mde.Credential) (string, error) {
	if c.Password == nil || c.Password.Username == "" || c.Password.Password == "" {
		return "", mdm.Errorf(mdm.CodeUnauthenticated, "Security", "a user name and a password are required")
	}
	return s.c.Identity.CheckPassword(ctx, t, c.Password.Username, c.Password.Password)
}

func (s *Server) enroll(ctx context.Context, t mdm.TenantID, req *mde.TokenRequest) ([]byte, error) {
	person, err := s.person(ctx, t, req.Credential)
	if err != nil {
		return nil, err
	}
	csr, err := mde.ParseCSR(req.PKCS10)
	if err != nil {
		return nil, err
	}
	if id := mde.CSRDeviceID(csr); id != "" && !strings.EqualFold(id, req.Context.DeviceID()) {
		return nil, mdm.Errorf(mdm.CodeInvalid, mde.FieldCSR, "the certificate request is of another device than the enrollment")
	}
	claim := identity.Claim{Protocol: mdm.WindowsProtocol, Channel: mdm.DeviceChannel, Facts: claimed(req.Context)}
	leaf, admitted, err := s.c.Identity.IssueTo(ctx, t, person, claim, 0, csr.PublicKey)
	if err != nil {
		return nil, err
	}
	roots, err := s.c.CA.Roots(ctx, t)
	if err != nil {
		return nil, err
	}
	var doc []byte
	err = s.c.Transactor.InTx(ctx, t, func(ctx context.Context, tx mdm.Tx) error {
		e, err := s.announce(ctx, tx, admitted)
		if err != nil {
			return err
		}
		if doc, err = s.provisioning(t, req, e.Next.ID, leaf, roots); err != nil {
			// The request was judged before: what is wrong now is the set-up.
			return mdm.WrapError(mdm.CodeInternal, "", "the provisioning document could not be made", err)
		}
		return s.c.Store.PutDevice(ctx, tx, Device{
			Enrollment: e.Key, DeviceID: req.Context.DeviceID(), HWDevID: clip(req.Context.HWDevID(), maxText),
			User: person, OSVersion: clip(req.Context.OSVersion(), maxText), At: s.c.Clock.Now(),
		})
	})
	return doc, err
}

// announce binds a certificate to its channel and says so; it returns the
// channel. Here, unlike in a session, any error of the sink refuses the device.
func (s *Server) announce(ctx context.Context, tx mdm.Tx, a *identity.Admitted) (mdm.Enrollment, error) {
	auth, err := s.c.Identity.Bind(ctx, tx, a)
	if err != nil {
		return mdm.Enrollment{}, err
	}
	if err := s.c.Sink.Signal(ctx, tx, mdm.Signal{Kind: mdm.SignalAuthenticated, Generation: auth.Next.Generation, Data: auth}); err != nil {
		return mdm.Enrollment{}, err
	}
	return s.c.Identity.Enrollment(ctx, tx, auth.Natural)
}

// claimed is what the context items say of the host.
func claimed(c mde.AdditionalContext) mdm.HostFacts {
	return mdm.HostFacts{
		Platform: mdm.Windows, HardwareID: c.DeviceID(), Name: plain(c.DeviceName()), OSVersion: plain(c.OSVersion()),
		Serial: plain(c.Get("SerialNumber")), Model: plain(c.Get("DeviceModel")),
	}
}
