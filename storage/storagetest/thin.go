//go:build !race

package storagetest

const (
	faultStride = 1   // every write of a unit fails in turn
	histories   = 100 // that are played beside the model
	// fleetDevices live for thirty days.
	fleetDevices = 12
)
