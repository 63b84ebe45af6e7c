package main

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/mdm"
)

const (
	deviceCAFile = "device-ca.pem"
	keyringFile  = "storage.key"
)

// keys are what devices and database hang on. They are made at first start, before
// the database is.
type keys struct {
	cert *x509.Certificate // of the authority that issues device identities
	key  crypto.Signer
	ring mdm.Keyring
}

// loadKeys loads the keys. A database that was filled under keys which are gone is
// refused: other ones would know no device and read no secret in it.
func loadKeys(o *options, d dataDir) (k keys, err error) {
	filled, err := holdsData(o.db, d)
	if err != nil {
		return k, err
	}
	for name, loss := range map[string]string{
		deviceCAFile: "no device that has enrolled would be let in",
		keyringFile:  "the secrets in the database could not be read",
	} {
		if b, err := d.read(name); filled && err == nil && b == nil {
			return k, fmt.Errorf("%s is gone and the database is there: restore it from a backup, as without it %s", d.path(name), loss)
		}
	}
	if k.cert, k.key, err = d.authority(deviceCAFile, "Keelson device authority", &ca.RootOptions{SCEP: true}); err != nil {
		return k, err
	}
	k.ring, err = d.keyring()
	return k, err
}

// holdsData reports whether the database of -db is a file with something in it.
func holdsData(spec string, d dataDir) (bool, error) {
	path := d.path("keelson.db")
	if spec != "" {
		kind, rest, _ := strings.Cut(spec, ":")
		if kind != "sqlite" || rest == "" {
			return false, nil
		}
		path = rest
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return false, err
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && info.Size() > 0, err
}
