package cms

import "time"

// timeOf reads a UTCTime or GeneralizedTime in the only form that a signing time
// has (RFC 5652, 11.3): to the second, in UTC.
func timeOf(b []byte) (time.Time, error) {
	e, rest, err := next(b)
	if err != nil {
		return time.Time{}, err
	}
	v := e.body
	year := 0
	switch {
	case len(rest) > 0:
		return time.Time{}, errShape
	case e.tag == tagUTCTime && len(v) == len("YYMMDDhhmmssZ"):
		if year = 1900 + pair(v); year < 1950 {
			year += 100
		}
		v = v[2:]
	case e.tag == tagTime && len(v) == len("YYYYMMDDhhmmssZ"):
		year = 100*pair(v) + pair(v[2:])
		v = v[4:]
	default:
		return time.Time{}, errShape
	}
	for _, c := range e.body[:len(e.body)-1] {
		if c < '0' || c > '9' {
			return time.Time{}, errShape
		}
	}
	month, day, hour, minute, second := pair(v), pair(v[2:]), pair(v[4:]), pair(v[6:]), pair(v[8:])
	t := time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC)
	// What does not exist comes out as another time.
	if v[10] != 'Z' || int(t.Month()) != month || t.Day() != day || t.Hour() != hour || t.Minute() != minute || t.Second() != second {
		return time.Time{}, errShape
	}
	return t, nil
}

// pair reads two digits.
func pair(b []byte) int { return 10*int(b[0]-'0') + int(b[1]-'0') }
