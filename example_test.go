package keelson_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/mdmtest"
	"github.com/keelson-mdm/keelson/storage/inmem"
)

// Device management in an application's own server, tried with a simulated Mac.
func Example() {
	ctx := context.Background()
	mux := http.NewServeMux() // the application's own
	server := httptest.NewTLSServer(mux)
	defer server.Close()

	cert, key, _ := ca.NewSelfSigned("Example devices", nil)
	authority, _ := ca.New(cert, key, nil)
	m, err := keelson.New(keelson.Config{
		URL: server.URL, Store: inmem.New(nil), CA: authority,
		Keyring: mdm.LocalKeyring{Current: "2026", Keys: map[string][]byte{"2026": make([]byte, 32)}},
		Topic:   "com.apple.mgmt.External.00000000-0000-4000-8000-000000000000",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	m.Register(mux)

	profile, _ := m.Profiles().Create(ctx, keelson.ProfileUpload{Content: appleProfile("com.example.screen", "Screen", "A")})
	link, _ := m.Enrollments().Link(ctx, keelson.LinkRequest{})

	mac := mdmtest.NewApple(mdmtest.AppleMac, link.URL, &mdmtest.AppleOptions{TrustLoopback: true})
	defer mac.Close()
	if err := mac.Enroll(ctx); err != nil {
		fmt.Println(err)
		return
	}
	for range 3 { // installed, acknowledged, looked at
		_, _ = mac.Poll(ctx)
		_ = m.Plan(ctx) // Run does this by itself
	}

	hosts, _ := m.Hosts().List(ctx, keelson.HostFilter{}, keelson.Page{})
	host, _ := m.Hosts().Get(ctx, hosts[0].ID)
	fmt.Println(host.Platform, host.State, host.Profiles[0].Name, host.Profiles[0].Status)
	why, _ := m.Hosts().Explain(ctx, host.ID, profile.ID)
	fmt.Println(why.Desired, why.Next)
	// Output:
	// macos enrolled Screen verified
	// true Nothing: this is how it should be.
}
