package profiles

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"

	"github.com/keelson-mdm/keelson/mdm"
)

// Change is what an update alters; nil fields stay.
type Change struct {
	Name    *string
	Scope   *Scope
	Content []byte // nil stays; equal content is no change
	// Was refuses the update with [mdm.CodePrecondition] unless the profile
	// still has one of these edits. Empty does not ask.
	Was   []mdm.Edit
	Actor mdm.Actor
}

// Update alters a profile, in a unit of its own. Every change is a new edit, and
// new content a new revision as well; a new name sends nothing to anybody, and
// what changes nothing writes nothing, unless what is stored of the content cannot
// be read: then the same content takes its place, and is no change. An Apple profile may even change its
// PayloadIdentifier: hosts then install the new one and remove the old.
func (g *Engine) Update(ctx context.Context, t mdm.TenantID, id mdm.ProfileID, ch Change) (p Profile, warnings []string, err error) {
	err = g.editing(ctx, t, func(ctx context.Context, tx mdm.Tx) error {
		p, warnings, err = g.UpdateTx(ctx, tx, id, ch)
		return err
	})
	return p, warnings, err
}

// UpdateTx is [Engine.Update] in the caller's unit of work. When somebody else
// changes the profile at the same time, on a backend whose units do not wait for
// each other, it is a [mdm.CodeConflict] error, and the unit is to be run again.
func (g *Engine) UpdateTx(ctx context.Context, tx mdm.Tx, id mdm.ProfileID, ch Change) (Profile, []string, error) {
	p, err := g.c.Store.ProfileTx(ctx, tx, id)
	if err != nil {
		return Profile{}, nil, err
	}
	if err := unchanged(&p, ch.Was); err != nil {
		return Profile{}, nil, err
	}
	was := p
	if ch.Name != nil {
		p.Name = *ch.Name
	}
	if ch.Scope != nil {
		p.Scope = *ch.Scope
	}
	if err := checkName("name", p.Name); err != nil {
		return Profile{}, nil, err
	}
	var warnings []string
	mended := false
	content := ch.Content
	if content != nil && sha256.Sum256(content) == p.Content {
		if mended, err = g.keep(ctx, tx, p.Content, content); err != nil {
			return Profile{}, nil, err
		}
		content = nil
	}
	if content != nil {
		if warnings, err = g.revise(ctx, tx, &p, content); err != nil {
			return Profile{}, nil, err
		}
	}
	if err := g.checkScope(ctx, tx, &p); err != nil {
		return Profile{}, nil, err
	}
	planned := p.Revision != was.Revision || !sameScope(&p.Scope, &was.Scope)
	if mended {
		if err := g.markTeam(ctx, tx, p.Team); err != nil {
			return Profile{}, nil, err
		}
	}
	if !planned && p.Name == was.Name {
		return was, warnings, nil
	}
	p.UpdatedAt, p.Actor = g.c.Clock.Now(), ch.Actor
	if err := g.store(ctx, tx, &p, content); err != nil {
		return Profile{}, nil, err
	}
	if planned {
		if err := g.markTeam(ctx, tx, p.Team); err != nil {
			return Profile{}, nil, err
		}
		doc, err := g.document(ctx, tx.Tenant(), p.Family, p.Content, func(h mdm.Hash) ([]byte, error) { return g.contentTx(ctx, tx, h) })
		if err != nil {
			return Profile{}, nil, err
		}
		rivals, err := g.rivals(ctx, tx, &p, doc)
		if err != nil {
			return Profile{}, nil, err
		}
		warnings = append(warnings, rivals...)
	}
	return p, warnings, g.report(ctx, tx, Updated, &p, ch.Actor)
}

// unchanged refuses what was decided on other edits than the profile's.
func unchanged(p *Profile, was []mdm.Edit) error {
	if len(was) == 0 || slices.Contains(was, p.Edit) {
		return nil
	}
	return mdm.Errorf(mdm.CodePrecondition, "edit", "the profile was changed meanwhile, and has edit %d: look at it again", p.Edit)
}

// editTries bounds how often a change is made anew after it was overtaken.
const editTries = 8

// editing runs a change of a profile in a unit of its own, and again when
// another change has overtaken it: what it decided on is no more.
func (g *Engine) editing(ctx context.Context, t mdm.TenantID, fn func(context.Context, mdm.Tx) error) (err error) {
	for range editTries {
		if err = g.unit(ctx, t, fn); !overtaken(err) {
			return err
		}
	}
	return err
}

func overtaken(err error) bool {
	var e *mdm.Error
	return errors.As(err, &e) && e.Code == mdm.CodeConflict && e.Field == "edit"
}

// revise gives p new content, and returns what the person who uploads it should
// know.
func (g *Engine) revise(ctx context.Context, tx mdm.Tx, p *Profile, content []byte) ([]string, error) {
	doc, err := g.parse(p.Family, content)
	if err != nil {
		return nil, err
	}
	warnings := slices.Clone(doc.Warnings)
	// A content that cannot be read any more is no reason to refuse its successor.
	was, err := g.document(ctx, tx.Tenant(), p.Family, p.Content, func(h mdm.Hash) ([]byte, error) { return g.contentTx(ctx, tx, h) })
	if err != nil && mdm.Transient(err) {
		return nil, err
	}
	if err == nil && doc.UUID != "" && strings.EqualFold(doc.UUID, was.UUID) {
		warnings = append(warnings, "the PayloadUUID is the one of the content before: devices cannot be seen to carry the new one, and end as accepted, not verifiable")
	}
	if p.Family == AppleProfile && doc.Identifier != p.Identifier {
		p.Identifier, p.Slot = doc.Identifier, 0
		if err := g.identify(p, doc); err != nil {
			return nil, err
		}
	}
	p.Revision, p.Content, p.Size = p.Revision+1, doc.Hash, len(content)
	return warnings, nil
}

// sameScope reports whether two scopes say the same, in whatever order.
func sameScope(a, b *Scope) bool {
	return sameSet(a.IncludeAll, b.IncludeAll) && sameSet(a.IncludeAny, b.IncludeAny) &&
		sameSet(a.ExcludeAny, b.ExcludeAny) && sameSet(a.Platforms, b.Platforms)
}

func sameSet[T cmp.Ordered](a, b []T) bool {
	return slices.Equal(slices.Compact(slices.Sorted(slices.Values(a))), slices.Compact(slices.Sorted(slices.Values(b))))
}
