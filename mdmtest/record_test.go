package mdmtest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDuplicated(t *testing.T) {
	done := Sighting{Status: "Acknowledged", Fate: FateDelivered}
	failed := Sighting{Status: "Error", Fate: FateDelivered}
	notNow := Sighting{Status: "NotNow", Fate: FateDelivered}
	lost := Sighting{Status: "Acknowledged", Fate: FateLost}
	refused := Sighting{Status: "Acknowledged", Fate: FateRefused}
	dropped := Sighting{Fate: FateDropped}
	for _, c := range []struct {
		name      string
		sightings []Sighting
		want      bool
	}{
		{"once", []Sighting{done}, false},
		{"done twice", []Sighting{done, done}, true},
		{"after an error", []Sighting{failed, done}, true},
		{"after NotNow", []Sighting{notNow, notNow, done}, false},
		{"after a loss", []Sighting{lost, done}, false},
		{"after two losses", []Sighting{lost, lost, done}, false},
		{"after a refusal", []Sighting{refused, done}, false},
		{"after a lost hand-out", []Sighting{dropped, done}, false},
		{"a loss excuses only one time", []Sighting{lost, done, done}, true},
		{"handed out again, but unseen", []Sighting{done, dropped}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, CommandRecord{Sightings: c.sightings}.Duplicated())
		})
	}
}

func TestRecorderCopies(t *testing.T) {
	r := newRecorder()
	ref := r.saw("u", "T", Sighting{Hash: "h", ErrorChain: []ErrorChainItem{{ErrorCode: 1}}})
	out := r.all()
	out[0].Sightings[0].ErrorChain[0].ErrorCode = 2
	out[0].Sightings[0].Fate = FateLost
	r.update(ref, func(s *Sighting) { s.Fate = FateDelivered })
	r.update(sightingRef{uuid: "u", index: 7}, func(*Sighting) { t.Fatal("there is no such sighting") })
	r.update(sightingRef{uuid: "none"}, func(*Sighting) { t.Fatal("there is no such command") })
	require.Equal(t, 1, r.all()[0].Sightings[0].ErrorChain[0].ErrorCode)
	require.Equal(t, FateDelivered, r.all()[0].Sightings[0].Fate)

	at := time.Unix(1, 0).UTC()
	r.violate(at, "Idle", "%d things", 2)
	require.Equal(t, []Violation{{At: at, During: "Idle", Text: "2 things"}}, r.violated(true))
	require.Empty(t, r.violated(false))
	require.Equal(t, "Idle: x", Violation{During: "Idle", Text: "x"}.String())
}
