package windows

import (
	"net/http"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/windows/mde"
)

// Discovery tells a device where to enroll ([MS-MDE2] 3.1). It answers GET, the
// probe, with an empty 200, and POST. It belongs under
// /EnrollmentServer/Discovery.svc, the one path that Windows fixes, for the
// default tenant, and under /mdm/v1/{tenant}/windows/discovery for each.
func (s *Server) Discovery(t mdm.TenantID) http.Handler {
	return s.soap(t, mde.OpDiscover, s.discover)
}

func (s *Server) discover(_ *http.Request, t mdm.TenantID, body []byte, activity string) ([]byte, error) {
	req, err := mde.DecodeDiscover(body)
	if err != nil {
		return nil, err
	}
	// Only what the later requests can be judged by: a device that was told
	// OnPremise sends a password.
	policy, err := mde.ChooseAuthPolicy(req.AuthPolicies, []mde.AuthPolicy{mde.AuthOnPremise})
	if err != nil {
		return nil, err
	}
	version, err := mde.NegotiateVersion(req.RequestVersion, 0)
	if err != nil {
		return nil, err
	}
	return mde.DiscoverReply{
		AuthPolicy: policy, Version: version,
		PolicyURL: s.address(t, "policy"), EnrollmentURL: s.address(t, "enroll"),
	}.Encode(req.Reply(activity))
}

// Policy tells a device what certificate to request ([MS-XCEP]). The request
// carries the person's credential already and is refused here when it is wrong,
// before the device makes a key.
func (s *Server) Policy(t mdm.TenantID) http.Handler {
	return s.soap(t, mde.OpGetPolicies, s.policies)
}

func (s *Server) policies(r *http.Request, t mdm.TenantID, body []byte, activity string) ([]byte, error) {
	req, err := mde.DecodeGetPolicies(body)
	if err != nil {
		return nil, err
	}
	if _, err := s.person(r.Context(), t, req.Credential); err != nil {
		return nil, err
	}
	return mde.PoliciesReply{CommonName: s.c.ProviderID}.Encode(req.Reply(activity))
}
