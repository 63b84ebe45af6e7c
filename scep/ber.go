package scep

import (
	"github.com/keelson-mdm/keelson/internal/ber"
	"github.com/keelson-mdm/keelson/mdm"
)

// toDER makes a message, or what is in one, safe to decode; see [ber.Definite].
func toDER(message []byte) ([]byte, error) {
	der, err := ber.Definite(message)
	return der, mdm.WrapError(mdm.CodeMalformed, "message", "not a CMS message", err)
}

func malformed(what string) error {
	return mdm.Errorf(mdm.CodeMalformed, "message", "not a CMS message: %s", what)
}
