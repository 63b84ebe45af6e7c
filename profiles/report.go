package profiles

import (
	"context"
	"encoding/json"

	"github.com/keelson-mdm/keelson/mdm"
)

// ChangeKind is what an administrator did to a profile.
type ChangeKind string

// The kinds of change.
const (
	Created ChangeKind = "created"
	Updated ChangeKind = "updated"
	Deleted ChangeKind = "deleted"
)

// ChangedData is the data of [mdm.EventProfileChanged]: what was done, and the
// profile as it stands after it, or stood before it was deleted. Edit orders the
// events of one profile.
type ChangedData struct {
	Profile  mdm.ProfileID `json:"profile"`
	Change   ChangeKind    `json:"change"`
	Name     string        `json:"name"`
	Revision mdm.Revision  `json:"revision"`
	Edit     mdm.Edit      `json:"edit"`
}

// report tells the application of a profile that an administrator changed.
func (g *Engine) report(ctx context.Context, tx mdm.Tx, k ChangeKind, p *Profile, who mdm.Actor) error {
	if g.c.Report == nil {
		return nil
	}
	data, err := json.Marshal(ChangedData{Profile: p.ID, Change: k, Name: p.Name, Revision: p.Revision, Edit: p.Edit})
	if err != nil {
		return err
	}
	return g.c.Report(ctx, tx, mdm.Event{Kind: mdm.EventProfileChanged, At: g.c.Clock.Now(), Actor: who, Data: data})
}
