// Command mutants shows that the test suite can fail: it seeds one defect after
// another, runs the tests that should notice, and fails when they do not.
//
//	go run ./mutants            all of them
//	go run ./mutants pin bind   those whose name contains a word
//
// A mutant replaces one piece of one file by way of go test's -overlay: the tree
// itself is never touched. Only a test that fails by its own name catches a
// mutant, and only when the same tests pass without it. A package that does not
// build, a pattern that no test matches and a run that ends by its time limit
// prove nothing, and count as failures of this command.
package main

import (
	"fmt"
	"os"
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
	bench := bench{dir: dir, sound: map[string]outcome{}}
	began, tried, wrong := time.Now(), 0, 0
	for _, m := range mutants {
		if !wanted(m.name, words) {
			continue
		}
		tried++
		start := time.Now()
		o, err := bench.try(m)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		fmt.Printf("%-9s %-24s %4.0fs  %s%s\n", o.verdict, m.name, time.Since(start).Seconds(), m.defect, o.by())
		if o.verdict != caught {
			wrong++
			fmt.Print(o.output)
		}
	}
	fmt.Printf("%d mutants, %d not caught, %.0fs\n", tried, wrong, time.Since(began).Seconds())
	if wrong > 0 || tried == 0 {
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
