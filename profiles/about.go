package profiles

import (
	"context"
	"slices"
	"strings"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
)

// About says which profile a command of the engine's is about.
type About struct {
	Identifier string // the slot's name; always known
	// Profile is the definition; zero when it is gone, or cannot be told from
	// those of several teams.
	Profile Profile
	// Gone: no definition from the time of the command has the identifier any
	// more.
	Gone bool
}

// About says of a channel's commands which profiles they are about. Those that
// are about none are left out: other owners' commands, and the engine's
// questions.
//
// A command tells the slot that it fills or empties. The definition of a row's
// current instruction is known; that of an earlier command is taken to be the one
// that has its identifier now and existed when it was queued: the row's, else
// that of the host's team, else the only one.
func (g *Engine) About(ctx context.Context, t mdm.TenantID, e mdm.EnrollmentKey, commands []queue.Done) (map[mdm.CommandID]About, error) {
	instructs := func(d queue.Done) bool { return d.Owner == mdm.OwnerProfiles && d.Ref.Key != 0 }
	if !slices.ContainsFunc(commands, instructs) {
		return nil, nil
	}
	team, rows, err := g.c.Store.LoadChannel(ctx, t, e)
	if err != nil {
		return nil, err
	}
	all, err := g.c.Store.Profiles(ctx, t, nil)
	if err != nil {
		return nil, err
	}
	out := make(map[mdm.CommandID]About)
	for _, d := range commands {
		if instructs(d) {
			out[d.ID] = about(&d, team, rows, all)
		}
	}
	return out, nil
}

func about(d *queue.Done, team mdm.TeamKey, rows []Row, all []Profile) About {
	a := About{Identifier: strings.TrimPrefix(d.Resource, slotResource), Gone: true}
	var owner mdm.ProfileKey
	if i := slices.IndexFunc(rows, func(r Row) bool { return int64(r.Slot) == d.Ref.Key }); i >= 0 {
		owner = rows[i].Profile
		if rows[i].Order == d.Ref.Order {
			for _, p := range all {
				if p.Key == owner { // even when it has another identifier by now
					a.Profile, a.Gone = p, false
				}
			}
			return a
		}
	}
	var then []Profile
	for _, p := range all {
		if int64(p.Slot) == d.Ref.Key && !p.CreatedAt.After(d.Queued) {
			then = append(then, p)
		}
	}
	a.Gone = len(then) == 0
	for _, is := range []func(Profile) bool{
		func(p Profile) bool { return p.Key == owner },
		func(p Profile) bool { return p.Team == team },
		func(Profile) bool { return len(then) == 1 },
	} {
		if i := slices.IndexFunc(then, is); i >= 0 {
			a.Profile = then[i]
			break
		}
	}
	return a
}
