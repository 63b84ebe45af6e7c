package profiles

import (
	"cmp"
	"context"
	"crypto/sha256"
	"slices"
	"strings"

	"github.com/keelson-mdm/keelson/mdm"
)

// Change is what an update alters; nil fields stay.
type Change struct {
	Name    *string
	Scope   *Scope
	Content []byte // nil stays; equal content is no change
	// Was, when not zero, refuses the update unless the profile still has
	// that revision.
	Was   mdm.Revision
	Actor mdm.Actor
}

// Update alters a profile, in a unit of its own. New content makes a new
// revision; a new name sends nothing to anybody, and what changes nothing writes
// nothing. An Apple profile may even change its PayloadIdentifier: hosts then
// install the new one and remove the old.
func (g *Engine) Update(ctx context.Context, t mdm.TenantID, id mdm.ProfileID, ch Change) (p Profile, warnings []string, err error) {
	err = g.unit(ctx, t, func(ctx context.Context, tx mdm.Tx) error {
		p, warnings, err = g.UpdateTx(ctx, tx, id, ch)
		return err
	})
	return p, warnings, err
}

// UpdateTx is [Engine.Update] in the caller's unit of work.
func (g *Engine) UpdateTx(ctx context.Context, tx mdm.Tx, id mdm.ProfileID, ch Change) (Profile, []string, error) {
	p, err := g.c.Store.ProfileTx(ctx, tx, id)
	if err != nil {
		return Profile{}, nil, err
	}
	if ch.Was != 0 && ch.Was != p.Revision {
		return Profile{}, nil, mdm.Errorf(mdm.CodeConflict, "revision", "the profile has revision %d by now: look at it again", p.Revision)
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
	content := ch.Content
	if content != nil && sha256.Sum256(content) == p.Content {
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
	if !planned && p.Name == was.Name {
		return was, warnings, nil
	}
	p.UpdatedAt, p.Actor = g.c.Clock.Now(), ch.Actor
	if err := g.store(ctx, tx, &p, content); err != nil {
		return Profile{}, nil, err
	}
	if planned {
		err = g.markTeam(ctx, tx, p.Team)
	}
	return p, warnings, err
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
	was, err := g.document(tx.Tenant(), p.Family, p.Content, func(h mdm.Hash) ([]byte, error) { return g.contentTx(ctx, tx, h) })
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
