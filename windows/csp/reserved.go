package csp

// Reserved is a part of the tree that a profile must not touch, because a
// setting of its own or the server itself manages it.
type Reserved struct {
	// Node is the address below the scope; it and all below it are reserved,
	// and so is what stands above it.
	Node string
	// Use says what to use instead.
	Use string
}

// ReservedNodes returns the reserved parts of the tree.
func ReservedNodes() []Reserved { return append([]Reserved(nil), reserved...) }

// reserved is never written to. The addresses are from bitlocker-csp,
// policy-csp-bitlocker, policy-csp-update, update-csp, dmclient-csp, dmacc-csp,
// certificatestore-csp, remotewipe-csp and remotelock-csp.
var reserved = []Reserved{
	{v + "BitLocker", "use the disk encryption setting"},
	{v + "Policy/Config/Bitlocker", "use the disk encryption setting"},
	{v + "Policy/Config/Update", "use the OS update setting"},
	{v + "Update", "use the OS update setting"},
	{v + "DMClient", "the server manages the enrollment itself"},
	{"SyncML/DMAcc", "the server manages the account of the enrollment itself"},
	{v + "CertificateStore/MY", "it holds the device's identity; use ClientCertificateInstall for other certificates"},
	{v + "RemoteWipe", "use the wipe action"},
	{v + "RemoteLock", "use the lock action"},
}

// ReservedFor returns the reserved part that a node lies in or above, in either
// scope. Only whole segments count, in any case of letters.
func ReservedFor(u LocURI) (Reserved, bool) {
	path := u.path()
	for _, r := range reserved {
		if top := foldASCII(r.Node); within(path, top) || within(top, path) {
			return r, true
		}
	}
	return Reserved{}, false
}

// foldASCII folds the letters of an address that has no others.
func foldASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
