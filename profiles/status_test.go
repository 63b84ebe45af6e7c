package profiles_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

// TestClassify goes down the ladder of one slot that is wanted, and of one that
// is not.
func TestClassify(t *testing.T) {
	want := &profiles.Profile{Key: 1, Revision: 2, Content: mdm.Hash{2}}
	doc := &profiles.Document{Provable: profiles.ContentMatched}
	row := func(change func(*profiles.Row)) *profiles.Row {
		r := &profiles.Row{
			Op: profiles.Install, Profile: 1, Revision: 2, Content: mdm.Hash{2}, Order: 5, Command: "c",
			Ack: 5, AckOutcome: mdm.OutcomeAcknowledged, Asked: 5, Seen: 5, Evidence: profiles.ContentMatched,
		}
		change(r)
		return r
	}
	for _, tt := range []struct {
		what string
		row  *profiles.Row
		doc  *profiles.Document
		want string
	}{
		{"no row", nil, doc, "pending/not_planned"},
		{"another content", row(func(r *profiles.Row) { r.Content = mdm.Hash{1} }), doc, "pending/not_planned"},
		{"not answered", row(func(r *profiles.Row) { r.Ack = 4 }), doc, "pending/queued"},
		{"refused", row(func(r *profiles.Row) { r.AckOutcome = mdm.OutcomeError }), doc, "pending/retry_later"},
		{"refused to the end", row(func(r *profiles.Row) { r.AckOutcome, r.Tries = mdm.OutcomeError, 3 }), doc, "failed/refused"},
		{"not looked at", row(func(r *profiles.Row) { r.Seen = 4 }), doc, "verifying/unobserved"},
		{"seen", row(func(*profiles.Row) {}), doc, "verified/proven"},
		{"seen to be there", row(func(r *profiles.Row) { r.Evidence = profiles.Present }), doc, "verified/proven"},
		{"asked, and nothing could be read", row(func(r *profiles.Row) { r.Evidence = profiles.Accepted }), doc, "accepted_not_verifiable/unreadable"},
		{"lacked", row(func(r *profiles.Row) { r.Evidence, r.Missing = profiles.Accepted, "x" }), doc, "verifying/retry_later"},
		{"lacked to the end", row(func(r *profiles.Row) { r.Missing, r.Misses = "x", 3 }), doc, "failed/missing"},
		{"the same UUID as before", row(func(r *profiles.Row) { r.Blurred = true }), doc, "accepted_not_verifiable/same_uuid"},
		{"nothing to read", row(func(*profiles.Row) {}), &profiles.Document{Provable: profiles.Accepted}, "accepted_not_verifiable/unreadable"},
		{"a content that nobody knows", row(func(*profiles.Row) {}), nil, "accepted_not_verifiable/unreadable"},
	} {
		s, r := profiles.Classify(tt.row, want, tt.doc)
		require.Equal(t, tt.want, string(s)+"/"+string(r), tt.what)
	}

	remove := func(change func(*profiles.Row)) *profiles.Row {
		return row(func(r *profiles.Row) { r.Op = profiles.Remove; change(r) })
	}
	for _, tt := range []struct {
		what string
		row  *profiles.Row
		want string
	}{
		{"nothing", nil, "/not_desired"},
		{"not planned", row(func(*profiles.Row) {}), "removing/not_planned"},
		{"not answered", remove(func(r *profiles.Row) { r.Ack = 4 }), "removing/queued"},
		{"refused", remove(func(r *profiles.Row) { r.AckOutcome = mdm.OutcomeError }), "removing/retry_later"},
		{"refused to the end", remove(func(r *profiles.Row) { r.AckOutcome, r.Tries = mdm.OutcomeError, 3 }), "removal_failed/refused"},
	} {
		s, r := profiles.Classify(tt.row, nil, doc)
		require.Equal(t, tt.want, string(s)+"/"+string(r), tt.what)
	}
}
