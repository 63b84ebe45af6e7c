package bench

import (
	"math/rand/v2"
	"runtime"
	"testing"
	"time"
)

// measure times one side. The CPU time is that of the whole process, garbage
// collection included; on a busy machine it is steadier than the time.
func measure(b *testing.B, l load) {
	b.Helper()
	b.ReportAllocs()
	var cpu time.Duration
	b.ResetTimer()
	for done := 0; done < b.N; {
		n := min(l.round, b.N-done)
		b.StopTimer()
		if err := l.prepare(n); err != nil {
			b.Fatal(err)
		}
		cpu -= cpuTime()
		b.StartTimer()
		for i := range n {
			if err := l.do(i); err != nil {
				b.Fatal(err)
			}
		}
		cpu += cpuTime()
		done += n
	}
	if cpu > 0 {
		b.ReportMetric(float64(cpu)/float64(b.N), "cpu-ns/op")
	}
}

// spent is what operations took.
type spent struct {
	wall, cpu     time.Duration
	allocs, bytes uint64
}

// spend runs part of a round and adds up what it takes.
func (s *spent) spend(l load, from, to int) error {
	var m0, m1 runtime.MemStats
	runtime.ReadMemStats(&m0)
	cpu, start := cpuTime(), time.Now()
	for i := from; i < to; i++ {
		if err := l.do(i); err != nil {
			return err
		}
	}
	s.wall += time.Since(start)
	s.cpu += cpuTime() - cpu
	runtime.ReadMemStats(&m1)
	s.allocs += m1.Mallocs - m0.Mallocs
	s.bytes += m1.TotalAlloc - m0.TotalAlloc
	return nil
}

// turn is how many operations a side does before it is the other's turn.
const turn = 20

// ratio times both sides in turns and reports what one takes as a multiple of what
// the other does. An operation is one of each side.
func ratio(b *testing.B, over, under load) {
	b.Helper()
	if over.round != under.round {
		b.Fatalf("rounds of %d and %d operations", over.round, under.round)
	}
	sides := [2]load{over, under}
	var took [2]spent
	b.ResetTimer()
	for done := 0; done < b.N; {
		n := min(over.round, b.N-done)
		b.StopTimer()
		for _, l := range sides {
			if err := l.prepare(n); err != nil {
				b.Fatal(err)
			}
		}
		b.StartTimer()
		for from := 0; from < n; from += turn {
			first := rand.IntN(2) // a fixed order falls into step with the garbage collector
			for k := range sides {
				k ^= first
				if err := took[k].spend(sides[k], from, min(from+turn, n)); err != nil {
					b.Fatal(err)
				}
			}
		}
		done += n
	}
	p, q := took[0], took[1]
	b.ReportMetric(float64(p.wall)/float64(q.wall), "x-time")
	b.ReportMetric(float64(p.allocs)/float64(q.allocs), "x-allocs")
	b.ReportMetric(float64(p.bytes)/float64(q.bytes), "x-bytes")
	if q.cpu > 0 {
		b.ReportMetric(float64(p.cpu)/float64(q.cpu), "x-cpu")
	}
	b.ReportMetric(0, "ns/op") // of both sides together: says nothing
}
