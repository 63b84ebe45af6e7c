package storagetest

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/storage"
)

// retentionCrossings has the lines of what prunes, and of leases.
func retentionCrossings() map[string]func(x *crossing) {
	later := func(x *crossing) time.Time { return x.now.Add(1000 * day) }
	return map[string]func(x *crossing){
		"Queue.PruneDone": func(x *crossing) { nothing[int](x)(x.s.Queue().PruneDone(x.ctx, x.tx, later(x), 100)) },
		"Queue.PruneChannels": func(x *crossing) {
			n, next, err := x.s.Queue().PruneChannels(x.ctx, x.tx, 0, 0, 100)
			x.fine(err)
			require.Zero(x.t, n)
			require.Zero(x.t, next)
		},
		"Queue.PruneContent": func(x *crossing) {
			nothing[int](x)(x.s.Queue().PruneContent(x.ctx, x.tx, later(x), later(x), 100))
		},
		"Identity.PruneCertificates": func(x *crossing) { nothing[int](x)(x.s.Identity().PruneCertificates(x.ctx, x.tx, later(x), 100)) },
		"Identity.PruneIntents": func(x *crossing) {
			nothing[mdm.IntentID](x)(x.s.Identity().PruneIntents(x.ctx, x.tx, later(x), "", 100))
		},
		"Leases.Acquire": func(x *crossing) {
			_, ok, err := x.s.Leases().Acquire(x.ctx, "house", x.name("owner"), time.Hour, x.now) // of the house
			x.fine(err)
			require.True(x.t, ok)
		},
		"Leases.Holds": func(x *crossing) {
			x.fails(mdm.CodePrecondition, x.s.Leases().Holds(x.ctx, x.tx, storage.Lease{Name: "nobody's", Owner: "a"}, x.now))
		},
		"Leases.Release": func(x *crossing) { x.fine(x.s.Leases().Release(x.ctx, storage.Lease{Name: "house", Owner: "a"})) },
	}
}
