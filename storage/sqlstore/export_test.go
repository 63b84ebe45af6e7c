package sqlstore

import (
	"database/sql"
	"database/sql/driver"
)

// DB is the database under a store.
func (s *Store) DB() *sql.DB { return s.db }

// Break makes the writer's connection as if it had been lost.
func (s *Store) Break() {
	s.turns.(*writer).forget()
	_ = s.turns.(*writer).conn.Raw(func(any) error { return driver.ErrBadConn })
}

// Writer is the connection on which a store writes now; nil between two.
func (s *Store) Writer() *sql.Conn { return s.turns.(*writer).conn }

// Begins is how a store's units of work begin on a server; nil is the default.
func (s *Store) Begins() *sql.TxOptions { return s.turns.(*pool).begun }

// Prepared are the statements that a store on a server has prepared, as the
// server knows them.
func (s *Store) Prepared() (out []string) {
	p := s.turns.(*pool)
	p.mu.RLock()
	defer p.mu.RUnlock()
	for query := range p.stmts {
		out = append(out, p.d.bind(query))
	}
	return out
}
