package syncml

import (
	"encoding/xml"
	"testing"

	"github.com/stretchr/testify/require"
)

// The plain structs that one would write for encoding/xml. They lose the order
// of commands, and are here only to compare with.
type plainMessage struct {
	XMLName xml.Name    `xml:"SYNCML:SYNCML1.2 SyncML"`
	Header  plainHeader `xml:"SyncHdr"`
	Body    struct {
		Status  []plainCommand `xml:"Status"`
		Replace []plainCommand `xml:"Replace"`
		Get     []plainCommand `xml:"Get"`
		Final   *struct{}      `xml:"Final"`
	} `xml:"SyncBody"`
}

type plainHeader struct {
	VerDTD, VerProto, SessionID, MsgID string
	Target                             string `xml:"Target>LocURI"`
	Source                             string `xml:"Source>LocURI"`
}

type plainCommand struct {
	CmdID  string
	MsgRef string `xml:",omitempty"`
	CmdRef string `xml:",omitempty"`
	Cmd    string `xml:",omitempty"`
	Data   string `xml:",omitempty"`
	Items  []struct {
		Target string `xml:"Target>LocURI"`
		Format string `xml:"Meta>Format,omitempty"`
		Type   string `xml:"Meta>Type,omitempty"`
		Data   string `xml:",omitempty"`
	} `xml:"Item"`
}

func BenchmarkDecode(b *testing.B) {
	body, err := Encode(sampleBatch())
	require.NoError(b, err)
	b.Run("syncml", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := Decode(body, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding_xml", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			var m plainMessage
			if err := xml.Unmarshal(body, &m); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	m := sampleBatch()
	body, err := Encode(m)
	require.NoError(b, err)
	b.Run("syncml", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := Encode(m); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding_xml", func(b *testing.B) {
		var plain plainMessage
		require.NoError(b, xml.Unmarshal(body, &plain))
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := xml.Marshal(&plain); err != nil {
				b.Fatal(err)
			}
		}
	})
}
