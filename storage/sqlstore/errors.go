package sqlstore

import (
	"database/sql"
	"errors"
	"reflect"
	"strings"

	"github.com/keelson-mdm/keelson/mdm"
)

// SQLite's primary result codes (https://www.sqlite.org/rescode.html).
const (
	sqliteBusy       = 5
	sqliteLocked     = 6
	sqliteFull       = 13
	sqliteConstraint = 19
	sqliteUnique     = 2067
	sqlitePrimaryKey = 1555
	sqliteRowID      = 2579
)

// errAgain marks what another unit of work stood in the way of: the same unit
// may succeed at once.
var errAgain = errors.New("in conflict with another transaction")

// failure gives a database error its meaning, without importing a driver: the
// drivers' errors tell their codes by a method or a field. A nil error stays nil.
func failure(doing string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, sql.ErrNoRows) {
		return mdm.Errorf(mdm.CodeNotFound, "", "no such %s", doing)
	}
	var own *mdm.Error
	if errors.As(err, &own) {
		return err
	}
	code, says := mdm.CodeUnavailable, "the database failed"
	var coded interface{ Code() int }
	var stated interface{ SQLState() string }
	switch {
	case errors.As(err, &coded):
		code, says = ofSQLite(coded.Code())
	case errors.As(err, &stated):
		code, says = ofPostgreSQL(stated.SQLState())
	default:
		if n, ok := number(err); ok {
			code, says = ofMySQL(n)
		}
	}
	if says == stands {
		err = errors.Join(errAgain, err)
	}
	return mdm.WrapError(code, "", doing+": "+says, err)
}

// What database errors mean to us.
const (
	exists  = "it exists already"
	refuses = "the schema refuses the value"
	full    = "the disk is full"
	many    = "the database takes no more connections"
	stands  = "another transaction stands in the way"
	failed  = "the database failed"
)

func ofSQLite(code int) (mdm.Code, string) {
	switch code & 0xff {
	case sqliteBusy, sqliteLocked:
		return mdm.CodeUnavailable, "the database is held by another writer; inside a transaction of your own use Store.Join"
	case sqliteFull:
		return mdm.CodeUnavailable, full
	case sqliteConstraint:
		switch code {
		case sqliteConstraint, sqliteUnique, sqlitePrimaryKey, sqliteRowID: // the first from drivers that say no more
			return mdm.CodeConflict, exists
		}
		return mdm.CodeInternal, refuses
	}
	return mdm.CodeUnavailable, failed
}

// ofPostgreSQL follows appendix A of PostgreSQL's manual, "PostgreSQL Error Codes".
func ofPostgreSQL(state string) (mdm.Code, string) {
	switch state {
	case "23505":
		return mdm.CodeConflict, exists
	case "40001", "40P01", "55P03":
		return mdm.CodeUnavailable, stands
	case "53100":
		return mdm.CodeUnavailable, full
	case "53300":
		return mdm.CodeUnavailable, many
	}
	if strings.HasPrefix(state, "22") || strings.HasPrefix(state, "23") || state == "54000" {
		return mdm.CodeInternal, refuses
	}
	return mdm.CodeUnavailable, failed
}

// ofMySQL follows the "Server Error Message Reference" of MySQL, whose numbers
// MariaDB shares.
func ofMySQL(number uint16) (mdm.Code, string) {
	switch number {
	case 1062:
		return mdm.CodeConflict, exists
	case 1205, 1213, 1020:
		return mdm.CodeUnavailable, stands
	case 1021, 1114:
		return mdm.CodeUnavailable, full
	case 1040, 1203, 1226:
		return mdm.CodeUnavailable, many
	case 1048, 1264, 1366, 1406, 4025:
		return mdm.CodeInternal, refuses
	}
	return mdm.CodeUnavailable, failed
}

// number is the Number of a MySQL driver's error, which has no method for it.
func number(err error) (uint16, bool) {
	for ; err != nil; err = errors.Unwrap(err) {
		v := reflect.ValueOf(err)
		if v.Kind() == reflect.Pointer && v.Elem().Kind() == reflect.Struct {
			if f := v.Elem().FieldByName("Number"); f.IsValid() && f.Kind() == reflect.Uint16 {
				return uint16(f.Uint()), true
			}
		}
	}
	return 0, false
}
