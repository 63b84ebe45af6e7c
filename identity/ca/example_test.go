package ca_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/mdm"
)

// A root is made once and kept; the authority over it issues an identity, and a
// verifier judges what devices present later.
func Example() {
	ctx := context.Background()
	root, key, err := ca.NewSelfSigned("Example Corp. device CA", &ca.RootOptions{Key: ca.P256})
	if err != nil {
		log.Fatal(err)
	}
	authority, err := ca.New(root, key, nil)
	if err != nil {
		log.Fatal(err)
	}

	deviceKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	leaf, err := authority.Issue(ctx, mdm.IssueRequest{
		Tenant:     mdm.DefaultTenant,
		Enrollment: "0195f3c8-7a10-7c3e-9b52-4f0c6d1e2a77",
		Generation: 1,
		PublicKey:  &deviceKey.PublicKey,
		CommonName: "0195f3c8-7a10-7c3e-9b52-4f0c6d1e2a77",
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(leaf.URIs[0])

	roots, err := authority.Roots(ctx, mdm.DefaultTenant)
	if err != nil {
		log.Fatal(err)
	}
	verifier, err := ca.NewVerifier(roots, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(verifier.Verify(leaf, time.Now()))
	err = verifier.Verify(leaf, time.Now().AddDate(2, 0, 0))
	fmt.Println(ca.ReasonOf(err), errors.Is(err, mdm.CodeIdentity))

	// A certificate for Wi-Fi is signed by the same authority and is no identity.
	wifi, err := authority.IssueLeaf(ctx, ca.Request{PublicKey: &deviceKey.PublicKey, CommonName: "wifi", Purpose: "wifi"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(ca.ReasonOf(verifier.Verify(wifi, time.Now())))
	// Output:
	// keelson://mdm/v1/default/0195f3c8-7a10-7c3e-9b52-4f0c6d1e2a77/1
	// <nil>
	// expired true
	// wrong_purpose
}
