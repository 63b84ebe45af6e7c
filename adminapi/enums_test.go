package adminapi

import (
	"encoding"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
)

// TestEnumsAreComplete reads the constants of each type from its source: one
// that is added there is missed here.
func TestEnumsAreComplete(t *testing.T) {
	for typ, values := range enums() {
		want := constants(t, typ)
		if typ == reflect.TypeFor[mdm.Code]() {
			want = append(want, string(CodeMethod))
		}
		require.NotEmpty(t, want, typ)
		require.ElementsMatch(t, want, values, typ)
	}
}

// constants are the constants of a type, from its package's source; numbers by
// their words.
func constants(t *testing.T, typ reflect.Type) []string {
	t.Helper()
	dir := filepath.Join("..", strings.TrimPrefix(typ.PkgPath(), "github.com/keelson-mdm/keelson"))
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	var out []string
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.CONST || strings.HasSuffix(file, "_test.go") {
				continue
			}
			for _, s := range g.Specs {
				v := s.(*ast.ValueSpec)
				if id, ok := v.Type.(*ast.Ident); !ok || id.Name != typ.Name() {
					continue
				}
				for _, x := range v.Values {
					out = append(out, said(t, typ, x.(*ast.BasicLit)))
				}
			}
		}
	}
	return out
}

// said is what the API says for a constant.
func said(t *testing.T, typ reflect.Type, x *ast.BasicLit) string {
	t.Helper()
	if x.Kind == token.STRING {
		text, err := strconv.Unquote(x.Value)
		require.NoError(t, err)
		return text
	}
	n, err := strconv.ParseInt(x.Value, 10, 8)
	require.NoError(t, err)
	v := reflect.New(typ)
	v.Elem().SetInt(n)
	text, err := v.Interface().(encoding.TextMarshaler).MarshalText()
	require.NoError(t, err)
	return string(text)
}

// TestDescriptionsAreOfSomething: a field that was renamed loses its description
// noticeably.
func TestDescriptionsAreOfSomething(t *testing.T) {
	w := newWorld(t, choices{})
	doc := w.served()
	for at := range abouts() {
		name, field, isField := strings.Cut(at, ".")
		shape := dig(doc, "components", "schemas", name)
		require.NotNil(t, shape, at)
		if isField {
			require.NotNil(t, dig(shape, "properties", field), at)
		}
	}
	for at := range blanks() {
		name, field, _ := strings.Cut(at, ".")
		require.Contains(t, dig(doc, "components", "schemas", name, "properties", field, "enum"), "", at)
	}
}
