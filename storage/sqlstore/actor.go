package sqlstore

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"

	"github.com/keelson-mdm/keelson/mdm"
)

// actorColumn is an actor as columns keep it, as an argument and as what a row is
// scanned into: JSON, or empty for the zero actor, which most rows have.
type actorColumn struct{ *mdm.Actor }

// Value is for the driver.
func (a actorColumn) Value() (driver.Value, error) {
	if *a.Actor == (mdm.Actor{}) {
		return "", nil
	}
	b, err := json.Marshal(a.Actor)
	return string(b), err
}

// Scan reads what Value wrote, as the text or the bytes that drivers make of it.
func (a actorColumn) Scan(v any) error {
	*a.Actor = mdm.Actor{}
	var text []byte
	switch v := v.(type) {
	case string:
		text = []byte(v)
	case []byte:
		text = v
	default:
		return fmt.Errorf("an actor is text, not %T", v)
	}
	if len(text) == 0 {
		return nil
	}
	return json.Unmarshal(text, a.Actor)
}
