package storagetest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

func (w *world) putTeam(v *profiles.Team) error {
	return w.try(func(ctx context.Context, tx mdm.Tx) error { return w.s.Profiles().PutTeam(ctx, tx, v) })
}

func (w *world) team(name string) profiles.Team {
	w.t.Helper()
	v := profiles.Team{ID: mdm.TeamID(w.uuid()), Name: name}
	require.NoError(w.t, w.putTeam(&v))
	return v
}

func (w *world) putLabel(v *profiles.Label) error {
	return w.try(func(ctx context.Context, tx mdm.Tx) error { return w.s.Profiles().PutLabel(ctx, tx, v) })
}

func (w *world) label(name string, def profiles.Tri) profiles.Label {
	w.t.Helper()
	v := profiles.Label{ID: mdm.LabelID(w.uuid()), Name: name, Default: def}
	require.NoError(w.t, w.putLabel(&v))
	return v
}

func (w *world) putProfile(v *profiles.Profile) error {
	return w.try(func(ctx context.Context, tx mdm.Tx) error { return w.s.Profiles().PutProfile(ctx, tx, v) })
}

// blankProfile is a definition as the engine makes it.
func (w *world) blankProfile(team mdm.TeamKey, change ...func(*profiles.Profile)) profiles.Profile {
	p := profiles.Profile{
		ID: mdm.ProfileID(w.uuid()), Team: team, Family: profiles.AppleProfile, Identifier: w.name("com.example"), Name: w.name("Profile"),
		Revision: 1, Content: w.hash(), Size: 100, CreatedAt: w.now, UpdatedAt: w.now,
	}
	for _, f := range change {
		f(&p)
	}
	return p
}

func (w *world) profile(team mdm.TeamKey, change ...func(*profiles.Profile)) profiles.Profile {
	w.t.Helper()
	p := w.blankProfile(team, change...)
	require.NoError(w.t, w.putProfile(&p))
	return p
}

// raise raises a team's version.
func (w *world) raise(k mdm.TeamKey) int64 {
	w.t.Helper()
	return in(w, func(ctx context.Context, tx mdm.Tx) (int64, error) { return w.s.Profiles().RaiseTeam(ctx, tx, k) })
}

func (w *world) teams() []profiles.Team {
	w.t.Helper()
	return got[[]profiles.Team](w)(w.s.Profiles().Teams(w.ctx, w.tenant))
}

func (w *world) definitions(k mdm.TeamKey) *profiles.Definitions {
	w.t.Helper()
	return in(w, func(ctx context.Context, tx mdm.Tx) (*profiles.Definitions, error) {
		return w.s.Profiles().Definitions(ctx, tx, k)
	})
}

// profilesDefinitions holds teams, labels and profiles.
func profilesDefinitions() []test {
	return []test{
		{"teams", "Put inserts when the key is zero, setting the key, and updates otherwise", func(t *testing.T, w *world) {
			a, b := w.team("Sales"), w.team("Marketing")
			require.NotZero(t, a.Key)
			w.raise(a.Key)
			renamed := profiles.Team{Key: a.Key, ID: a.ID, Name: "SALES"}
			require.NoError(t, w.putTeam(&renamed), "its own name in other letters")
			renamed.Version = 1
			require.Equal(t, []profiles.Team{renamed, b}, w.teams(), "a version is raised, never put")
			ghost := profiles.Team{Key: b.Key + 1000, Name: "Ghost"}
			require.ErrorIs(t, w.putTeam(&ghost), mdm.CodeNotFound)
		}},
		{"a team's name is taken", "A name … that is taken is a CodeConflict error naming the field", func(t *testing.T, w *world) {
			w.team("Größe")
			b := w.team("b")
			same := profiles.Team{ID: mdm.TeamID(w.uuid()), Name: "GRÖßE"}
			for _, v := range []*profiles.Team{&same, {Key: b.Key, ID: b.ID, Name: "größe"}} {
				err := w.putTeam(v)
				require.ErrorIs(t, err, mdm.CodeConflict)
				requireField(t, "name", err)
			}
			require.Zero(t, same.Key)
		}},
		{"deleting a team", "DeleteTeam refuses a team that has profiles; its hosts come to no team and are marked", func(t *testing.T, w *world) {
			team := w.team("Sales")
			p := w.profile(team.Key)
			h := w.host(func(h *mdm.Host) { h.Team = team.Key })
			other := w.host(func(h *mdm.Host) { h.Team = w.team("Other").Key })
			remove := func(k mdm.TeamKey) error {
				return w.try(func(ctx context.Context, tx mdm.Tx) error { return w.s.Profiles().DeleteTeam(ctx, tx, k) })
			}
			before := w.dump()
			require.ErrorIs(t, remove(team.Key), mdm.CodeConflict)
			require.Equal(t, before, w.dump())
			w.do(func(ctx context.Context, tx mdm.Tx) error {
				return w.s.Profiles().DeleteProfile(ctx, tx, p.Key, p.Edit)
			})
			require.NoError(t, remove(team.Key))
			require.ErrorIs(t, remove(team.Key), mdm.CodeNotFound)
			require.Zero(t, w.hostOf(h.Key).Team)
			require.Equal(t, other.Team, w.hostOf(other.Key).Team)
			require.Equal(t, []mdm.HostKey{h.Key}, w.claimAll())
			require.Len(t, w.teams(), 1)
		}},
		{"labels", "Put inserts when the key is zero, setting the key, and updates otherwise. A name that is taken is a CodeConflict error naming the field", func(t *testing.T, w *world) {
			a, b := w.label("VIP", profiles.No), w.label("Beta", profiles.Unknown)
			a.Name, a.Default = "vip", profiles.Yes
			require.NoError(t, w.putLabel(&a))
			require.Equal(t, []profiles.Label{a, b}, got[[]profiles.Label](w)(w.s.Profiles().Labels(w.ctx, w.tenant)))
			require.Equal(t, []profiles.Label{a, b}, in(w, func(ctx context.Context, tx mdm.Tx) ([]profiles.Label, error) {
				return w.s.Profiles().LabelsTx(ctx, tx)
			}))
			for _, v := range []*profiles.Label{{Name: "ViP"}, {Key: b.Key, Name: "VIP"}} {
				err := w.putLabel(v)
				require.ErrorIs(t, err, mdm.CodeConflict)
				requireField(t, "name", err)
			}
			require.ErrorIs(t, w.putLabel(&profiles.Label{Key: b.Key + 1000, Name: "Ghost"}), mdm.CodeNotFound)
		}},
		{"profiles", "Put inserts when the key is zero, setting the key (and, of a profile, the slot), and updates otherwise", func(t *testing.T, w *world) {
			l := []mdm.LabelKey{w.label("a", profiles.No).Key, w.label("b", profiles.No).Key, w.label("c", profiles.No).Key}
			p := w.profile(0, func(p *profiles.Profile) {
				p.Scope = profiles.Scope{IncludeAll: l[:1], IncludeAny: l[1:2], ExcludeAny: l[2:], Platforms: []mdm.Platform{mdm.MacOS, mdm.IOS}}
				p.Actor = mdm.Actor{Kind: "token", Name: "ci", Reason: "deploy"}
			})
			require.NotZero(t, p.Key)
			require.NotZero(t, p.Slot)
			plain := w.profile(0, func(p *profiles.Profile) { p.Family = profiles.WindowsProfile })
			require.Equal(t, []profiles.Profile{p, plain}, w.profiles(nil))
			next := p
			next.Name, next.Revision, next.Content, next.Size = "Other", 2, w.hash(), 7
			next.Scope, next.Actor, next.UpdatedAt = profiles.Scope{}, mdm.Actor{}, w.now.Add(time.Hour)
			require.NoError(t, w.putProfile(&next))
			require.Equal(t, p.Slot, next.Slot)
			require.Equal(t, mdm.Edit(2), next.Edit)
			require.Equal(t, []profiles.Profile{next, plain}, w.profiles(nil))
			require.Equal(t, next, got[profiles.Profile](w)(w.s.Profiles().Profile(w.ctx, w.tenant, p.ID)))
			w.do(func(ctx context.Context, tx mdm.Tx) error {
				one, err := w.s.Profiles().ProfileTx(ctx, tx, p.ID)
				require.NoError(t, err)
				require.Equal(t, next, one)
				all, err := w.s.Profiles().ProfilesTx(ctx, tx)
				require.NoError(t, err)
				require.Equal(t, []profiles.Profile{next, plain}, all)
				_, err = w.s.Profiles().ProfileTx(ctx, tx, "nobody")
				require.ErrorIs(t, err, mdm.CodeNotFound)
				return nil
			})
			_, err := w.s.Profiles().Profile(w.ctx, w.tenant, "nobody")
			require.ErrorIs(t, err, mdm.CodeNotFound)
			ghost := w.blankProfile(0, func(p *profiles.Profile) { p.Key = plain.Key + 1000 })
			require.ErrorIs(t, w.putProfile(&ghost), mdm.CodeNotFound)
		}},
		{"a profile's names are taken", "A name, or a profile's identifier, that is taken is a CodeConflict error naming the field", func(t *testing.T, w *world) {
			team := w.team("Sales")
			p := w.profile(0, func(p *profiles.Profile) { p.Name, p.Identifier = "Wi-Fi", "com.example.wifi" })
			q := w.profile(0)
			for _, c := range []struct {
				field  string
				change func(*profiles.Profile)
			}{
				{"name", func(p *profiles.Profile) { p.Name = "WI-FI" }},
				{"identifier", func(p *profiles.Profile) { p.Identifier = "com.example.wifi" }},
				{"identifier", func(x *profiles.Profile) { x.Identifier, x.Name = p.Identifier, p.Name }},
			} {
				insert, update := w.blankProfile(0, c.change), q
				c.change(&update)
				for _, v := range []*profiles.Profile{&insert, &update} {
					err := w.putProfile(v)
					require.ErrorIs(t, err, mdm.CodeConflict)
					requireField(t, c.field, err)
				}
				require.Zero(t, insert.Key)
			}
			same := w.profile(team.Key, func(p *profiles.Profile) { p.Name, p.Identifier = "Wi-Fi", "com.example.wifi" })
			require.Equal(t, p.Slot, same.Slot, "a slot is what a device tells profiles apart by, whatever team wants it")
			w.profile(0, func(p *profiles.Profile) { p.Identifier = "COM.EXAMPLE.WIFI" }) // identifiers have case
			nowhere := w.blankProfile(team.Key + 1000)
			err := w.putProfile(&nowhere)
			require.ErrorIs(t, err, mdm.CodeInvalid)
			requireField(t, "team", err)
		}},
		{"slots", "SlotKey is the row key of an interned slot name", func(t *testing.T, w *world) {
			p := w.profile(0)
			slot := p.Slot
			p.Identifier, p.Slot = "com.example.moved", 0
			require.NoError(t, w.putProfile(&p))
			require.NotEqual(t, slot, p.Slot)
			w.do(func(ctx context.Context, tx mdm.Tx) error {
				return w.s.Profiles().DeleteProfile(ctx, tx, p.Key, p.Edit)
			})
			again := w.profile(0, func(q *profiles.Profile) { q.Identifier = p.Identifier })
			require.Equal(t, p.Slot, again.Slot, "a name keeps its slot")
		}},
		{"deleting a profile", "DeleteProfile", func(t *testing.T, w *world) {
			p, q := w.profile(0), w.profile(0)
			remove := func() error {
				return w.try(func(ctx context.Context, tx mdm.Tx) error {
					return w.s.Profiles().DeleteProfile(ctx, tx, p.Key, p.Edit)
				})
			}
			require.NoError(t, remove())
			require.ErrorIs(t, remove(), mdm.CodeNotFound)
			require.Equal(t, []profiles.Profile{q}, w.profiles(nil))
			require.NotEqual(t, p.Key, w.profile(0).Key, "keys are never used again")
		}},
		{"of a team", "Profiles lists the profiles of one team, or of all when team is nil. Lists are in key order", func(t *testing.T, w *world) {
			team := w.team("Sales")
			a, b, c := w.profile(team.Key), w.profile(0), w.profile(team.Key)
			none := mdm.TeamKey(0)
			require.Equal(t, []profiles.Profile{a, b, c}, w.profiles(nil))
			require.Equal(t, []profiles.Profile{a, c}, w.profiles(&team.Key))
			require.Equal(t, []profiles.Profile{b}, w.profiles(&none))
		}},
		{"versions", "RaiseTeam raises the version of a team (0 is no team) and returns it", func(t *testing.T, w *world) {
			team, other := w.team("Sales"), w.team("Other")
			a, none := w.profile(team.Key), w.profile(0)
			require.Equal(t, int64(1), w.raise(team.Key))
			require.Equal(t, int64(2), w.raise(team.Key))
			require.Equal(t, int64(1), w.raise(0))
			require.Equal(t, &profiles.Definitions{Team: team.Key, Version: 2, Profiles: []profiles.Profile{a}}, w.definitions(team.Key))
			require.Equal(t, &profiles.Definitions{Version: 1, Profiles: []profiles.Profile{none}}, w.definitions(0))
			require.Equal(t, &profiles.Definitions{Team: other.Key}, w.definitions(other.Key))
			w.do(func(ctx context.Context, tx mdm.Tx) error {
				v, err := w.s.Profiles().TeamVersion(ctx, tx, team.Key)
				require.NoError(t, err)
				require.Equal(t, int64(2), v)
				v, err = w.s.Profiles().TeamVersion(ctx, tx, 0)
				require.NoError(t, err)
				require.Equal(t, int64(1), v)
				require.ErrorIs(t, second(w.s.Profiles().TeamVersion(ctx, tx, other.Key+1000)), mdm.CodeNotFound)
				require.ErrorIs(t, second(w.s.Profiles().Definitions(ctx, tx, other.Key+1000)), mdm.CodeNotFound)
				require.ErrorIs(t, second(w.s.Profiles().RaiseTeam(ctx, tx, other.Key+1000)), mdm.CodeNotFound)
				return nil
			})
		}},
		{"content that nobody can read", "MendContent replaces what is kept under the hash", func(t *testing.T, w *world) {
			h, unknown := w.hash(), w.hash()
			w.do(func(ctx context.Context, tx mdm.Tx) error {
				p := w.s.Profiles()
				require.NoError(t, p.PutContent(ctx, tx, h, []byte("damaged"), w.now))
				require.NoError(t, p.PutContent(ctx, tx, h, []byte("sealed"), w.now))
				b, err := p.ContentTx(ctx, tx, h)
				require.NoError(t, err)
				require.Equal(t, "damaged", string(b), "what is there stays")
				require.NoError(t, p.MendContent(ctx, tx, unknown, []byte("sealed")))
				return p.MendContent(ctx, tx, h, []byte("sealed"))
			})
			require.Equal(t, "sealed", string(got[[]byte](w)(w.s.Profiles().Content(w.ctx, w.tenant, h))))
			require.ErrorIs(t, second(w.s.Profiles().Content(w.ctx, w.tenant, unknown)), mdm.CodeNotFound)
		}},
		{"content", "PutContent and the getters are the queue's content table", func(t *testing.T, w *world) {
			h := w.hash()
			w.do(func(ctx context.Context, tx mdm.Tx) error {
				require.NoError(t, w.s.Profiles().PutContent(ctx, tx, h, []byte("sealed"), w.now))
				b, err := w.s.Profiles().ContentTx(ctx, tx, h)
				require.Equal(t, "sealed", string(b))
				require.ErrorIs(t, second(w.s.Profiles().ContentTx(ctx, tx, w.hash())), mdm.CodeNotFound)
				return err
			})
			require.Equal(t, "sealed", string(got[[]byte](w)(w.s.Queue().Content(w.ctx, w.tenant, h))))
		}},
	}
}

func (w *world) profiles(team *mdm.TeamKey) []profiles.Profile {
	w.t.Helper()
	return got[[]profiles.Profile](w)(w.s.Profiles().Profiles(w.ctx, w.tenant, team))
}
