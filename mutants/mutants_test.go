package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A change to a mutant's file shows here, and not weeks later.
func TestMutantsStand(t *testing.T) {
	names := map[string]bool{}
	for _, m := range mutants {
		require.False(t, names[m.name], "%s is there twice", m.name)
		names[m.name] = true
		require.NotEqual(t, m.old, m.new, m.name)
		src, err := os.ReadFile(filepath.Join("..", m.file))
		require.NoError(t, err)
		require.NoError(t, m.stands(src), m.name)
	}
}

// Only a test that fails by its own name catches a mutant.
func TestVerdicts(t *testing.T) {
	const run, pass = `{"Action":"run","Package":"p","Test":"TestA"}`, `{"Action":"pass","Package":"p"}`
	for _, x := range []struct {
		name, out string
		want      verdict
	}{
		{"a test fails", run + `{"Action":"fail","Package":"p","Test":"TestA"}{"Action":"fail","Package":"p"}`, caught},
		{"tests pass", run + `{"Action":"pass","Package":"p","Test":"TestA"}` + pass, survived},
		{"no test matches", `{"Action":"start","Package":"p"}` + pass, untested},
		{"a package without tests", `{"Action":"skip","Package":"p"}`, untested},
		{"all are skipped", run + `{"Action":"skip","Package":"p","Test":"TestA"}` + pass, untested},
		{"no build", `{"Action":"build-fail","ImportPath":"p"}{"Action":"fail","Package":"p","FailedBuild":"p"}`, unbuilt},
		{"one package builds and fails, one does not build",
			run + `{"Action":"fail","Package":"p","Test":"TestA"}{"Action":"fail","Package":"p"}{"Action":"build-fail","ImportPath":"q"}`, unbuilt},
		{"the time limit", run + `{"Action":"output","Package":"p","Output":"panic: test timed out\n"}{"Action":"fail","Package":"p"}`, broken},
		{"nothing at all", "", untested},
	} {
		o, err := read([]byte(x.out))
		require.NoError(t, err, x.name)
		require.Equal(t, x.want, o.verdict, x.name)
	}
	_, err := read([]byte("flag provided but not defined"))
	require.Error(t, err)
}
