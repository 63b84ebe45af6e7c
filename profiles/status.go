package profiles

// Status is what people see of one (host, profile). It is always derived from a
// row by [Classify], never stored.
type Status string

// The statuses.
const (
	Pending   Status = "pending"   // wanted, not answered yet
	Verifying Status = "verifying" // taken by the device, not proven yet
	Verified  Status = "verified"  // proven as far as the profile allows
	// Unprovable: the device took it, and nothing can be read back.
	Unprovable Status = "accepted_not_verifiable"
	Failed     Status = "failed"
	Removing   Status = "removing"
)

// Reason is a stable code for why a status is what it is; part of the API.
type Reason string
