package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/storage/sqlstore"
	// The application brings the driver: import _ "modernc.org/sqlite".
)

// Example opens a store on the application's own database, does a unit of work,
// and lets another commit with a transaction of the application's.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "keelson")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	path := filepath.Join(dir, "app.db")
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	if err := sqlstore.Migrate(ctx, db, sqlstore.SQLite); err != nil { // at deployment
		fmt.Println(err)
		return
	}
	store, err := sqlstore.Open(ctx, db, sqlstore.SQLite, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()
	if err := store.Lifecycle().PutTenant(ctx, mdm.DefaultTenant); err != nil {
		fmt.Println(err)
		return
	}

	// A unit of work of its own.
	mac := mdm.Host{ID: "0192d3a0-0000-7000-8000-000000000001", ExternalID: "asset-1", Name: "Ada's Mac", State: mdm.HostPending}
	err = store.InTx(ctx, mdm.DefaultTenant, func(ctx context.Context, tx mdm.Tx) error {
		tx.AfterCommit(func() { fmt.Println("committed") })
		return store.Lifecycle().PutHost(ctx, tx, &mac)
	})
	fmt.Println(mac.Name, err)

	// What an application writes, and what it asks of Keelson, in one transaction.
	own, err := db.BeginTx(ctx, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	err = store.Join(ctx, own, mdm.DefaultTenant, func(ctx context.Context, tx mdm.Tx) error {
		return store.Profiles().MarkTeam(ctx, tx, 0)
	})
	fmt.Println("joined:", err)
	fmt.Println(own.Commit())

	waiting, err := store.Profiles().Backlog(ctx, mdm.DefaultTenant)
	fmt.Println(waiting, err)
	// Output:
	// committed
	// Ada's Mac <nil>
	// joined: <nil>
	// <nil>
	// 1 <nil>
}
