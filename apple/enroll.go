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

// Enroll hands out the enrollment profile of a link. It may be fetched any
// number of times; the challenge in it works until the link is used up.
func (s *Server) Enroll(t mdm.TenantID, link func(*http.Request) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "an enrollment profile is downloaded", http.StatusMethodNotAllowed)
			return
		}
		profile, err := s.enrollmentProfile(r, t, link(r))
		if err != nil {
			s.refuseLink(w, r, err)
			return
		}
		h := w.Header()
		h.Set("Content-Type", ProfileType)
		h.Set("Content-Disposition", `attachment; filename="enroll.mobileconfig"`)
		h.Set("Content-Length", strconv.Itoa(len(profile)))
		h.Set("Cache-Control", "no-store")
		_, _ = w.Write(profile)
	})
}

// refuseLink answers a person, or a browser: no device is enrolled yet.
func (s *Server) refuseLink(w http.ResponseWriter, r *http.Request, err error) {
	a := mdm.CodeOf(err).Answer()
	s.c.Log.InfoContext(r.Context(), "an enrollment link was refused", "error", err)
	text := "the enrollment profile cannot be made now"
	var e *mdm.Error
	if errors.As(err, &e) && a.Admin < 500 {
		text = e.Message
	}
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
	if err != nil || s.c.Signer == nil {
		return profile, err
	}
	return mobileconfig.Sign(profile, s.c.Signer.Certificate, s.c.Signer.Key, s.c.Signer.Chain)
}
