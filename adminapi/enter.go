package adminapi

import (
	"context"
	"errors"
	"net/http"
	"unicode"
	"unicode/utf8"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/mdm"
)

const maxReason = 512 // bytes

type tenantKey struct{}

func tenantFrom(ctx context.Context, m *keelson.MDM) *keelson.Tenant {
	id, _ := ctx.Value(tenantKey{}).(mdm.TenantID)
	return m.Tenant(id)
}

// enter finds out who calls, why, and about which tenant, and puts that into the
// request's context. The request that it returns is never nil.
func (a *API) enter(r *http.Request) (*http.Request, error) {
	if err := a.o.CrossOrigin.Check(r); err != nil {
		return r, mdm.Errorf(mdm.CodeForbidden, "", "this request was made by a page of another origin")
	}
	who := mdm.Actor{Kind: "anonymous"}
	if a.o.Authenticate != nil {
		var err error
		if who, err = a.o.Authenticate(r); err != nil {
			return r, unauthenticated(err)
		}
	}
	if reason := r.Header.Get(a.o.ReasonHeader); reason != "" {
		if !isText(reason, maxReason) {
			return r, mdm.Errorf(mdm.CodeInvalid, a.o.ReasonHeader, "a reason has at most %d bytes of UTF-8 and no control characters", maxReason)
		}
		who.Reason = reason
	}
	ctx := mdm.WithActor(r.Context(), who)
	t := mdm.DefaultTenant
	if a.o.Tenant != nil {
		t = a.o.Tenant(r.WithContext(ctx))
	}
	if t.Validate() != nil {
		return r, mdm.Errorf(mdm.CodeNotFound, "tenant", "no such tenant")
	}
	return r.WithContext(context.WithValue(ctx, tenantKey{}, t)), nil
}

// unauthenticated keeps what the application said deliberately, and nothing else.
func unauthenticated(err error) error {
	var e *mdm.Error
	var c mdm.Code
	if errors.As(err, &e) || errors.As(err, &c) {
		return err
	}
	return mdm.Errorf(mdm.CodeUnauthenticated, "", "say who you are")
}

// isText reports whether s is 1 to limit bytes of UTF-8 without control
// characters.
func isText(s string, limit int) bool {
	if s == "" || len(s) > limit || !utf8.ValidString(s) {
		return false
	}
	for _, c := range s {
		if unicode.IsControl(c) {
			return false
		}
	}
	return true
}
