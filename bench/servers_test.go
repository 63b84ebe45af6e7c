package bench

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq"
	"github.com/micromdm/nanomdm/storage/pgsql"
	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/storage/sqlstore"
)

// The benchmarks on a server need one on which databases can be made:
//
//	KEELSON_TEST_POSTGRES='postgres://root@127.0.0.1:5432/postgres?sslmode=disable' go test -run '^$' -bench PostgreSQL -benchtime 5x
//
// An iteration is a round of each side, in random order, by many workers.

// workers is how many devices talk at once.
const workers = 16

// round is how many operations a side does before it is another's turn.
const serverRound = 1000

// contender is one of the servers that are compared on a database server.
type contender struct {
	name  string
	sides []*side // one a worker
	rates []float64
	cpu   []float64 // microseconds of this process an operation
	db    []float64 // and of the database server
}

// spread gives each worker a side of its own with its part of the devices.
func spread(name string, s *side) *contender {
	c := &contender{name: name}
	for w := range workers {
		mine := *s
		mine.devices = nil
		for i := w; i < len(s.devices); i += workers {
			mine.devices = append(mine.devices, s.devices[i])
		}
		mine.answer = answer{}
		c.sides = append(c.sides, &mine)
	}
	return c
}

// run does n operations with all workers and notes what they took.
func (c *contender) run(n int, do func(s *side, i int) error) error {
	cpu, db, start := cpuTime(), databaseCPU(), time.Now()
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for w, s := range c.sides {
		wg.Go(func() {
			for i := range n / workers {
				if errs[w] = do(s, i); errs[w] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	for _, err := range errs {
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	ops := float64(n / workers * workers)
	c.rates = append(c.rates, ops/took.Seconds())
	c.cpu = append(c.cpu, float64(cpuTime()-cpu)/ops/1e3)
	c.db = append(c.db, float64(databaseCPU()-db)/ops/1e3)
	return nil
}

func median(v []float64) float64 {
	v = append([]float64(nil), v...)
	sort.Float64s(v)
	return v[len(v)/2]
}

// databaseCPU is the CPU time of all processes of a database server on this
// machine, ended ones included; 0 where there is no /proc.
func databaseCPU() time.Duration {
	const ticks = 100 // a second, on every Linux that we know
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	var sum uint64
	for _, e := range entries {
		b, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		text := string(b)
		name, rest, ok := strings.Cut(text, ") ")
		if !ok || !strings.HasSuffix(name, "(postgres") && !strings.HasSuffix(name, "(mariadbd") {
			continue
		}
		f := strings.Fields(rest)
		for _, at := range []int{11, 12, 13, 14} { // utime, stime, and those of children that have ended
			var n uint64
			_, _ = fmt.Sscan(f[at], &n)
			sum += n
		}
	}
	return time.Duration(sum) * time.Second / ticks
}

// database makes an empty database on the server until the benchmark ends.
func database(b *testing.B, env, driver string) (name string) {
	b.Helper()
	at := os.Getenv(env)
	if at == "" {
		b.Skip(env + " is not set")
	}
	admin, err := sql.Open(driver, at)
	require.NoError(b, err)
	name = fmt.Sprintf("keelson_bench_%d", rand.Uint32())
	_, err = admin.Exec("CREATE DATABASE " + name)
	require.NoError(b, err)
	b.Cleanup(func() {
		_, _ = admin.Exec("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)")
		_ = admin.Close()
	})
	u, err := url.Parse(at)
	require.NoError(b, err)
	u.Path = "/" + name
	return u.String()
}

// serverFleet is how many devices are enrolled on each side.
const serverFleet = 1000

// onPostgreSQL enrolls the same devices on NanoMDM as it is shipped, on NanoMDM
// with a driver that needs one round trip a statement, and on Keelson.
func onPostgreSQL(b *testing.B) []*contender {
	const env = "KEELSON_TEST_POSTGRES"
	ours := database(b, env, "pgx")
	db, err := sql.Open("pgx", ours)
	require.NoError(b, err)
	db.SetMaxIdleConns(32)
	b.Cleanup(func() { _ = db.Close() })
	require.NoError(b, sqlstore.Migrate(context.Background(), db, sqlstore.PostgreSQL))
	store, err := sqlstore.Open(context.Background(), db, sqlstore.PostgreSQL, &sqlstore.Options{Connections: workers})
	require.NoError(b, err)
	o, err := newOurs("Keelson", store, serverFleet)
	require.NoError(b, err)
	b.Cleanup(func() {
		o.stop()
		_ = store.Close()
	})
	out := []*contender{}
	auth, err := authority()
	require.NoError(b, err)
	for name, driver := range map[string]string{"nanomdm": "postgres", "nanomdm-tuned": "pgx"} {
		db, err := sql.Open(driver, database(b, env, "pgx"))
		require.NoError(b, err)
		db.SetMaxIdleConns(32)
		db.SetMaxOpenConns(64)
		b.Cleanup(func() { _ = db.Close() })
		_, err = db.Exec(pgsql.Schema)
		require.NoError(b, err)
		nano, err := pgsql.New(pgsql.WithDB(db))
		require.NoError(b, err)
		p, err := newPeerOn(nano, auth.Certificate(), o.devices)
		require.NoError(b, err)
		out = append(out, spread(name, &p.side))
	}
	sort.Slice(out, func(i, j int) bool { return out[i].name < out[j].name })
	return append(out, spread("keelson", &o.side))
}

// compare lets every side do rounds in random order, and reports medians: rates,
// CPU of this process and of the database, and how many times more than the peer
// Keelson does.
func compare(b *testing.B, all []*contender, prepare func(c *contender) (func(s *side, i int) error, error)) {
	for range b.N {
		for _, k := range rand.Perm(len(all)) {
			b.StopTimer()
			do, err := prepare(all[k])
			require.NoError(b, err)
			b.StartTimer()
			require.NoError(b, all[k].run(serverRound, do))
		}
	}
	ours := all[len(all)-1]
	for _, c := range all {
		b.ReportMetric(median(c.rates), c.name+"-ops/s")
		b.ReportMetric(median(c.cpu), c.name+"-cpu-µs")
		b.ReportMetric(median(c.db), c.name+"-db-µs")
		if c != ours {
			b.ReportMetric(median(ours.rates)/median(c.rates), "x-rate-of-"+c.name)
			b.ReportMetric((median(c.cpu)+median(c.db))/(median(ours.cpu)+median(ours.db)), "x-cpu-of-"+c.name)
		}
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkPostgreSQL: what a fleet does, over a real database with durable
// commits.
func BenchmarkPostgreSQL(b *testing.B) {
	all := onPostgreSQL(b)
	reset := func() {
		for _, c := range all {
			c.rates, c.cpu, c.db = nil, nil, nil
		}
	}
	b.Run("idle-poll", func(b *testing.B) {
		reset()
		compare(b, all, func(*contender) (func(*side, int) error, error) {
			return func(s *side, i int) error { return s.poll(s.devices[i%len(s.devices)].idleSigned) }, nil
		})
	})
	b.Run("command-cycle", func(b *testing.B) {
		reset()
		compare(b, all, func(c *contender) (func(*side, int) error, error) {
			return cyclesOf(c, serverRound/workers)
		})
	})
}

// cyclesOf queues a command for n devices of each worker, and returns what fetches
// and answers it.
func cyclesOf(c *contender, n int) (func(s *side, i int) error, error) {
	type work struct {
		ids     []string
		answers []message
	}
	of := make(map[*side]*work, len(c.sides))
	for _, s := range c.sides {
		w := &work{ids: make([]string, n), answers: make([]message, n)}
		for i := range n {
			var err error
			if w.ids[i], err = mdm.NewUUID(mdm.SystemClock{}.Now(), randomReader{}); err != nil {
				return nil, err
			}
			if w.answers[i], err = s.devices[i%len(s.devices)].acknowledged(w.ids[i]); err != nil {
				return nil, err
			}
		}
		if err := s.enqueue(context.Background(), s.devices[:n], w.ids); err != nil {
			return nil, err
		}
		of[s] = w
	}
	return func(s *side, i int) error {
		w := of[s]
		if err := s.fetch(s.devices[i].idleSigned, w.ids[i]); err != nil {
			return err
		}
		return s.poll(w.answers[i])
	}, nil
}

// randomReader is crypto-free randomness for ids.
type randomReader struct{}

func (randomReader) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return len(b), nil
}
