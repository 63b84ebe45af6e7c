package sqlstore

import (
	"database/sql"
	"errors"

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

// failure gives a database error its meaning, without importing a driver: the
// drivers' errors tell their code by a method. A nil error stays nil.
func failure(doing string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, sql.ErrNoRows) {
		return mdm.Errorf(mdm.CodeNotFound, "", "no such %s", doing)
	}
	var coded interface{ Code() int }
	if errors.As(err, &coded) {
		switch coded.Code() & 0xff {
		case sqliteBusy, sqliteLocked:
			return mdm.WrapError(mdm.CodeUnavailable, "", doing+": the database is held by another writer; inside a transaction of your own use Store.Join", err)
		case sqliteFull:
			return mdm.WrapError(mdm.CodeUnavailable, "", doing+": the disk is full", err)
		case sqliteConstraint:
			switch coded.Code() {
			case sqliteConstraint, sqliteUnique, sqlitePrimaryKey, sqliteRowID: // the first from drivers that say no more
				return mdm.WrapError(mdm.CodeConflict, "", doing+": it exists already", err)
			}
			return mdm.WrapError(mdm.CodeInternal, "", doing+": the schema refuses the value", err)
		}
	}
	return mdm.WrapError(mdm.CodeUnavailable, "", doing+": the database failed", err)
}
