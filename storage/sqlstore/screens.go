package sqlstore

import (
	"context"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

// What people look at, and no device waits for.

func (r profilesRoom) LoadHosts(ctx context.Context, tenant mdm.TenantID, hosts []mdm.HostKey) (out []profiles.HostState, err error) {
	in, err := list(hosts)
	if err != nil {
		return nil, err
	}
	err = r.s.snapshot(ctx, tenant, func(t *tx) error {
		if len(hosts) == 0 {
			return nil
		}
		out, err = t.load(ctx, byKeys+` AND h.state <> 'deleted' ORDER BY h.id`, in)
		return err
	})
	return out, err
}
