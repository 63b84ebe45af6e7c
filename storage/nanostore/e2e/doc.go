// Package e2e holds [nanostore] to NanoMDM's own end-to-end suite and to NanoMDM's
// own store as the oracle, on every backend. It is a module of its own, so that
// what NanoMDM needs beside its core is no dependency of this library.
//
// [nanostore]: https://pkg.go.dev/github.com/keelson-mdm/keelson/storage/nanostore
package e2e
