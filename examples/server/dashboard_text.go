package main

import (
	"cmp"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

// funcs are what the templates call.
func (d *dashboard) funcs() template.FuncMap {
	return template.FuncMap{
		"static":   func(name string) string { return d.static + name },
		"ago":      func(t time.Time) string { return ago(d.now().Sub(t)) },
		"until":    func(t time.Time) string { return until(t.Sub(d.now())) },
		"stamp":    func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"moment":   func(t time.Time) string { return t.UTC().Format("2 Jan 2006, 15:04:05 UTC") },
		"platform": platformName,
		"status":   statusText,
		"reason":   reasonText,
		"evidence": evidenceText,
		"state":    func(s mdm.HostState) string { return sentence(string(s)) },
		"sentence": sentence,
		"capital":  capital,
		"bar":      newBar,
		"plural":   plural,
		"size":     size,
	}
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// sentence makes a code word readable: "not_now" becomes "Not now".
func sentence(s string) string {
	return capital(strings.ReplaceAll(s, "_", " "))
}

// capital begins a sentence.
func capital(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func size(n int) string {
	if n < 10_000 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%d kB", n/1000)
}

// ago says how long something is past.
func ago(d time.Duration) string {
	switch {
	case d < 3*time.Second:
		return "just now"
	case d < time.Minute:
		return fmt.Sprintf("%d s ago", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	}
	return fmt.Sprintf("%d days ago", int(d.Hours()/24))
}

// until says how long something is ahead; what is past, as [ago] does.
func until(d time.Duration) string {
	switch {
	case d <= 0:
		return ago(-d)
	case d < time.Minute:
		return fmt.Sprintf("in %d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("in %d min", int(d.Round(time.Minute).Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("in %d h", int(d.Round(time.Hour).Hours()))
	}
	return fmt.Sprintf("in %d days", int(d.Round(24*time.Hour).Hours()/24))
}

func platformName(p mdm.Platform) string {
	switch p {
	case mdm.MacOS:
		return "macOS"
	case mdm.IOS:
		return "iOS"
	case mdm.IPadOS:
		return "iPadOS"
	case mdm.TVOS:
		return "tvOS"
	case mdm.Windows:
		return "Windows"
	case "":
		return "Not known yet"
	}
	return string(p)
}

func statusText(s profiles.Status) string {
	switch s {
	case "":
		return "No profiles"
	case profiles.Unprovable:
		return "Accepted"
	}
	return sentence(string(s))
}

// reasonText says why a status is what it is.
func reasonText(r profiles.Reason) string {
	switch r {
	case profiles.ReasonNotPlanned:
		return "The change has not been planned yet."
	case profiles.ReasonQueued:
		return "The command waits for the device to come and answer."
	case profiles.ReasonRetryLater:
		return "The device refused it, or does not show it; it is sent again."
	case profiles.ReasonUnobserved:
		return "The device took it. What it carries is looked at next."
	case profiles.ReasonProven:
		return "Seen on the device, as it should be."
	case profiles.ReasonUnreadable:
		return "The device took it. The platform lets nobody read it back."
	case profiles.ReasonSameUUID:
		return "The device took it. Old and new content share a PayloadUUID, so that nobody can tell them apart."
	case profiles.ReasonRefused:
		return "The device refused it again and again."
	case profiles.ReasonMissing:
		return "The device took it, and does not carry it."
	case profiles.ReasonHeld:
		return "It stays until what takes its place has arrived."
	case profiles.ReasonOverridden:
		return "Another profile sets one of its settings to another value, and was made first."
	case profiles.ReasonLost:
		return "What is stored of its content cannot be read. Upload it again, or add the key that sealed it."
	case profiles.ReasonNotDesired:
		return "Nothing wants it on this host."
	case profiles.ReasonNotEnrolled:
		return "The host is not enrolled."
	}
	return sentence(string(r)) + "."
}

func evidenceText(e profiles.Evidence) string {
	switch e {
	case profiles.Accepted:
		return "accepted"
	case profiles.Present:
		return "present"
	case profiles.VersionMatched:
		return "version matched"
	case profiles.ContentMatched:
		return "content matched"
	case profiles.Effective:
		return "in effect"
	}
	return "none yet"
}

// statuses are all of them, from best to worst.
func statuses() []profiles.Status {
	return []profiles.Status{
		profiles.Verified, profiles.Unprovable, profiles.Verifying, profiles.Pending,
		profiles.Removing, profiles.RemovalFailed, profiles.Failed,
	}
}

// bar is a number of things by status, as a picture of 100 units.
type bar struct {
	Total    int
	Segments []segment
}

// segment is the part of one status.
type segment struct {
	Status profiles.Status
	Count  int
	X, W   float64
}

func newBar(counts map[profiles.Status]int) bar {
	var b bar
	for _, n := range counts {
		b.Total += n
	}
	if b.Total == 0 {
		return b
	}
	x := 0.0
	for _, s := range statuses() {
		if n := counts[s]; n > 0 {
			w := 100 * float64(n) / float64(b.Total)
			b.Segments = append(b.Segments, segment{s, n, x, w})
			x += w
		}
	}
	return b
}

// Text is the bar for those who cannot see it.
func (b bar) Text() string {
	if b.Total == 0 {
		return "on no host"
	}
	var parts []string
	for _, s := range b.Segments {
		parts = append(parts, s.Text())
	}
	return strings.Join(parts, ", ")
}

// Text is the part in words, such as "3 failed".
func (s segment) Text() string {
	return fmt.Sprintf("%d %s", s.Count, strings.ToLower(statusText(s.Status)))
}

// Done reports whether there is nothing left to wait for or to mend.
func (b bar) Done() bool {
	return !slices.ContainsFunc(b.Segments, func(s segment) bool {
		return s.Status != profiles.Verified && s.Status != profiles.Unprovable
	})
}

// Failing is how much waits for a person.
func (b bar) Failing() int {
	n := 0
	for _, s := range b.Segments {
		if s.Status == profiles.Failed || s.Status == profiles.RemovalFailed {
			n += s.Count
		}
	}
	return n
}

// Percent is how much is in place, rounded down: 100 means all.
func (b bar) Percent() int {
	n := 0
	for _, s := range b.Segments {
		if s.Status == profiles.Verified || s.Status == profiles.Unprovable {
			n += s.Count
		}
	}
	return n * 100 / cmp.Or(b.Total, 1)
}
