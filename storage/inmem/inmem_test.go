package inmem_test

import (
	"testing"

	"github.com/keelson-mdm/keelson/storage"
	"github.com/keelson-mdm/keelson/storage/inmem"
	"github.com/keelson-mdm/keelson/storage/storagetest"
)

func TestStore(t *testing.T) {
	storagetest.Run(t, storagetest.Harness{
		Open: func(_ *testing.T, fault storage.FaultHook) storage.Store {
			return inmem.New(&inmem.Options{Fault: fault})
		},
		Dump: func(_ *testing.T, s storage.Store) []storagetest.Line { return s.(*inmem.Store).Dump() },
	})
}
