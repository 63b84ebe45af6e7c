package mdmtest

import (
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/micromdm/nanomdm/mdm"
	"github.com/stretchr/testify/require"
)

// schemaKey is one key of testdata/apple_schema.json, which was extracted from
// Apple's published schema.
type schemaKey struct {
	Key      string
	Type     string
	Required bool
	Range    []any
	Absent   []string          // platforms on whose device channel it does not exist
	Rights   map[string]string // the access right that it takes, by platform
	Sub      []schemaKey
}

type schemaMessage struct{ Request, Response []schemaKey }

type appleSchema struct {
	Messages map[string]schemaMessage
	Commands map[string]schemaMessage
	Payloads map[string][]schemaKey
}

func readSchema(t testing.TB) appleSchema {
	t.Helper()
	raw, err := os.ReadFile("testdata/apple_schema.json")
	require.NoError(t, err)
	var s appleSchema
	require.NoError(t, json.Unmarshal(raw, &s))
	require.Len(t, s.Messages, 5)
	require.Len(t, s.Commands, 7)
	return s
}

var platformOf = map[AppleKind]string{AppleMac: "macOS", AppleIPhone: "iOS"}

// conforms checks a dictionary against the keys of the schema.
func conforms(t *testing.T, where string, kind AppleKind, dict map[string]any, keys []schemaKey, alsoAllowed ...string) {
	t.Helper()
	platform := platformOf[kind]
	for _, k := range keys {
		v, present := dict[k.Key]
		switch {
		case slices.Contains(k.Absent, platform):
			require.False(t, present, "%s %s: %s does not exist on %s", kind, where, k.Key, platform)
			continue
		case k.Required && k.Key != "EnrollmentID": // of user enrollment only
			require.True(t, present, "%s %s: %s is required", kind, where, k.Key)
		}
		if !present || k.Type == "any" {
			continue
		}
		require.EqualValues(t, k.Type, kindOf(v), "%s %s: %s", kind, where, k.Key)
		if len(k.Range) > 0 && k.Type == "string" {
			require.Contains(t, k.Range, v)
		}
		switch {
		case k.Type == "dictionary" && len(k.Sub) > 0:
			conforms(t, where+"."+k.Key, kind, v.(map[string]any), k.Sub)
		case k.Type == "array" && len(k.Sub) == 1 && k.Sub[0].Type == "dictionary":
			for _, item := range v.([]any) {
				conforms(t, where+"."+k.Key, kind, item.(map[string]any), k.Sub[0].Sub)
			}
		}
	}
	for key := range dict {
		known := slices.ContainsFunc(keys, func(k schemaKey) bool { return k.Key == key })
		require.True(t, known || slices.Contains(alsoAllowed, key), "%s %s: %s is not in the schema", kind, where, key)
	}
}

// TestMessagesFollowTheSchema lets both kinds of device send everything that
// they can, and holds each message against Apple's schema.
func TestMessagesFollowTheSchema(t *testing.T) {
	schema := readSchema(t)
	for kind := range platformOf {
		t.Run(string(kind), func(t *testing.T) {
			s := newMDMServer(t)
			d := s.deviceWith(t, kind, &AppleOptions{AwaitingConfiguration: true})
			d.Enroll()
			if kind == AppleMac {
				d.SetBootstrapToken([]byte("x"))
				d.GetBootstrapToken()
			}
			types := make(map[string]string)
			add := func(requestType string, keys map[string]any) { types[s.enqueue(requestType, keys)] = requestType }
			var queries []any
			for _, k := range schema.Commands["DeviceInformation"].Request[0].Sub[0].Sub {
				queries = append(queries, k.Key)
			}
			require.Greater(t, len(queries), 60)
			add("DeviceConfigured", nil)
			add("InstallProfile", map[string]any{"Payload": marshal(t, simpleProfile("a"))})
			add("InstallProfile", map[string]any{"Payload": marshal(t, s.profile)})
			add("ProfileList", nil)
			add("DeviceInformation", map[string]any{"Queries": queries})
			lock := map[string]any{"PhoneNumber": "1"}
			if kind == AppleMac {
				lock["PIN"] = "123456"
			}
			add("DeviceLock", lock)
			add("RemoveProfile", map[string]any{"Identifier": "a"})
			add("EraseDevice", nil)
			require.Equal(t, 8, d.Poll())
			d.Enroll()
			d.CheckOut()

			sent := make(map[string]int)
			for _, m := range s.received {
				if name, ok := m.body["MessageType"].(string); ok {
					sent[name]++
					// Every message names the device, also where its page of the schema does not say so.
					conforms(t, name, kind, m.body, schema.Messages[name].Request, "UDID")
					_, err := mdm.DecodeCheckin(marshal(t, m.body)) // another reader of the protocol
					require.NoError(t, err)
					continue
				}
				results, err := mdm.DecodeCommandResults(marshal(t, m.body))
				require.NoError(t, err)
				require.Equal(t, d.UDID(), results.UDID)
				if uuid, ok := m.body["CommandUUID"].(string); ok {
					require.Equal(t, "Acknowledged", m.body["Status"], types[uuid])
					sent[types[uuid]]++
					conforms(t, types[uuid], kind, m.body, schema.Commands[types[uuid]].Response, "UDID", "Status", "CommandUUID")
				}
			}
			require.Equal(t, 3, sent["Authenticate"])
			for name := range schema.Commands {
				require.NotZero(t, sent[name], name)
			}
			for name := range schema.Messages {
				require.Equal(t, kind == AppleMac || name != "SetBootstrapToken" && name != "GetBootstrapToken", sent[name] > 0, name)
			}
		})
	}
}

// TestDeviceInformationFollowsTheSchema holds platforms and access rights of the
// queries against the schema.
func TestDeviceInformationFollowsTheSchema(t *testing.T) {
	schema := readSchema(t)
	rights := map[string]int64{
		"": 0, "AllowQueryDeviceInformation": rightDeviceInfo, "AllowQueryNetworkInformation": rightNetworkInfo, "AllowAppInstallation": rightApps,
	}
	queries := schema.Commands["DeviceInformation"].Request[0].Sub[0].Sub
	responses := schema.Commands["DeviceInformation"].Response[0].Sub
	for kind, platform := range platformOf {
		facts := NewApple(kind, "", nil).facts()
		require.Greater(t, len(facts), 25)
		for name, f := range facts {
			i := slices.IndexFunc(queries, func(k schemaKey) bool { return k.Key == name })
			require.GreaterOrEqual(t, i, 0, "%s is no query", name)
			require.NotContains(t, queries[i].Absent, platform, name)
			if right := rights[queries[i].Rights[platform]]; right != 0 {
				require.Equal(t, right, f.right, "%s on %s", name, platform)
			}
			j := slices.IndexFunc(responses, func(k schemaKey) bool { return k.Key == name })
			require.GreaterOrEqual(t, j, 0, "%s is no response", name)
			require.EqualValues(t, responses[j].Type, kindOf(f.value), "%s on %s", name, platform)
		}
	}
}

// TestKeyTablesAreTheSchema compares the tables that judge enrollment profiles
// with the schema, key by key.
func TestKeyTablesAreTheSchema(t *testing.T) {
	schema := readSchema(t)
	scep := schema.Payloads["com.apple.security.scep"]
	require.Equal(t, "PayloadContent", scep[0].Key)
	for name, c := range map[string]struct {
		table map[string]rule
		keys  []schemaKey
	}{
		"TopLevel":                {topLevelKeys, schema.Payloads["TopLevel"]},
		"Common":                  {commonKeys, schema.Payloads["Common"]},
		"com.apple.mdm":           {mdmKeys, schema.Payloads["com.apple.mdm"]},
		"com.apple.security.scep": {scepKeys, scep[0].Sub},
	} {
		want := make(map[string]rule)
		for _, k := range c.keys {
			want[k.Key] = rule{kind: kind(k.Type), required: k.Required}
		}
		if name == "TopLevel" { // needed only if IsEncrypted is not set, see configProfile.check
			want["PayloadContent"] = rule{kind: "array"}
		}
		require.Equal(t, want, c.table, name)
	}
}

// TestCommandTablesAreTheSchema compares the tables that judge commands with the
// schema, key by key.
func TestCommandTablesAreTheSchema(t *testing.T) {
	schema := readSchema(t)
	require.Len(t, commandSpecs, len(schema.Commands))
	for name, message := range schema.Commands {
		want := make(map[string]commandKey)
		for _, k := range message.Request {
			c := commandKey{rule: rule{kind: kind(k.Type), required: k.Required}}
			switch {
			case slices.Contains(k.Absent, "iOS"):
				c.on = AppleMac
			case slices.Contains(k.Absent, "macOS"):
				c.on = AppleIPhone
			}
			for _, v := range k.Range {
				c.among = append(c.among, v.(string))
			}
			want[k.Key] = c
		}
		got := commandSpecs[name].keys
		require.Equal(t, len(want), len(got), name)
		for key := range want {
			require.Equal(t, want[key], got[key], "%s %s", name, key)
		}
	}
}
