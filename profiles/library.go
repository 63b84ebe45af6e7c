package profiles

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"

	"github.com/keelson-mdm/keelson/mdm"
)

const (
	contentTable = "content"
	libraryLimit = 4096
)

// library caches parsed contents. They are immutable and named by hash, so
// nothing is ever stale; when it is full it starts over.
type library struct {
	mu    sync.Mutex
	limit int
	docs  map[libraryKey]*Document
}

type libraryKey struct {
	tenant mdm.TenantID
	family Family
	hash   mdm.Hash
}

func (l *library) get(k libraryKey) *Document {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.docs[k]
}

func (l *library) put(k libraryKey, d *Document) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.docs == nil || len(l.docs) >= l.limit {
		l.docs = make(map[libraryKey]*Document)
	}
	l.docs[k] = d
}

// contentTx reads content as this unit of work sees it.
func (g *Engine) contentTx(ctx context.Context, tx mdm.Tx, h mdm.Hash) ([]byte, error) {
	sealed, err := g.c.Store.ContentTx(ctx, tx, h)
	if err != nil {
		return nil, fmt.Errorf("read content %s: %w", h, err)
	}
	return g.c.Box.Open(tx.Tenant(), contentTable, h.String(), sealed)
}

// content reads content outside any unit of work.
func (g *Engine) content(ctx context.Context, t mdm.TenantID, h mdm.Hash) ([]byte, error) {
	sealed, err := g.c.Store.Content(ctx, t, h)
	if err != nil {
		return nil, fmt.Errorf("read content %s: %w", h, err)
	}
	return g.c.Box.Open(t, contentTable, h.String(), sealed)
}

// document returns the parsed content, reading it with read when it is not
// cached. Content that cannot be parsed any more, because rules have become
// stricter since it was uploaded, is a document that owns and proves nothing.
func (g *Engine) document(t mdm.TenantID, f Family, h mdm.Hash, read func(mdm.Hash) ([]byte, error)) (*Document, error) {
	k := libraryKey{t, f, h}
	if d := g.docs.get(k); d != nil {
		return d, nil
	}
	content, err := read(h)
	if err != nil {
		return nil, err
	}
	d, err := g.parse(f, content)
	if err != nil {
		d = &Document{Hash: h, Class: Plain, Provable: Accepted}
	}
	g.docs.put(k, d)
	return d, nil
}

func (g *Engine) parse(f Family, content []byte) (*Document, error) {
	format := g.c.Formats[f]
	if format == nil {
		return nil, mdm.Errorf(mdm.CodeUnsupported, "family", "this server does not manage %s profiles", f)
	}
	if len(content) > MaxContent {
		return nil, mdm.Errorf(mdm.CodeTooLarge, "content", "a profile has at most %d bytes, this has %d", MaxContent, len(content))
	}
	d, err := format.Parse(content)
	if err != nil {
		return nil, err
	}
	d.Hash = sha256.Sum256(content)
	return d, nil
}

// documents collects every content that definitions and rows name.
func (g *Engine) documents(t mdm.TenantID, defs *Definitions, states []HostState, read func(mdm.Hash) ([]byte, error)) (map[mdm.Hash]*Document, error) {
	out := make(map[mdm.Hash]*Document)
	add := func(f Family, h mdm.Hash) error {
		if h.IsZero() || out[h] != nil {
			return nil
		}
		d, err := g.document(t, f, h, read)
		if err != nil {
			return err
		}
		out[h] = d
		return nil
	}
	for i := range defs.Profiles {
		if err := add(defs.Profiles[i].Family, defs.Profiles[i].Content); err != nil {
			return nil, err
		}
	}
	for i := range states {
		for _, ch := range states[i].Channels {
			for j := range ch.Rows {
				r := &ch.Rows[j]
				if err := add(r.Family, r.Content); err != nil {
					return nil, err
				}
				for _, tr := range r.Traces {
					if err := add(r.Family, tr.Content); err != nil {
						return nil, err
					}
				}
			}
		}
	}
	return out, nil
}
