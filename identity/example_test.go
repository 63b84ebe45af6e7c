package identity_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"

	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/storage/inmem"
)

// A link lets one device in: its challenge becomes a certificate, which then
// authenticates the device that the link expects, and no other.
func Example() {
	ctx := context.Background()
	store := inmem.New(nil)
	_ = store.Lifecycle().PutTenant(ctx, mdm.DefaultTenant)
	cert, key, _ := ca.NewSelfSigned("Example", &ca.RootOptions{Key: ca.P256})
	authority, _ := ca.New(cert, key, nil)
	s, err := identity.New(identity.Config{
		Store: store.Identity(), Transactor: store, CA: authority, Clock: mdm.SystemClock{}, Rand: rand.Reader,
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	_, link, _ := s.CreateIntent(ctx, mdm.DefaultTenant, identity.IntentRequest{Serials: []string{"C02EXAMPLE"}})
	_, challenge, _ := s.OpenLink(ctx, mdm.DefaultTenant, link) // it goes into the enrollment profile

	device, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	leaf, _ := s.Issue(ctx, mdm.DefaultTenant, challenge, &device.PublicKey)
	again, _ := s.Issue(ctx, mdm.DefaultTenant, challenge, &device.PublicKey)
	fmt.Println("asked again, the same certificate:", leaf.Equal(again))
	fmt.Println("verified:", s.Verify(ctx, mdm.DefaultTenant, leaf))

	claim := func(serial string) identity.Claim {
		return identity.Claim{
			Natural: mdm.AppleNatural("UDID"), Protocol: mdm.AppleProtocol, Channel: mdm.DeviceChannel,
			Facts: mdm.HostFacts{Platform: mdm.MacOS, Serial: serial},
		}
	}
	_, err = s.Admit(ctx, mdm.DefaultTenant, leaf, claim("C02ANOTHER"))
	fmt.Println("another serial number:", mdm.CodeOf(err))
	_, err = s.Admit(ctx, mdm.DefaultTenant, leaf, claim("C02EXAMPLE"))
	fmt.Println("the expected one:", err)
	_, err = s.Issue(ctx, mdm.DefaultTenant, "guessed", &device.PublicKey)
	fmt.Println("a guessed challenge:", mdm.CodeOf(err))
	// Output:
	// asked again, the same certificate: true
	// verified: <nil>
	// another serial number: identity
	// the expected one: <nil>
	// a guessed challenge: challenge
}
