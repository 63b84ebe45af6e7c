// Package storagetest holds every [storage.Store] to the contracts of its rooms.
// A backend's test is one call:
//
//	func TestStore(t *testing.T) {
//		storagetest.Run(t, storagetest.Harness{Open: open, Dump: dump})
//	}
//
// Each test names the sentence of the contract that it holds, and prints it when
// it fails. Errors are matched with [errors.Is] only, so that a backend may wrap
// them. Nothing is expected that the contracts do not say: a backend may draw
// its keys from where it likes, and may fail a unit of work with a transient
// error at any time as long as nothing of it stays.
//
// Beside the rooms one by one the suite shows that tenants are sealed from each
// other in every method of every room, that a unit of work fails whole at each
// of its writes, that nothing is lost or doubled under contention, and that the
// queue agrees with a naive model of itself on random histories.
package storagetest
