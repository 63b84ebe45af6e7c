// Package storage joins the rooms' stores into one: a [Store] has one accessor
// a room, so that it grows by rooms and not by methods, and an application may
// implement one room over tables of its own.
//
// Every room's interface is its contract, and storagetest holds each backend to
// it: inmem for tests, sqlstore for SQLite, PostgreSQL and MySQL.
package storage

import (
	"context"

	"github.com/keelson-mdm/keelson/apple"
	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/lifecycle"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
	"github.com/keelson-mdm/keelson/queue"
	"github.com/keelson-mdm/keelson/windows"
)

// Store is a backend. It is safe for concurrent use.
type Store interface {
	mdm.Transactor

	Queue() queue.Store
	Identity() identity.Store
	Lifecycle() lifecycle.Store
	Profiles() profiles.Store
	Apple() apple.Store
	Windows() windows.Store
	Leases() Leases

	// Ready reports why the store cannot be used: unreachable, or a schema
	// that is older or newer than this program.
	Ready(ctx context.Context) error
}

// FaultHook is called before every write that a backend makes, with the room
// and the kind of write; an error makes that write fail as if the database
// had. It is for tests. Backends take it in their options.
type FaultHook func(write string) error
