package profiles

import (
	"context"
	"fmt"
	"slices"

	"github.com/keelson-mdm/keelson/mdm"
)

// rivals returns what the person who uploads p should know of other profiles of
// the team that write other values to the same nodes: see [Contest]. P is stored.
func (g *Engine) rivals(ctx context.Context, tx mdm.Tx, p *Profile, doc *Document) (warnings []string, err error) {
	format := g.c.Formats[p.Family]
	if len(doc.Nodes) == 0 || format == nil {
		return nil, nil
	}
	all, err := g.c.Store.ProfilesTx(ctx, tx)
	if err != nil {
		return nil, err
	}
	for i := range all {
		q := &all[i]
		if q.Key == p.Key || q.Team != p.Team || q.Family != p.Family || apart(&p.Scope, &q.Scope) {
			continue
		}
		other, err := g.document(ctx, tx.Tenant(), q.Family, q.Content, func(h mdm.Hash) ([]byte, error) { return g.contentTx(ctx, tx, h) })
		if err != nil {
			return nil, err
		}
		nodes := format.Conflicts(doc, other)
		if len(nodes) == 0 {
			continue
		}
		where := nodes[0].Address
		if n := len(nodes) - 1; n > 0 {
			where += fmt.Sprintf(" and %d more", n)
		}
		who := "that one"
		if p.Key < q.Key {
			who = "this one"
		}
		warnings = append(warnings, clip(fmt.Sprintf("the profile %q writes another value to %s: on hosts that both reach, %s prevails, which was made first", q.Name, where, who)))
	}
	return warnings, nil
}

// apart reports whether no host can be known to be reached by both scopes: what
// the one requires excludes a host from the other.
func apart(a, b *Scope) bool { return excludes(a, b) || excludes(b, a) }

func excludes(a, b *Scope) bool {
	out := func(l mdm.LabelKey) bool { return slices.Contains(b.ExcludeAny, l) }
	return slices.ContainsFunc(a.IncludeAll, out) ||
		len(a.IncludeAny) > 0 && !slices.ContainsFunc(a.IncludeAny, func(l mdm.LabelKey) bool { return !out(l) })
}
