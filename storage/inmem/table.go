package inmem

import (
	"cmp"
	"maps"
	"slices"
)

// table is a map whose changes a unit of work can undo. Values are stored as
// they are given: callers clone what they share.
type table[K cmp.Ordered, V any] struct{ m map[K]V }

func (b *table[K, V]) get(k K) (V, bool) { v, ok := b.m[k]; return v, ok }

func (b *table[K, V]) put(t *tx, what string, k K, v V) error {
	if err := t.write(what); err != nil {
		return err
	}
	if b.m == nil {
		b.m = make(map[K]V)
	}
	old, had := b.m[k]
	t.undo = append(t.undo, func() {
		if had {
			b.m[k] = old
		} else {
			delete(b.m, k)
		}
	})
	b.m[k] = v
	return nil
}

func (b *table[K, V]) del(t *tx, what string, k K) error {
	old, had := b.m[k]
	if !had {
		return nil
	}
	if err := t.write(what); err != nil {
		return err
	}
	t.undo = append(t.undo, func() { b.m[k] = old })
	delete(b.m, k)
	return nil
}

// clone copies a list; an empty one is nil.
func clone[E any](list []E) []E { return append([]E(nil), list...) }

// keys returns the keys in order.
func (b *table[K, V]) keys() []K { return slices.Sorted(maps.Keys(b.m)) }
