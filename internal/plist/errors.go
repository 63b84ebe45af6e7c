package plist

import (
	"encoding/xml"
	"fmt"

	"github.com/keelson-mdm/keelson/mdm"
)

// syntaxError passes on what the XML decoder found wrong. Its texts name
// elements and entities and quote no values; a long one is a long name.
func syntaxError(e *xml.SyntaxError) error {
	return &mdm.Error{Code: mdm.CodeMalformed, Message: atLine(e.Line, fmt.Sprintf("%.120s", e.Msg))}
}

func atLine(line int, what string) string {
	return fmt.Sprintf("this is not a well-formed property list: line %d: %s", line, what)
}
