package mdm_test

import (
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/keelson-mdm/keelson/mdm"
)

// An error has a code that programs match and a message that people may see; each
// audience is told what is good for it.
func ExampleError() {
	err := fmt.Errorf("upload: %w", mdm.Errorf(mdm.CodeInvalid, "scope.include_all[2]", "no such label"))
	fmt.Println(errors.Is(err, mdm.CodeInvalid))
	var e *mdm.Error
	if errors.As(err, &e) {
		fmt.Println(e.Field, "-", e.Message)
	}
	a := mdm.CodeOf(err).Answer()
	fmt.Println("an administrator is answered", a.Admin, "and a device", a.Device)
	fmt.Println("a stranger's certificate:", mdm.CodeIdentity.Answer().Device, "and never 401")
	// Output:
	// true
	// scope.include_all[2] - no such label
	// an administrator is answered 422 and a device 400
	// a stranger's certificate: 400 and never 401
}

// A secret is sealed for its place, and opens in no other.
func ExampleBox() {
	ring := mdm.LocalKeyring{Current: "2026", Keys: map[string][]byte{"2026": make([]byte, 32)}} // 32 random bytes
	box, err := mdm.NewBox(ring, rand.Reader)
	if err != nil {
		fmt.Println(err)
		return
	}
	sealed, _ := box.Seal(mdm.DefaultTenant, "token", "apple:UDID/1", []byte("the bootstrap token"))
	clear, _ := box.Open(mdm.DefaultTenant, "token", "apple:UDID/1", sealed)
	fmt.Println(string(clear))
	_, err = box.Open(mdm.DefaultTenant, "token", "apple:ANOTHER/1", sealed)
	fmt.Println(mdm.CodeOf(err))
	// Output:
	// the bootstrap token
	// internal
}
