package plist

import (
	"encoding/xml"
	"fmt"
	"strings"

	"github.com/keelson-mdm/keelson/mdm"
)

// syntaxError passes on what the XML decoder found wrong, and none of the
// document: in a broken one any value may stand where a name should.
func syntaxError(e *xml.SyntaxError) error {
	words := e.Msg
	if at := strings.IndexAny(words, ":<&\"'"); at >= 0 { // from here it quotes
		words = strings.TrimRight(words[:at], " ")
	}
	return &mdm.Error{Code: mdm.CodeMalformed, Message: atLine(e.Line, words)}
}

// tag quotes the name of an element, when it can be one and no value that stands
// in its place.
func tag(name string) string {
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') || len(name) > 40 {
			return "an element with an odd name"
		}
	}
	return "<" + name + ">"
}

func atLine(line int, what string) string {
	return fmt.Sprintf("this is not a well-formed property list: line %d: %s", line, what)
}
