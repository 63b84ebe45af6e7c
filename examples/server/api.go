package main

import (
	"net/http"
	"strings"

	"github.com/keelson-mdm/keelson/adminapi"
	"github.com/keelson-mdm/keelson/mdm"
)

// api is the JSON API, for whoever has the administrator's token. The dashboard
// does without it.
func (s *server) api(mux *http.ServeMux) error {
	a, err := adminapi.New(s.mdm, &adminapi.Options{Authenticate: s.bearer, Log: s.log})
	if err != nil {
		return err
	}
	a.Register(mux)
	return nil
}

// bearer tells who calls the API.
func (s *server) bearer(r *http.Request) (mdm.Actor, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || !same(strings.TrimSpace(token), s.token) {
		return mdm.Actor{}, mdm.Errorf(mdm.CodeUnauthenticated, "", "send the administrator's token: Authorization: Bearer TOKEN")
	}
	return mdm.Actor{Kind: "token", Name: "administrator"}, nil
}
