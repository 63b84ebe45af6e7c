package apple

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/keelson-mdm/keelson/apple/mobileconfig"
	"github.com/keelson-mdm/keelson/mdm"
)

// ProfileType is the content type of configuration profiles.
const ProfileType = "application/x-apple-aspen-config"

// Enroll hands out the enrollment profile of a link; link takes the link's secret
// from the request. It may be fetched any number of times, by GET or HEAD; the
// challenge in it works until the link is used up.
//
// Whoever fetches it is not managed yet: a link that is of no use is answered
// with 403 and a sentence for people.
func (s *Server) Enroll(t mdm.TenantID, link func(*http.Request) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "an enrollment profile is downloaded", http.StatusMethodNotAllowed)
			return
		}
		profile, err := s.enrollmentProfile(r, t, link(r))
		if err != nil {
			s.refuseLink(w, r, err)
			return
		}
		h.Set("Content-Type", ProfileType)
		h.Set("Content-Disposition", `attachment; filename="enroll.mobileconfig"`)
		h.Set("Content-Length", strconv.Itoa(len(profile)))
		_, _ = w.Write(profile)
	})
}

// refuseLink answers a person, or a browser: no device is enrolled yet.
func (s *Server) refuseLink(w http.ResponseWriter, r *http.Request, err error) {
	code := mdm.CodeOf(err)
	a := code.Answer()
	s.c.Log.Log(r.Context(), severity(code), "an enrollment link was refused", "code", string(code), "error", err)
	text := "the enrollment profile cannot be made now"
	var e *mdm.Error
	if errors.As(err, &e) && a.Admin < 500 {
		text = e.Message
	}
	wait(w, a.Admin, e)
	http.Error(w, text, a.Admin)
}

func (s *Server) enrollmentProfile(r *http.Request, t mdm.TenantID, link string) ([]byte, error) {
	intent, challenge, err := s.c.Identity.OpenLink(r.Context(), t, link)
	if err != nil {
		return nil, err
	}
	if intent.Platform == mdm.Windows {
		return nil, mdm.Errorf(mdm.CodeInvalid, "platform", "this enrollment is for Windows")
	}
	u := s.c.URLs(t)
	e := mobileconfig.Enrollment{
		Seed:         string(t),
		Organization: s.c.Organization,
		ServerURL:    u.Server, CheckInURL: u.CheckIn, Topic: s.c.Topic,
		SCEP: mobileconfig.SCEP{
			URL: u.SCEP, Name: "Keelson", Challenge: challenge, CAFingerprint: s.c.CAFingerprint,
		},
		AnchorCertificates: s.c.Anchors,
	}
	if u.CheckIn == u.Server {
		e.CheckInURL = ""
	}
	profile, err := e.Render()
	if err != nil {
		// The link is good: what is wrong is the set-up.
		return nil, mdm.WrapError(mdm.CodeInternal, "", "the enrollment profile cannot be made", err)
	}
	if s.c.Signer == nil {
		return profile, nil
	}
	return mobileconfig.Sign(profile, s.c.Signer.Certificate, s.c.Signer.Key, s.c.Signer.Chain)
}
