package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// verdict is what became of a mutant.
type verdict string

const (
	caught   verdict = "caught"   // a test failed, by its own name
	survived verdict = "SURVIVED" // tests ran and none failed
	untested verdict = "NO TEST"  // the pattern matches no test, or all were skipped
	unbuilt  verdict = "NO BUILD" // the mutant, or a test, does not compile
	broken   verdict = "BROKEN"   // the run failed and no test did: a time limit, TestMain
	unsound  verdict = "RED"      // the tests fail without the mutant as well
	stale    verdict = "STALE"    // the text that it replaces is not there
)

// outcome is what a run of go test says.
type outcome struct {
	verdict verdict
	first   string // the test that failed first
	output  string // of the run, for a reader
}

// by names the test that caught the mutant.
func (o outcome) by() string {
	if o.verdict != caught {
		return ""
	}
	return " (" + o.first + ")"
}

// event is one line of go test -json.
type event struct {
	Action, Package, Test, Output string
}

// read judges the output of go test -json.
func read(out []byte) (outcome, error) {
	var text strings.Builder
	ran, skipped, built, passed := 0, 0, true, true
	first := ""
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var e event
		if err := dec.Decode(&e); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return outcome{}, fmt.Errorf("read the output of go test: %w", err)
		}
		text.WriteString(e.Output)
		switch {
		case e.Action == "build-fail":
			built = false
		case e.Action == "run":
			ran++
		case e.Action == "skip" && e.Test != "":
			skipped++
		case e.Action == "fail" && e.Test == "":
			passed = false
		case e.Action == "fail" && first == "":
			first = e.Test
		}
	}
	o := outcome{first: first, output: text.String()}
	switch {
	case !built:
		o.verdict = unbuilt
	case first != "":
		o.verdict = caught
	case !passed:
		o.verdict = broken
	case ran == skipped:
		o.verdict = untested
	default:
		o.verdict = survived
	}
	return o, nil
}
