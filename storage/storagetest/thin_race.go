//go:build race

package storagetest

// Under the race detector, which makes everything several times as expensive, only
// every few faults strike and fewer random histories are played. CI runs the suite
// without it too.
const (
	faultStride  = 4
	histories    = 12
	fleetDevices = 4
)
