package profiles

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/keelson-mdm/keelson/mdm"
)

const (
	contentTable = "content"
	libraryLimit = 4096
)

// library caches parsed contents. They are immutable and named by hash, so
// nothing is ever stale; when it is full it starts over. What could not be read is
// not cached: it is tried again each time.
type library struct {
	mu      sync.Mutex
	limit   int
	docs    map[libraryKey]*Document
	spoiled map[libraryKey]bool // what could not be read and was not read since
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
	delete(l.spoiled, k)
}

// spoil notes that a content could not be read, and reports whether that is news.
func (l *library) spoil(k libraryKey) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.docs, k)
	if l.spoiled[k] {
		return false
	}
	if l.spoiled == nil || len(l.spoiled) >= l.limit {
		l.spoiled = make(map[libraryKey]bool)
	}
	l.spoiled[k] = true
	return true
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
// cached. Content that cannot be read, or not be parsed any more because rules
// have become stricter since it was uploaded, is a document that says so: it
// fails its own profile and nothing else. An error is one that passes: then
// nothing is known, and the caller tries again.
func (g *Engine) document(ctx context.Context, t mdm.TenantID, f Family, h mdm.Hash, read func(mdm.Hash) ([]byte, error)) (*Document, error) {
	k := libraryKey{t, f, h}
	if d := g.docs.get(k); d != nil {
		return d, nil
	}
	content, err := read(h)
	switch {
	case mdm.Transient(err):
		return nil, err
	case err != nil && passes(err): // an interrupted read, of a store or a keyring
		return nil, mdm.WrapError(mdm.CodeUnavailable, "", "a content could not be read just now", err)
	}
	var d *Document
	if err == nil {
		if d, err = g.parse(f, content); err == nil {
			g.docs.put(k, d)
			return d, nil
		}
	}
	if g.docs.spoil(k) {
		g.c.Log.ErrorContext(ctx, "a profile's content cannot be read", "tenant", t, "content", h.String(), "error", err)
	}
	return &Document{Hash: h, Class: Plain, Provable: Accepted, Unreadable: unreadable(err)}, nil
}

// passes reports whether what kept a content from being read may be over when it
// is tried again, so that nothing is known of the content.
func passes(err error) bool {
	return mdm.Transient(err) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// unreadable is an error as people may see it.
func unreadable(err error) string {
	const what = "its content cannot be read"
	var e *mdm.Error
	switch {
	case !errors.As(err, &e) || e.Message == "":
		return what
	case e.Field != "":
		return clip(what + ": " + e.Field + ": " + e.Message)
	}
	return clip(what + ": " + e.Message)
}

// maxDetail is what stores keep of a text for people.
const maxDetail = 1000

// clip bounds a text for people.
func clip(s string) string {
	if len(s) <= maxDetail {
		return s
	}
	return strings.ToValidUTF8(s[:maxDetail-len("…")], "") + "…"
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
func (g *Engine) documents(ctx context.Context, t mdm.TenantID, defs *Definitions, states []HostState, read func(mdm.Hash) ([]byte, error)) (map[mdm.Hash]*Document, error) {
	out := make(map[mdm.Hash]*Document)
	add := func(f Family, h mdm.Hash) error {
		if h.IsZero() || out[h] != nil {
			return nil
		}
		d, err := g.document(ctx, t, f, h, read)
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
