package keelson

import (
	"bytes"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

// familyOf tells the family of an upload by how it begins.
func familyOf(content []byte) (profiles.Family, error) {
	head := bytes.TrimSpace(content[:min(len(content), 512)])
	switch {
	case bytes.HasPrefix(head, []byte("bplist")), len(head) > 0 && head[0] == 0x30, bytes.Contains(head, []byte("<plist")):
		return profiles.AppleProfile, nil
	case bytes.HasPrefix(head, []byte("<")):
		return profiles.WindowsProfile, nil
	}
	return "", mdm.Errorf(mdm.CodeInvalid, "content", "this is neither an Apple configuration profile nor a Windows profile (SyncML commands): say which family it is of to learn what is wrong with it")
}
