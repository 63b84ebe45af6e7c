package adminapi_test

import (
	"bytes"
	"crypto/subtle"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/adminapi"
	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/storage/inmem"
)

// An application mounts the API beside its own handlers, and tells who calls in
// its own way.
func Example() {
	root, key, err := ca.NewSelfSigned("Example Corp. device CA", &ca.RootOptions{Key: ca.P256})
	if err != nil {
		log.Fatal(err)
	}
	authority, err := ca.New(root, key, nil)
	if err != nil {
		log.Fatal(err)
	}
	m, err := keelson.New(keelson.Config{
		URL: "https://mdm.example.com", Store: inmem.New(nil), CA: authority,
		Keyring: mdm.LocalKeyring{Current: "1", Keys: map[string][]byte{"1": bytes.Repeat([]byte("k"), 32)}},
	})
	if err != nil {
		log.Fatal(err)
	}
	api, err := adminapi.New(m, &adminapi.Options{
		Authenticate: func(r *http.Request) (mdm.Actor, error) {
			if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer ci-token")) != 1 {
				return mdm.Actor{}, mdm.Errorf(mdm.CodeUnauthenticated, "", "send the token that you were given")
			}
			return mdm.Actor{Kind: "token", Name: "ci"}, nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	m.Register(mux)
	api.Register(mux)
	srv := httptest.NewServer(mux)
	defer srv.Close()

	ask := func(method, path, token, body string) {
		r, err := http.NewRequest(method, srv.URL+path, strings.NewReader(body))
		if err != nil {
			log.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Reason", "a new laptop")
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			log.Fatal(err)
		}
		defer res.Body.Close()
		answer, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(res.StatusCode, string(answer))
	}
	ask("PUT", "/api/v1/hosts/by-external/asset-1001", "wrong", `{}`)
	ask("PUT", "/api/v1/hosts/by-external/asset-1001", "ci-token", `{"platform":"windows","seriel":"PF1"}`)
	ask("GET", "/api/v1/summary", "ci-token", "")
	// Output:
	// 401 {"type":"about:blank","title":"Unauthorized","status":401,"code":"unauthenticated","detail":"send the token that you were given"}
	// 422 {"type":"about:blank","title":"Unprocessable Entity","status":422,"code":"invalid","field":"seriel","detail":"there is no such field"}
	// 200 {"hosts":{"total":0,"by_platform":{}},"profiles":{"total":0,"by_status":{}}}
}
