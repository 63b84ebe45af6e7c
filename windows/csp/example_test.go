package csp_test

import (
	"fmt"

	"github.com/keelson-mdm/keelson/windows/csp"
)

const lockScreen = `
<!-- lock after fifteen minutes -->
<Replace>
  <Item>
    <Target><LocURI>./Vendor/MSFT/Policy/Config/DeviceLock/MaxInactivityTimeDeviceLock</LocURI></Target>
    <Meta><Format xmlns="syncml:metinf">int</Format></Meta>
    <Data>15</Data>
  </Item>
</Replace>`

// An uploaded profile becomes operations, what to read back, and how to undo it.
func ExampleParseProfile() {
	p, err := csp.ParseProfile([]byte(lockScreen), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, o := range p.Operations {
		fmt.Println(o.Verb, o.LocURI.Canonical(), o.Format, o.Data)
	}
	for _, probe := range csp.Probes(p.Operations) {
		fmt.Println("got 15:", probe.Judge(200, csp.Value{Format: "int", Data: "15"}))
		fmt.Println("got 30:", probe.Judge(200, csp.Value{Format: "int", Data: "30"}))
	}
	for _, d := range csp.RemovalOperations(p.Operations, nil).Deletes {
		fmt.Println(d.Verb, d.LocURI)
	}
	// Output:
	// Replace ./Device/Vendor/MSFT/Policy/Config/DeviceLock/MaxInactivityTimeDeviceLock int 15
	// got 15: match
	// got 30: differ
	// Delete ./Vendor/MSFT/Policy/Config/DeviceLock/MaxInactivityTimeDeviceLock
}

// A mistake is named by its place.
func ExampleParseProfile_refused() {
	_, err := csp.ParseProfile([]byte(`<Replace><Item>
	<Target><LocURI>./Device/Vendor/MSFT/BitLocker/RequireDeviceEncryption</LocURI></Target><Data>1</Data>
	</Item></Replace>`), nil)
	fmt.Println(err)
	// Output:
	// invalid (commands[0].item[0].target): ./Device/Vendor/MSFT/BitLocker/RequireDeviceEncryption touches Vendor/MSFT/BitLocker, which is reserved: use the disk encryption setting
}

// What another profile owns stays.
func ExampleRemovalOperations() {
	p, err := csp.ParseProfile([]byte(lockScreen), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	other, err := csp.Parse("./device/vendor/msft/policy/config/devicelock/MaxInactivityTimeDeviceLock")
	if err != nil {
		fmt.Println(err)
		return
	}
	r := csp.RemovalOperations(p.Operations, csp.NewSet(other))
	fmt.Println(len(r.Deletes), "deleted,", len(r.Kept), "kept")
	// Output: 0 deleted, 1 kept
}
