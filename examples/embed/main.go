// Command embed is a web application that has gained device management: all that
// was added stands in mdm.go, in forty lines.
package main

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"time"

	_ "modernc.org/sqlite" // the application's database

	"github.com/keelson-mdm/keelson/apple/apns"
	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/mdm"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := serve(ctx); err != nil {
		log.Fatal(err)
	}
}

// serve is the application: a database, a mux, a server.
func serve(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	s, err := readSettings("settings")
	if err != nil {
		return err
	}
	db, err := openDB("app.db")
	if err != nil {
		return err
	}
	mux := newMux(db)
	m, err := addMDM(ctx, mux, db, s)
	if err != nil {
		return err
	}
	working := make(chan error, 1)
	go func() { working <- m.Run(ctx) }()

	server := &http.Server{Addr: ":443", Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	answered := make(chan struct{}) // every request that was under way
	context.AfterFunc(ctx, func() {
		_ = server.Shutdown(context.WithoutCancel(ctx))
		close(answered)
	})
	err = server.ListenAndServeTLS("settings/tls.pem", "settings/tls.pem")
	stop()
	<-answered
	return errors.Join(ignore(err, http.ErrServerClosed), ignore(<-working, context.Canceled), db.Close())
}

func ignore(err, target error) error {
	if errors.Is(err, target) {
		return nil
	}
	return err
}

// openDB opens the application's database as it always did, in WAL mode.
func openDB(file string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)")
	if err != nil {
		return nil, err
	}
	_, err = db.Exec(`CREATE TABLE IF NOT EXISTS visit (at TEXT NOT NULL)`)
	return db, err
}

// newMux is what the application served before.
func newMux(db *sql.DB) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		var n int
		_, err := db.ExecContext(r.Context(), `INSERT INTO visit (at) VALUES (datetime('now'))`)
		if err == nil {
			err = db.QueryRowContext(r.Context(), `SELECT count(*) FROM visit`).Scan(&n)
		}
		if err != nil {
			http.Error(w, "no visits today", http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, "visit %d\n", n)
	})
	return mux
}

// settings are what an operator provides. None of it may be lost: devices know
// the server by its URL, its authority and its topic.
type settings struct {
	url    string
	caCert *x509.Certificate // of an RSA key, so that it can serve SCEP
	caKey  crypto.Signer
	keys   mdm.Keyring // seals secrets in the database
	topic  string
	push   mdm.Pusher // nil: devices come when they come
}

// readSettings reads the operator's files.
func readSettings(dir string) (s settings, err error) {
	s.url = os.Getenv("APP_URL")
	authority, err := os.ReadFile(dir + "/ca.pem")
	if err != nil {
		return s, err
	}
	if s.caCert, s.caKey, err = ca.ParsePEM(authority, authority); err != nil {
		return s, err
	}
	key, err := os.ReadFile(dir + "/storage.key") // 32 random bytes
	if err != nil {
		return s, err
	}
	s.keys = mdm.LocalKeyring{Current: "1", Keys: map[string][]byte{"1": key}}
	cert, err := tls.LoadX509KeyPair(dir+"/push.pem", dir+"/push.pem")
	if err != nil {
		return s, err
	}
	pusher, err := apns.New(cert, nil)
	if err != nil {
		return s, err
	}
	s.topic, s.push = pusher.Topic(), pusher.Port()
	return s, nil
}
