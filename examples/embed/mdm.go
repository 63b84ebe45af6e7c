package main

import (
	"context"
	"database/sql"
	_ "embed"
	"net/http"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/storage/sqlstore"
)

//go:embed passcode.mobileconfig
var passcode []byte

// addMDM gives the application device management, and every Apple device a passcode.
func addMDM(ctx context.Context, mux *http.ServeMux, db *sql.DB, s settings) (*keelson.MDM, error) {
	if err := sqlstore.Migrate(ctx, db, sqlstore.SQLite); err != nil { // tables of its own, beside yours
		return nil, err
	}
	store, err := sqlstore.Open(ctx, db, sqlstore.SQLite, nil)
	if err != nil {
		return nil, err
	}
	authority, err := ca.New(s.caCert, s.caKey, nil)
	if err != nil {
		return nil, err
	}
	m, err := keelson.New(keelson.Config{URL: s.url, Store: store, CA: authority, Keyring: s.keys, Topic: s.topic, Push: s.push})
	if err != nil {
		return nil, err
	}
	m.Register(mux) // only the paths that devices use
	_, err = m.Profiles().Create(ctx, keelson.ProfileUpload{Content: passcode})
	return m, ignore(err, mdm.CodeConflict) // it is there since an earlier start
}
