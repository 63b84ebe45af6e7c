package profiles

import (
	"context"

	"github.com/keelson-mdm/keelson/mdm"
)

// Check reads two of a tenant's profiles, the one that was changed longest ago and
// the one that was changed last, as they are stored: keys that are not there any
// more show at the one, and keys that are not there yet at the other. It returns
// the first that cannot be read, and why; a zero profile when both can be, or
// there is none.
func (g *Engine) Check(ctx context.Context, t mdm.TenantID) (Profile, error) {
	ps, err := g.c.Store.Profiles(ctx, t, nil)
	if err != nil || len(ps) == 0 {
		return Profile{}, err
	}
	first, last := ps[0], ps[0]
	for _, p := range ps {
		if p.UpdatedAt.Before(first.UpdatedAt) {
			first = p
		}
		if p.UpdatedAt.After(last.UpdatedAt) {
			last = p
		}
	}
	for _, p := range []Profile{first, last} {
		if _, err := g.content(ctx, t, p.Content); err != nil {
			return p, err
		}
	}
	return Profile{}, nil
}
