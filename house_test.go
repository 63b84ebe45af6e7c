package keelson_test

import (
	"encoding/json"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write golden files anew")

// pkg is what go list tells of a package.
type pkg struct {
	ImportPath  string
	Imports     []string
	TestImports []string
}

const module = "github.com/keelson-mdm/keelson"

func packages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports", "./...").Output()
	require.NoError(t, err)
	var ps []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); err == io.EOF {
			return ps
		} else if err != nil {
			t.Fatal(err)
		}
		ps = append(ps, p)
	}
}

// room is the first part of an import path below the module.
func room(path string) string {
	r, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(path, module), "/"), "/")
	return r
}

// TestFloors holds the floors of the house: docs/architecture.md draws them.
func TestFloors(t *testing.T) {
	shared := []string{"mdm", "queue", "identity", "internal"}
	may := map[string][]string{
		"mdm":       {},
		"internal":  {"mdm"},
		"queue":     {"mdm"},
		"identity":  {"mdm"},
		"apple":     shared,
		"windows":   shared,
		"scep":      shared,
		"profiles":  shared,
		"lifecycle": shared,
		// The store satisfies every room's interface.
		"storage": append(slices.Clone(shared), "apple", "windows", "profiles", "lifecycle"),
		// The face and what stands on it may use everything below.
		"":         {"mdm", "queue", "identity", "internal", "apple", "windows", "scep", "profiles", "lifecycle", "storage"},
		"adminapi": {"", "mdm", "queue", "identity", "profiles", "lifecycle"},
		// Simulated devices share no code with the server that they judge, the
		// vocabulary aside.
		"mdmtest": {"mdm"},
	}
	for _, p := range packages(t) {
		from := room(p.ImportPath)
		if from == "examples" || from == "mutants" {
			continue
		}
		allowed, ok := may[from]
		require.True(t, ok, "%s is a room that the floors do not know", p.ImportPath)
		for _, i := range p.Imports {
			if i != module && !strings.HasPrefix(i, module+"/") || room(i) == from {
				continue
			}
			require.Contains(t, allowed, room(i), "%s must not import %s", p.ImportPath, i)
		}
	}
}

// TestProductionCodeImportsNoTestCode keeps assertion libraries and drivers out
// of what users link.
func TestProductionCodeImportsNoTestCode(t *testing.T) {
	banned := []string{"github.com/stretchr/testify", "pgregory.net/rapid", "go.uber.org/goleak", "github.com/chromedp", "modernc.org/sqlite", "github.com/jackc/pgx", "github.com/go-sql-driver", "testing"}
	drivers := map[string]bool{"modernc.org/sqlite": true, "github.com/jackc/pgx": true, "github.com/go-sql-driver": true}
	for _, p := range packages(t) {
		r := room(p.ImportPath)
		for _, i := range p.Imports {
			for _, b := range banned {
				if i != b && !strings.HasPrefix(i, b+"/") {
					continue
				}
				ok := r == "mdmtest" && b == "testing" || // simulated devices fail tests
					strings.HasSuffix(p.ImportPath, "/storagetest") || // the suite is test code
					strings.HasSuffix(p.ImportPath, "/internal/dbtest") || // so is this
					r == "examples" && drivers[b] // a program chooses its driver
				require.True(t, ok, "%s imports %s", p.ImportPath, i)
			}
		}
	}
}

// TestLinkedModules holds the modules that end up in an application against a
// golden list: a new one is a reviewed line.
func TestLinkedModules(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}",
		".", "./adminapi", "./storage/sqlstore", "./apple/apns").Output()
	require.NoError(t, err)
	mods := strings.Fields(string(out))
	slices.Sort(mods)
	golden(t, "linked-modules.txt", []byte(strings.Join(slices.Compact(mods), "\n")+"\n"))
}

// golden compares with a file of testdata; -update writes it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(file, got, 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}

// TestReadmeCommand: the command in the README is the one that CI runs.
func TestReadmeCommand(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	ci, err := os.ReadFile(filepath.Join(".ci", "run"))
	require.NoError(t, err)
	require.Contains(t, string(readme), "go test -race ./...")
	require.Contains(t, string(ci), "\ngo test -race ./...\n")
	require.Contains(t, string(readme), "go run ./examples/server -demo")
}
