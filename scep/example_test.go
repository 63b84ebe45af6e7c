package scep_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/subtle"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/scep"
)

// A SCEP endpoint over the built-in authority. The authority's key is on an
// elliptic curve, which SCEP cannot encrypt to, so the endpoint has an RSA
// certificate of its own.
func Example() {
	root, key, err := ca.NewSelfSigned("Example Corp. device CA", &ca.RootOptions{Key: ca.P256})
	if err != nil {
		log.Fatal(err)
	}
	authority, err := ca.New(root, key, nil)
	if err != nil {
		log.Fatal(err)
	}
	raKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		log.Fatal(err)
	}
	raCert, err := authority.IssueRA(context.Background(), &raKey.PublicKey, "Example Corp. SCEP")
	if err != nil {
		log.Fatal(err)
	}

	// A real issuer looks the challenge up, uses it once, and returns the same
	// certificate when the same key asks again.
	issuer := scep.IssuerFunc(func(ctx context.Context, r scep.Request) (*x509.Certificate, error) {
		if r.Renewal == nil && subtle.ConstantTimeCompare([]byte(r.Challenge), []byte("correct horse")) != 1 {
			return nil, mdm.Errorf(mdm.CodeChallenge, "challenge", "this challenge opens nothing")
		}
		return authority.Issue(ctx, mdm.IssueRequest{
			Tenant:     r.Tenant,
			Enrollment: "0195f3c8-7a10-7c3e-9b52-4f0c6d1e2a77",
			Generation: 1,
			PublicKey:  r.CSR.PublicKey,
			CommonName: "0195f3c8-7a10-7c3e-9b52-4f0c6d1e2a77",
		})
	})
	renewal, err := ca.NewVerifier([]*x509.Certificate{root}, nil)
	if err != nil {
		log.Fatal(err)
	}
	handler, err := scep.New(scep.RA{Certificate: raCert, Key: raKey}, issuer, &scep.Options{
		Chain:   []*x509.Certificate{root},
		Renewal: renewal,
	})
	if err != nil {
		log.Fatal(err)
	}

	mux := http.NewServeMux()
	mux.Handle("/mdm/v1/default/scep", handler)
	server := httptest.NewServer(mux)
	defer server.Close()
	res, err := http.Get(server.URL + "/mdm/v1/default/scep?operation=GetCACaps")
	if err != nil {
		log.Fatal(err)
	}
	defer res.Body.Close()
	caps, err := io.ReadAll(res.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(string(caps))
	// Output:
	// AES
	// POSTPKIOperation
	// Renewal
	// SCEPStandard
	// SHA-256
}
