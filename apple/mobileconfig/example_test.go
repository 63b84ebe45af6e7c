package mobileconfig_test

import (
	"fmt"
	"os"

	"github.com/keelson-mdm/keelson/apple/mobileconfig"
	"github.com/keelson-mdm/keelson/mdm"
)

// An administrator uploads a profile.
func ExampleParse() {
	data, err := os.ReadFile("testdata/vendor.mobileconfig")
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := mobileconfig.Parse(data)
	if err != nil {
		fmt.Println(err) // says where and what to do
		return
	}
	if err := p.Check(nil); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Identifier, p.Scope, p.Has(mobileconfig.Connectivity), p.Single(mdm.MacOS))
	// Output: com.example.office System true [com.apple.dock]
}

// The enrollment profile keeps its names when it is rendered again to renew the
// certificate.
func ExampleEnrollment_Render() {
	e := &mobileconfig.Enrollment{
		Seed:      "0199a1b2-0000-7000-8000-000000000001",
		ServerURL: "https://mdm.example.com/mdm/v1/default/apple/server",
		Topic:     "com.apple.mgmt.External.0f0e0d0c-0b0a-4908-8706-050403020100",
		SCEP:      mobileconfig.SCEP{URL: "https://mdm.example.com/mdm/v1/default/scep", Challenge: "first"},
	}
	for _, challenge := range []string{"first", "second"} {
		e.SCEP.Challenge = challenge
		data, err := e.Render()
		if err != nil {
			fmt.Println(err)
			return
		}
		p, err := mobileconfig.Parse(data)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(p.Identifier, p.UUID)
	}
	// Output:
	// com.github.keelson-mdm.enrollment A8002024-FDA3-89D2-85A6-24D87AB31032
	// com.github.keelson-mdm.enrollment A8002024-FDA3-89D2-85A6-24D87AB31032
}
