package keelson_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestArchitectureNamesWhatThereIs holds the table of docs/architecture.md against
// the tree: its rooms, its files, and what it says stands in them.
func TestArchitectureNamesWhatThereIs(t *testing.T) {
	code := regexp.MustCompile("`([^`]+)`")
	rows := 0
	for _, line := range strings.Split(read(t, "docs/architecture.md"), "\n") {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || strings.TrimSpace(cells[2]) == "room" || strings.HasPrefix(cells[1], "-") {
			continue
		}
		rows++
		rooms := []string{"."}
		if strings.TrimSpace(cells[2]) != "root" {
			rooms = nil
			for _, m := range code.FindAllStringSubmatch(cells[2], -1) {
				require.DirExists(t, m[1], line)
				rooms = append(rooms, m[1])
			}
		}
		require.NotEmpty(t, rooms, line)
		var files []string // that were named last
		for _, m := range code.FindAllStringSubmatch(cells[3], -1) {
			name := m[1]
			if strings.HasSuffix(name, "/") || strings.HasSuffix(name, ".go") {
				files = nil
				for _, room := range rooms {
					found, err := filepath.Glob(filepath.Join(room, name))
					require.NoError(t, err)
					files = append(files, found...)
				}
				require.NotEmpty(t, files, "there is no %s: %s", name, line)
				continue
			}
			require.NotEmpty(t, files, line)
			require.Regexp(t, `\b`+regexp.QuoteMeta(name)+`\b`, read(t, files[0]), "%s does not stand in %s", name, files[0])
		}
	}
	require.Greater(t, rows, 20)
}

// TestDocsLeadSomewhere follows every link to another file, and finds every test
// that a decision is held by.
func TestDocsLeadSomewhere(t *testing.T) {
	docs, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	link := regexp.MustCompile(`\]\(([^)#]+)\)`)
	for _, doc := range append(docs, "README.md", "CHANGELOG.md") {
		for _, m := range link.FindAllStringSubmatch(read(t, doc), -1) {
			if !strings.Contains(m[1], "://") {
				require.FileExists(t, filepath.Join(filepath.Dir(doc), m[1]), doc)
			}
		}
	}
	tests := map[string]bool{} // of every room
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	require.NoError(t, filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, "_test.go") {
			for _, m := range declared.FindAllStringSubmatch(read(t, path), -1) {
				tests[m[1]] = true
			}
		}
		return err
	}))
	for _, m := range regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(read(t, "docs/decisions.md"), -1) {
		require.True(t, tests[m[1]], "docs/decisions.md names %s, and there is no such test", m[1])
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(b)
}
