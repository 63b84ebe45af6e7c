package keelson

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

// TestFamilyOf tells what is uploaded by how it begins.
func TestFamilyOf(t *testing.T) {
	for content, want := range map[string]profiles.Family{
		`<?xml version="1.0"?><!DOCTYPE plist><plist version="1.0"><dict/></plist>`: profiles.AppleProfile,
		"\n\t<plist version=\"1.0\"/>":                                              profiles.AppleProfile,
		"bplist00":                                                                  profiles.AppleProfile,
		"\x30\x82":                                                                  profiles.AppleProfile, // signed
		"  <Replace/>":                                                              profiles.WindowsProfile,
		"<!-- a comment --><Atomic></Atomic>":                                       profiles.WindowsProfile,
	} {
		got, err := familyOf([]byte(content))
		require.NoError(t, err, content)
		require.Equal(t, want, got, content)
	}
	for _, content := range []string{"", " ", "hello", "{}"} {
		_, err := familyOf([]byte(content))
		require.ErrorIs(t, err, mdm.CodeInvalid, content)
	}
}

// TestAppleFormatJudges what a list of profiles proves about one.
func TestAppleFormatJudges(t *testing.T) {
	const id, uuid = "com.example.one", "8A5C0F5E-0000-4000-8000-00000000000A"
	doc := &profiles.Document{UUID: uuid}
	list := func(items ...mdm.Observed) *mdm.Observation { return &mdm.Observation{Complete: true, Items: items} }
	other := mdm.Observed{Identifier: "com.example.other", UUID: uuid}
	for _, tt := range []struct {
		what    string
		doc     *profiles.Document
		o       *mdm.Observation
		level   profiles.Evidence
		missing bool
		ok      bool
	}{
		{"not everything", doc, &mdm.Observation{Items: []mdm.Observed{{Identifier: id, UUID: uuid}}}, 0, false, false},
		{"this version", doc, list(other, mdm.Observed{Identifier: id, UUID: uuid}), profiles.VersionMatched, false, true},
		{"without case", doc, list(mdm.Observed{Identifier: id, UUID: "8a5c0f5e-0000-4000-8000-00000000000a"}), profiles.VersionMatched, false, true},
		{"another version", doc, list(mdm.Observed{Identifier: id, UUID: "X"}), profiles.Present, true, true},
		{"no version to tell apart", &profiles.Document{}, list(mdm.Observed{Identifier: id, UUID: "X"}), profiles.Present, false, true},
		{"is the slot filled", nil, list(mdm.Observed{Identifier: id}), profiles.Present, false, true},
		{"the slot is empty", nil, list(other), profiles.NoEvidence, true, true},
		{"not there", doc, list(other), profiles.NoEvidence, true, true},
		{"nothing there", doc, list(), profiles.NoEvidence, true, true},
	} {
		level, missing, ok := appleFormat{}.Judge(id, tt.doc, tt.o)
		require.Equal(t, tt.ok, ok, tt.what)
		require.Equal(t, tt.level, level, tt.what)
		require.Equal(t, tt.missing, missing != "", "%s: %s", tt.what, missing)
	}
}

// TestWindowsFormatJudges what reading its nodes proves about a profile.
func TestWindowsFormatJudges(t *testing.T) {
	const camera, cortana = "./Device/Vendor/MSFT/Policy/Config/Camera/AllowCamera", "./Device/Vendor/MSFT/Policy/Config/Experience/AllowCortana"
	set := func(uri string) string {
		return `<Replace><Item><Target><LocURI>` + uri + `</LocURI></Target><Meta><Format xmlns="syncml:metinf">int</Format></Meta><Data>0</Data></Item></Replace>`
	}
	doc, err := windowsFormat{}.Parse([]byte(set(camera) + set(cortana)))
	require.NoError(t, err)
	require.Equal(t, profiles.ContentMatched, doc.Provable)
	require.Len(t, doc.Nodes, 2)
	read := func(uri string, status int, value string) mdm.Observed {
		return mdm.Observed{Identifier: uri, Status: status, Value: value, Format: "int"}
	}
	for _, tt := range []struct {
		what    string
		doc     *profiles.Document
		items   []mdm.Observed
		level   profiles.Evidence
		missing bool
		ok      bool
	}{
		{"both", doc, []mdm.Observed{read(camera, 200, "0"), read(cortana, 200, "0")}, profiles.ContentMatched, false, true},
		{"by another spelling", doc, []mdm.Observed{read("./Vendor/MSFT/Policy/Config/Camera/AllowCamera", 200, "0")}, profiles.ContentMatched, false, true},
		{"one differs", doc, []mdm.Observed{read(camera, 200, "0"), read(cortana, 200, "1")}, profiles.Accepted, true, true},
		{"one is not there", doc, []mdm.Observed{read(camera, 404, ""), read(cortana, 200, "0")}, profiles.Accepted, true, true},
		{"one cannot be read", doc, []mdm.Observed{read(camera, 405, ""), read(cortana, 200, "0")}, profiles.Accepted, false, true},
		{"nothing of it", doc, []mdm.Observed{read("./Device/Vendor/MSFT/Other", 200, "0")}, profiles.ContentMatched, false, false},
		{"nothing", doc, nil, profiles.ContentMatched, false, false},
		{"a removal", nil, []mdm.Observed{read(camera, 404, "")}, profiles.NoEvidence, false, false},
		{"a content that could not be parsed", &profiles.Document{}, []mdm.Observed{read(camera, 200, "0")}, profiles.NoEvidence, false, false},
	} {
		level, missing, ok := windowsFormat{}.Judge("", tt.doc, &mdm.Observation{Items: tt.items})
		require.Equal(t, tt.ok, ok, tt.what)
		require.Equal(t, tt.level, level, tt.what)
		require.Equal(t, tt.missing, missing != "", "%s: %s", tt.what, missing)
	}
}

// TestWindowsFormatConflicts tells values apart as Windows does.
func TestWindowsFormatConflicts(t *testing.T) {
	const uri = "./Device/Vendor/MSFT/Policy/Config/Camera/AllowCamera"
	doc := func(uri, format, value string) *profiles.Document {
		d, err := windowsFormat{}.Parse([]byte(`<Replace><Item><Target><LocURI>` + uri + `</LocURI></Target><Meta><Format xmlns="syncml:metinf">` +
			format + `</Format></Meta><Data>` + value + `</Data></Item></Replace>`))
		require.NoError(t, err)
		return d
	}
	a := doc(uri, "int", "1")
	require.Empty(t, windowsFormat{}.Conflicts(a, doc("./Vendor/MSFT/Policy/Config/camera/allowcamera", "int", " 01 ")))
	require.Empty(t, windowsFormat{}.Conflicts(a, doc("./Vendor/MSFT/Policy/Config/Experience/AllowCortana", "int", "0")))
	require.Equal(t, []profiles.Node{a.Nodes[0]}, windowsFormat{}.Conflicts(a, doc("./Vendor/MSFT/Policy/Config/Camera/AllowCamera", "int", "0")))
	require.Empty(t, windowsFormat{}.Conflicts(a, &profiles.Document{Unreadable: "lost"}))
}
