// Command mutants shows that the test suite can fail: it seeds one defect after
// another, runs the tests that should notice, and fails when they do not.
//
//	go run ./mutants            all of them
//	go run ./mutants pin bind   those whose name contains a word
//
// A mutant replaces one piece of one file by way of go test's -overlay: the tree
// itself is never touched.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(words []string) error {
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	survived, tried := 0, 0
	for _, m := range mutants {
		if !wanted(m.name, words) {
			continue
		}
		tried++
		began := time.Now()
		caught, out, err := m.try(dir)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		verdict := "caught"
		if !caught {
			verdict = "SURVIVED"
			survived++
		}
		fmt.Printf("%-9s %-28s %s (%.0fs)\n", verdict, m.name, m.defect, time.Since(began).Seconds())
		if !caught {
			fmt.Print(out)
		}
	}
	fmt.Printf("%d mutants, %d survived\n", tried, survived)
	if survived > 0 || tried == 0 {
		return fmt.Errorf("the suite has a hole")
	}
	return nil
}

func wanted(name string, words []string) bool {
	for _, w := range words {
		if strings.Contains(name, w) {
			return true
		}
	}
	return len(words) == 0
}

// try seeds the defect and runs the tests that should notice.
func (m mutant) try(dir string) (caught bool, out string, err error) {
	src, err := os.ReadFile(m.file)
	if err != nil {
		return false, "", err
	}
	if n := bytes.Count(src, []byte(m.old)); n != 1 {
		return false, "", fmt.Errorf("%q stands %d times in %s and must stand once: write the mutant anew", m.old, n, m.file)
	}
	mutated := filepath.Join(dir, m.name+".go")
	if err := os.WriteFile(mutated, bytes.Replace(src, []byte(m.old), []byte(m.new), 1), 0o600); err != nil {
		return false, "", err
	}
	abs, err := filepath.Abs(m.file)
	if err != nil {
		return false, "", err
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {abs: mutated}})
	if err != nil {
		return false, "", err
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		return false, "", err
	}
	if b, err := exec.Command("go", "vet", "-overlay", file, "./"+filepath.Dir(m.file)).CombinedOutput(); err != nil {
		return false, "", fmt.Errorf("the mutant does not compile, which proves nothing:\n%s", b)
	}
	b, err := exec.Command("go", append([]string{"test", "-count=1", "-timeout=5m", "-overlay", file, "-run", m.tests}, m.packages...)...).CombinedOutput()
	if _, failed := err.(*exec.ExitError); failed {
		return true, "", nil
	}
	return false, string(b), err
}
