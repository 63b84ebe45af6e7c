package inmem

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/keelson-mdm/keelson/storage/storagetest"
)

// Dump returns everything that the store holds, for tests.
func (s *Store) Dump() []storagetest.Line {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []storagetest.Line
	for _, t := range s.order {
		add := func(format string, args ...any) {
			out = append(out, storagetest.Line{Tenant: t, Row: fmt.Sprintf(format, args...)})
		}
		v := reflect.ValueOf(s.tenants[t]).Elem()
		for i := range v.NumField() {
			name, f := v.Type().Field(i).Name, v.Field(i)
			if f.Kind() != reflect.Struct {
				add("%s %v", name, f)
				continue
			}
			var rows []string
			for it := f.Field(0).MapRange(); it.Next(); {
				rows = append(rows, fmt.Sprintf("%s %s: %s", name, show(it.Key()), show(it.Value())))
			}
			slices.Sort(rows)
			for _, r := range rows {
				add("%s", r)
			}
		}
	}
	for _, l := range s.leases {
		out = append(out, storagetest.Line{Row: fmt.Sprintf("lease %v", l)})
	}
	return out
}

// show prints a value with what its pointers point to.
func show(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return "nil"
		}
		return "&" + show(v.Elem())
	case reflect.Struct:
		s := "{"
		for i := range v.NumField() {
			s += v.Type().Field(i).Name + ":" + show(v.Field(i)) + " "
		}
		return s + "}"
	default:
		return fmt.Sprintf("%v", v)
	}
}
