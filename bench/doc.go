// Package bench measures Keelson beside NanoMDM, in one process, on the same
// devices: run
//
//	go test -bench . -benchmem
//
// in this directory. It is a module of its own, so that what it is compared with
// never becomes a dependency of the library. Method and figures stand in
// docs/performance.md.
//
// Benchmarks named ratio take turns of a few operations between both sides, so
// that a busy machine is equally busy for both. They report how many times as much
// time, CPU time, memory and allocations NanoMDM takes: above 1, Keelson takes
// less.
package bench
