package profiles

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/keelson-mdm/keelson/mdm"
)

// Upload is a profile as an administrator writes it.
type Upload struct {
	// Name is for people; empty takes the content's own name. Unique in the
	// team without case.
	Name string
	// Identifier is chosen for a Windows profile; empty makes it from the
	// name. An Apple profile brings its own, and this must be empty or equal.
	Identifier string
	Family     Family
	Team       mdm.TeamKey
	Scope      Scope
	Content    []byte // delivered byte for byte
	Actor      mdm.Actor
}

// Create checks and stores a new profile, in a unit of its own. It touches the
// definition and one marker, however many hosts the team has. Warnings are for
// the person who uploads.
func (g *Engine) Create(ctx context.Context, t mdm.TenantID, u Upload) (p Profile, warnings []string, err error) {
	err = g.unit(ctx, t, func(ctx context.Context, tx mdm.Tx) error {
		p, warnings, err = g.CreateTx(ctx, tx, u)
		return err
	})
	return p, warnings, err
}

// CreateTx is [Engine.Create] in the caller's unit of work.
func (g *Engine) CreateTx(ctx context.Context, tx mdm.Tx, u Upload) (Profile, []string, error) {
	doc, err := g.parse(u.Family, u.Content)
	if err != nil {
		return Profile{}, nil, err
	}
	now := g.c.Clock.Now()
	id, err := mdm.NewUUID(now, g.c.Rand)
	if err != nil {
		return Profile{}, nil, err
	}
	p := Profile{
		ID: mdm.ProfileID(id), Team: u.Team, Family: u.Family, Name: u.Name, Identifier: u.Identifier,
		Scope: u.Scope, Revision: 1, Content: doc.Hash, Size: len(u.Content),
		CreatedAt: now, UpdatedAt: now, Actor: u.Actor,
	}
	if p.Name == "" {
		p.Name = doc.Name
	}
	if err := checkName("name", p.Name); err != nil {
		return Profile{}, nil, err
	}
	if err := g.identify(&p, doc); err != nil {
		return Profile{}, nil, err
	}
	if err := g.checkScope(ctx, tx, &p); err != nil {
		return Profile{}, nil, err
	}
	if err := g.store(ctx, tx, &p, u.Content); err != nil {
		return Profile{}, nil, err
	}
	if err := g.markTeam(ctx, tx, p.Team); err != nil {
		return Profile{}, nil, err
	}
	if err := g.report(ctx, tx, Created, &p, p.Actor); err != nil {
		return Profile{}, nil, err
	}
	g.docs.put(libraryKey{tx.Tenant(), u.Family, doc.Hash}, doc)
	rivals, err := g.rivals(ctx, tx, &p, doc)
	if err != nil {
		return Profile{}, nil, err
	}
	return p, slices.Concat(doc.Warnings, rivals), nil
}

// identify settles the slot's name.
func (g *Engine) identify(p *Profile, doc *Document) error {
	switch {
	case p.Family == AppleProfile && p.Identifier != "" && p.Identifier != doc.Identifier:
		return mdm.Errorf(mdm.CodeInvalid, "identifier", "the profile's PayloadIdentifier is %q: leave this empty", doc.Identifier)
	case p.Family == AppleProfile:
		p.Identifier = doc.Identifier
	case p.Identifier == "":
		p.Identifier = "windows." + slug(p.Name)
	}
	if len(p.Identifier) > MaxName || strings.ContainsAny(p.Identifier, "\x00\r\n") {
		return mdm.Errorf(mdm.CodeInvalid, "identifier", "an identifier has at most %d bytes and no line breaks", MaxName)
	}
	for _, r := range g.c.Reserved {
		if len(p.Identifier) >= len(r) && strings.EqualFold(p.Identifier[:len(r)], r) {
			return mdm.Errorf(mdm.CodeInvalid, "identifier", "identifiers that begin with %q are this server's own", r)
		}
	}
	return nil
}

// maxSlug leaves room for what stands before a slug in an identifier.
const maxSlug = 200

// slug makes an identifier of a name. A name of which nothing is left, because
// it is written in another script, is told apart by its hash.
func slug(name string) string {
	var b strings.Builder
	for _, c := range strings.ToLower(name) {
		switch {
		case b.Len() >= maxSlug:
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			b.WriteRune(c)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	if s := strings.Trim(b.String(), "-"); s != "" {
		return s
	}
	sum := sha256.Sum256([]byte(name))
	return "profile-" + hex.EncodeToString(sum[:4])
}

func (g *Engine) checkScope(ctx context.Context, tx mdm.Tx, p *Profile) error {
	for _, pf := range p.Scope.Platforms {
		if !p.Family.Covers(pf) {
			return mdm.Errorf(mdm.CodeInvalid, "scope.platforms", "an %s profile does not reach %q", p.Family, pf)
		}
	}
	labels, err := g.c.Store.LabelsTx(ctx, tx)
	if err != nil {
		return err
	}
	known := make(map[mdm.LabelKey]bool, len(labels))
	for _, l := range labels {
		known[l.Key] = true
	}
	seen := make(map[mdm.LabelKey]string)
	for _, list := range []struct {
		field string
		keys  []mdm.LabelKey
	}{
		{"scope.include_all", p.Scope.IncludeAll}, {"scope.include_any", p.Scope.IncludeAny}, {"scope.exclude_any", p.Scope.ExcludeAny},
	} {
		for _, k := range list.keys {
			switch {
			case !known[k]:
				return mdm.Errorf(mdm.CodeInvalid, list.field, "a label in this scope does not exist")
			case seen[k] != "":
				return mdm.Errorf(mdm.CodeInvalid, list.field, "a label stands in %s already", seen[k])
			}
			seen[k] = list.field
		}
	}
	return nil
}

func checkName(field, name string) error {
	if strings.TrimSpace(name) == "" || len(name) > MaxName {
		return mdm.Errorf(mdm.CodeInvalid, field, "a name has 1 to %d bytes", MaxName)
	}
	return nil
}

// store writes a definition and its content, when that is new.
func (g *Engine) store(ctx context.Context, tx mdm.Tx, p *Profile, content []byte) error {
	if content != nil {
		if _, err := g.keep(ctx, tx, p.Content, content); err != nil {
			return err
		}
	}
	return g.c.Store.PutProfile(ctx, tx, p)
}

// keep sees to it that a content can be read under its hash. It reports whether
// it could not be before.
func (g *Engine) keep(ctx context.Context, tx mdm.Tx, h mdm.Hash, content []byte) (mended bool, err error) {
	now := g.c.Clock.Now()
	old, err := g.c.Store.ContentTx(ctx, tx, h)
	missing := mdm.CodeOf(err) == mdm.CodeNotFound
	if err != nil && !missing {
		return false, err
	}
	if !missing {
		if _, err := g.c.Box.Open(tx.Tenant(), contentTable, h.String(), old); passes(err) {
			return false, err
		} else if err == nil {
			return false, g.c.Store.PutContent(ctx, tx, h, old, now) // it is used, and not pruned
		}
	}
	sealed, err := g.c.Box.Seal(tx.Tenant(), contentTable, h.String(), content)
	if err != nil {
		return false, err
	}
	if err := g.c.Store.PutContent(ctx, tx, h, sealed, now); err != nil || missing {
		return true, err
	}
	return true, g.c.Store.MendContent(ctx, tx, h, sealed)
}

// markTeam makes the hosts of a team be planned again, by one marker.
func (g *Engine) markTeam(ctx context.Context, tx mdm.Tx, k mdm.TeamKey) error {
	if _, err := g.c.Store.RaiseTeam(ctx, tx, k); err != nil {
		return err
	}
	return g.c.Store.MarkTeam(ctx, tx, k)
}

// Deletion says who deletes, and what.
type Deletion struct {
	// Was refuses the deletion with [mdm.CodePrecondition] unless the profile
	// still has one of these edits. Empty does not ask.
	Was   []mdm.Edit
	Actor mdm.Actor
}

// Delete removes a definition, in a unit of its own; hosts lose it as they are
// planned.
func (g *Engine) Delete(ctx context.Context, t mdm.TenantID, id mdm.ProfileID, d Deletion) error {
	return g.editing(ctx, t, func(ctx context.Context, tx mdm.Tx) error { return g.DeleteTx(ctx, tx, id, d) })
}

// DeleteTx is [Engine.Delete] in the caller's unit of work; see
// [Engine.UpdateTx].
func (g *Engine) DeleteTx(ctx context.Context, tx mdm.Tx, id mdm.ProfileID, d Deletion) error {
	p, err := g.c.Store.ProfileTx(ctx, tx, id)
	if err != nil {
		return err
	}
	if err := unchanged(&p, d.Was); err != nil {
		return err
	}
	if err := g.c.Store.DeleteProfile(ctx, tx, p.Key, p.Edit); err != nil {
		return err
	}
	if err := g.markTeam(ctx, tx, p.Team); err != nil {
		return err
	}
	return g.report(ctx, tx, Deleted, &p, d.Actor)
}

// Profile, Profiles and Content read definitions.
func (g *Engine) Profile(ctx context.Context, t mdm.TenantID, id mdm.ProfileID) (Profile, error) {
	return g.c.Store.Profile(ctx, t, id)
}

// Profiles lists the profiles of one team, or of all when team is nil.
func (g *Engine) Profiles(ctx context.Context, t mdm.TenantID, team *mdm.TeamKey) ([]Profile, error) {
	return g.c.Store.Profiles(ctx, t, team)
}

// Content returns a profile's bytes as they were uploaded.
func (g *Engine) Content(ctx context.Context, t mdm.TenantID, id mdm.ProfileID) ([]byte, error) {
	p, err := g.c.Store.Profile(ctx, t, id)
	if err != nil {
		return nil, err
	}
	return g.content(ctx, t, p.Content)
}
