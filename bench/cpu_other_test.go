//go:build !unix

package bench

import "time"

// cpuTime is not known here; its ratio is then left out.
func cpuTime() time.Duration { return 0 }
