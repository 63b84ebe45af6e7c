package bench

import (
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
const turn = 50

// ratio times both sides in turns and reports what the peer takes as a multiple
// of what ours takes. An operation is one of each side.
func ratio(b *testing.B, peer, ours load) {
	b.Helper()
	if peer.round != ours.round {
		b.Fatalf("rounds of %d and %d operations", peer.round, ours.round)
	}
	sides := [2]load{peer, ours}
	var took [2]spent
	b.ResetTimer()
	for done := 0; done < b.N; {
		n := min(peer.round, b.N-done)
		b.StopTimer()
		for _, l := range sides {
			if err := l.prepare(n); err != nil {
				b.Fatal(err)
			}
		}
		b.StartTimer()
		for from := 0; from < n; from += turn {
			for k := range sides {
				k ^= from / turn & 1 // who goes first changes
				if err := took[k].spend(sides[k], from, min(from+turn, n)); err != nil {
					b.Fatal(err)
				}
			}
		}
		done += n
	}
	p, o := took[0], took[1]
	b.ReportMetric(float64(p.wall)/float64(o.wall), "x-time")
	b.ReportMetric(float64(p.allocs)/float64(o.allocs), "x-allocs")
	b.ReportMetric(float64(p.bytes)/float64(o.bytes), "x-bytes")
	if o.cpu > 0 {
		b.ReportMetric(float64(p.cpu)/float64(o.cpu), "x-cpu")
	}
	b.ReportMetric(0, "ns/op") // of both sides together: says nothing
}
