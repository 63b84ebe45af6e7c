package storagetest

import (
	"context"
	"reflect"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/storage"
)

// method is one method of one room.
type method struct {
	room, name string
	fn         reflect.Value
}

func (m method) String() string { return m.room + "." + m.name }

// methods lists every method of every room of a store.
func methods(s storage.Store) []method {
	var out []method
	house := reflect.TypeFor[storage.Store]()
	for i := range house.NumMethod() {
		room := house.Method(i)
		if room.Type.NumIn() != 0 || room.Type.NumOut() != 1 || room.Type.Out(0).Kind() != reflect.Interface {
			continue // InTx, Ready
		}
		v := reflect.ValueOf(s).MethodByName(room.Name).Call(nil)[0]
		for j := range room.Type.Out(0).NumMethod() {
			name := room.Type.Out(0).Method(j).Name
			out = append(out, method{room.Name, name, v.MethodByName(name)})
		}
	}
	return out
}

// takes reports whether the argument after the context is of that type.
func (m method) takes(t reflect.Type) bool {
	return m.fn.Type().NumIn() > 1 && m.fn.Type().In(1) == t
}

// joins reports whether the method joins a unit of work; the others are units,
// or reads, of their own.
func (m method) joins() bool { return m.takes(reflect.TypeFor[mdm.Tx]()) }

func (m method) ofTenant() bool { return m.takes(reflect.TypeFor[mdm.TenantID]()) }

// call calls the method with a context, a first argument (nil for none), and
// something for each other one, and returns its error.
func (m method) call(ctx context.Context, first any) error {
	in := []reflect.Value{reflect.ValueOf(ctx)}
	for i := 1; i < m.fn.Type().NumIn(); i++ {
		if i == 1 && first != nil {
			in = append(in, reflect.ValueOf(first))
			continue
		}
		in = append(in, something(m.fn.Type().In(i)))
	}
	out := m.fn.Call(in)
	err, _ := out[len(out)-1].Interface().(error)
	return err
}

// something is a value of a type: not nil and not empty where that is simple.
func something(t reflect.Type) reflect.Value {
	v := reflect.New(t).Elem()
	switch t.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(t, 1, 1))
	case reflect.Map:
		v.Set(reflect.MakeMap(t))
		v.SetMapIndex(reflect.Zero(t.Key()), reflect.Zero(t.Elem()))
	case reflect.Int, reflect.Int8, reflect.Int64:
		v.SetInt(1)
	case reflect.String:
		v.SetString("something")
	}
	return v
}
