package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// bench tries mutants, one at a time.
type bench struct {
	dir   string             // for what is written
	sound map[string]outcome // what tests say without a mutant, by arguments
}

// try seeds the defect and runs the tests that should notice. An error means
// that nothing could be tried at all.
func (b *bench) try(m mutant) (outcome, error) {
	src, err := os.ReadFile(m.file)
	if err != nil {
		return outcome{}, err
	}
	if err := m.stands(src); err != nil {
		return outcome{verdict: stale, output: err.Error() + "\n"}, nil
	}
	args := append([]string{"-failfast", "-timeout=5m", "-run", m.tests}, m.packages...)
	before, err := b.unharmed(args)
	if err != nil || before.verdict != survived {
		if before.verdict == caught {
			before.verdict = unsound
		}
		return before, err
	}
	overlay, err := b.seed(m, src)
	if err != nil {
		return outcome{}, err
	}
	return goTest(append([]string{"-count=1", "-overlay", overlay}, args...))
}

// unharmed runs the tests on the tree as it is: once for equal arguments, and
// from the cache of the go command when it has them.
func (b *bench) unharmed(args []string) (outcome, error) {
	key := strings.Join(args, "\x00")
	if o, ok := b.sound[key]; ok {
		return o, nil
	}
	o, err := goTest(args)
	if err == nil {
		b.sound[key] = o
	}
	return o, err
}

// stands reports an error unless the mutant's text stands once in its file.
func (m mutant) stands(src []byte) error {
	if n := bytes.Count(src, []byte(m.old)); n != 1 {
		return fmt.Errorf("%q stands %d times in %s and must stand once: write the mutant anew", m.old, n, m.file)
	}
	return nil
}

// seed writes the mutated file and returns the overlay that puts it in place.
func (b *bench) seed(m mutant, src []byte) (string, error) {
	mutated := filepath.Join(b.dir, m.name+".go")
	if err := os.WriteFile(mutated, bytes.Replace(src, []byte(m.old), []byte(m.new), 1), 0o600); err != nil {
		return "", err
	}
	abs, err := filepath.Abs(m.file)
	if err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {abs: mutated}})
	if err != nil {
		return "", err
	}
	file := filepath.Join(b.dir, "overlay.json")
	return file, os.WriteFile(file, overlay, 0o600)
}

// goTest runs go test. That tests fail is an outcome and no error.
func goTest(args []string) (outcome, error) {
	var stderr bytes.Buffer
	cmd := exec.Command("go", append([]string{"test", "-json", "-vet=off"}, args...)...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		return outcome{}, err
	}
	o, readErr := read(out)
	if readErr != nil {
		return outcome{}, fmt.Errorf("%w\n%s", readErr, stderr.Bytes())
	}
	if err != nil && o.verdict == survived { // such as an argument that go does not take
		o.verdict = broken
	}
	o.output += stderr.String()
	return o, nil
}
