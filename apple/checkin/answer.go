package checkin

import "github.com/keelson-mdm/keelson/internal/plist"

// EncodeBootstrapToken writes the answer to [GetBootstrapToken]. No token is
// answered with an empty body instead, and so is it here: nil.
func EncodeBootstrapToken(token []byte) ([]byte, error) {
	if len(token) == 0 {
		return nil, nil
	}
	return plist.Marshal(struct{ BootstrapToken []byte }{token})
}

// EncodeToken writes the answer to [GetToken].
func EncodeToken(data []byte) ([]byte, error) {
	return plist.Marshal(struct{ TokenData []byte }{data})
}
