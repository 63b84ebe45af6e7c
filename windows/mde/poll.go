package mde

import (
	"strconv"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// Poll is how often a device calls by itself: often at first, then for ever at
// one interval. Intervals are whole minutes. It can be changed later over
// DMClient/Provider/<ID>/Poll.
type Poll struct {
	// FirstRetries calls, FirstInterval apart, begin at once. Both are
	// required: zero retries would mean for ever ([MS-MDE2] 2.2.9.3).
	FirstRetries  int
	FirstInterval time.Duration
	// SecondRetries calls, SecondInterval apart, follow. Both zero means that
	// there are none.
	SecondRetries  int
	SecondInterval time.Duration
	// Interval is between all further calls; required. Microsoft's text wants
	// a day where push works, and its own service uses eight hours.
	Interval time.Duration
	// OnLogin also calls when a user signs in.
	OnLogin bool
	// AllUsersOnFirstLogin also calls when a user signs in for the first time.
	AllUsersOnFirstLogin bool
}

// DefaultPoll is the schedule of a provisioning document that names none: five
// calls in the first quarter of an hour, in which a new device gets what it
// should have, eight in the next two hours, then every eight hours, and
// whenever a user signs in.
func DefaultPoll() Poll {
	return Poll{
		FirstRetries: 5, FirstInterval: 3 * time.Minute,
		SecondRetries: 8, SecondInterval: 15 * time.Minute,
		Interval: 8 * time.Hour,
		OnLogin:  true,
	}
}

func (p Poll) check() error {
	if p.FirstRetries < 1 || p.FirstRetries > 1000 || !wholeMinutes(p.FirstInterval) {
		return mdm.Errorf(mdm.CodeInvalid, "Poll.First", "the first retries must be 1 to 1000, whole minutes apart")
	}
	off := p.SecondRetries == 0 && p.SecondInterval == 0
	if !off && (p.SecondRetries < 1 || p.SecondRetries > 1000 || !wholeMinutes(p.SecondInterval)) {
		return mdm.Errorf(mdm.CodeInvalid, "Poll.Second", "the second retries must be 1 to 1000, whole minutes apart, or both be zero")
	}
	if !wholeMinutes(p.Interval) {
		return mdm.Errorf(mdm.CodeInvalid, "Poll.Interval", "the poll interval must be whole minutes, from one minute to 45 days")
	}
	return nil
}

func wholeMinutes(d time.Duration) bool {
	return d >= time.Minute && d <= 45*24*time.Hour && d%time.Minute == 0
}

// characteristic is DMClient/Provider/<ID>/Poll. Zero of an interval turns a
// schedule off; zero of a number with an interval means for ever.
func (p Poll) characteristic() Characteristic {
	c := Characteristic{Type: "Poll", Parms: []Parm{
		integer("NumberOfFirstRetries", p.FirstRetries),
		integer("IntervalForFirstSetOfRetries", minutes(p.FirstInterval)),
		integer("NumberOfSecondRetries", p.SecondRetries),
		integer("IntervalForSecondSetOfRetries", minutes(p.SecondInterval)),
		integer("NumberOfRemainingScheduledRetries", 0),
		integer("IntervalForRemainingScheduledRetries", minutes(p.Interval)),
		boolean("PollOnLogin", p.OnLogin),
	}}
	if p.AllUsersOnFirstLogin {
		c.Parms = append(c.Parms, boolean("AllUsersPollOnFirstLogin", true))
	}
	return c
}

func minutes(d time.Duration) int { return int(d / time.Minute) }

func integer(name string, n int) Parm {
	return Parm{Name: name, Value: strconv.Itoa(n), Datatype: "integer"}
}

func boolean(name string, v bool) Parm {
	return Parm{Name: name, Value: strconv.FormatBool(v), Datatype: "boolean"}
}

func text(name, value string) Parm {
	return Parm{Name: name, Value: value, Datatype: "string"}
}
