package cms

import "time"

// time reads a UTCTime or GeneralizedTime in the only form that a signing time has
// (RFC 5652, 11.3): to the second, in UTC.
func (r *reader) time() time.Time {
	tag, n := r.any()
	v := r.b[r.at : r.at+n]
	r.at += n
	year := 0
	switch {
	case tag == tagUTCTime && n == len("YYMMDDhhmmssZ"):
		if year = 1900 + pair(v); year < 1950 {
			year += 100
		}
		v = v[2:]
	case tag == tagTime && n == len("YYYYMMDDhhmmssZ"):
		year = 100*pair(v) + pair(v[2:])
		v = v[4:]
	default:
		r.fail(errShape)
		return time.Time{}
	}
	for _, c := range r.b[r.at-n : r.at-1] {
		if c < '0' || c > '9' {
			r.fail(errShape)
			return time.Time{}
		}
	}
	month, day, hour, minute, second := pair(v), pair(v[2:]), pair(v[4:]), pair(v[6:]), pair(v[8:])
	t := time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC)
	// What does not exist comes out as another time.
	if v[10] != 'Z' || int(t.Month()) != month || t.Day() != day || t.Hour() != hour || t.Minute() != minute || t.Second() != second {
		r.fail(errShape)
	}
	return t
}

// pair reads two digits.
func pair(b []byte) int { return 10*int(b[0]-'0') + int(b[1]-'0') }
