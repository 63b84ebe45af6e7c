package windows

import (
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/windows/syncml"
)

// observation is what the entry's questions brought; nil when it asked none. A
// read that was answered and whose value never came says nothing, and is left
// out.
func (e *entry) observation() *mdm.Observation {
	var o *mdm.Observation
	for i := range e.Targets {
		t := &e.Targets[i]
		if t.Kind != syncml.Get {
			continue
		}
		if o == nil {
			o = &mdm.Observation{}
		}
		if t.Code == 200 && !t.Got || t.More || t.Code == 0 {
			continue
		}
		o.Items = append(o.Items, mdm.Observed{Identifier: t.URI, Value: t.Value, Format: t.Format, Status: t.Code})
	}
	return o
}

// answer is the device's answer to the questions of an entry as SyncML, to be
// kept with its history; nil when it asked none.
func (e *entry) answer() []byte {
	results := syncml.Command{Kind: syncml.Results, CmdRef: "1", MsgRef: 1}
	var out []syncml.Command
	for i := range e.Targets {
		t := &e.Targets[i]
		if t.Kind != syncml.Get || t.Code < 100 {
			continue
		}
		out = append(out, syncml.Command{
			Kind: syncml.Status, MsgRef: 1, CmdRef: "1", Cmd: string(t.Kind), TargetRefs: []string{t.URI}, Code: t.Code, OriginalError: t.Error,
		})
		if t.Got && !t.More {
			results.Items = append(results.Items, syncml.Item{
				Source: syncml.Location{URI: t.URI}, Meta: syncml.Meta{Format: t.Format}, Data: t.Value, EmptyData: t.Value == "",
			})
		}
	}
	if len(out) == 0 {
		return nil
	}
	if len(results.Items) > 0 {
		out = append(out, results)
	}
	b, err := syncml.EncodeFragment(out)
	if err != nil {
		return nil // a value that XML cannot carry did not come in XML
	}
	return b
}
