package profiles_test

import (
	"fmt"
	"testing"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

// BenchmarkPlan plans a host on which twenty profiles are as they should be,
// which is what nearly every plan of a fleet is.
func BenchmarkPlan(b *testing.B) {
	for _, platform := range []mdm.Platform{mac, pc} {
		b.Run(string(platform), func(b *testing.B) {
			s := newSim(b, platform)
			s.in.State.Labels[1] = profiles.Yes
			for i := range 20 {
				sc := profiles.Scope{}
				if i%2 == 0 {
					sc.IncludeAll = []mdm.LabelKey{1}
				}
				s.define(fmt.Sprintf("com.example.%d", i), fmt.Sprintf("uuid %d; node ./n%d 1; node ./m%d 1", i, i, i), sc)
			}
			s.settle()
			b.ReportAllocs()
			for b.Loop() {
				if p := profiles.Plan(s.in); !p.Empty() {
					b.Fatal("the host is not steady")
				}
			}
		})
	}
}
