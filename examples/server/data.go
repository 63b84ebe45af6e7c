package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/keelson-mdm/keelson/mdm"
)

// minToken is the length that an administrator's token must have.
const minToken = 16

// dataDir is the directory of everything that is kept. Nobody else can read it.
type dataDir string

func openDataDir(path string) (dataDir, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return "", fmt.Errorf("make the data directory: %w", err)
	}
	return dataDir(abs), nil
}

func (d dataDir) path(name string) string { return filepath.Join(string(d), filepath.FromSlash(name)) }

// read returns a file, nil when there is none.
func (d dataDir) read(name string) ([]byte, error) {
	b, err := os.ReadFile(d.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

// write puts a file in place whole or not at all: a process that is killed in
// the middle leaves what was there before.
func (d dataDir) write(name string, content []byte) (err error) {
	target := d.path(name)
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(target), ".new-*") // of mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), target)
}

// once returns a file's content, which it makes and keeps if there is none.
func (d dataDir) once(name string, make func() ([]byte, error)) ([]byte, error) {
	b, err := d.read(name)
	if err != nil || b != nil {
		return b, err
	}
	if b, err = make(); err != nil {
		return nil, fmt.Errorf("make %s: %w", name, err)
	}
	if err := d.write(name, b); err != nil {
		return nil, fmt.Errorf("keep %s: %w", name, err)
	}
	return b, nil
}

// keyring is the key that seals secrets in the database.
func (d dataDir) keyring() (mdm.Keyring, error) {
	b, err := d.once(keyringFile, func() ([]byte, error) { return []byte(randomText() + "\n"), nil })
	if err != nil {
		return nil, err
	}
	key, err := base64.RawURLEncoding.DecodeString(strings.TrimSpace(string(b)))
	if err != nil || len(key) != 32 {
		return nil, fmt.Errorf("%s does not hold a key: restore it from a backup, as the secrets in the database cannot be read without it", d.path(keyringFile))
	}
	return mdm.LocalKeyring{Current: "1", Keys: map[string][]byte{"1": key}}, nil
}

// secret is a kept random text, such as the administrator's token.
func (d dataDir) secret(name string) (string, error) {
	b, err := d.once(name, func() ([]byte, error) { return []byte(randomText() + "\n"), nil })
	if err != nil {
		return "", err
	}
	s := strings.TrimSpace(string(b))
	if len(s) < minToken {
		return "", fmt.Errorf("%s is shorter than %d characters: delete it to have another one made", d.path(name), minToken)
	}
	return s, nil
}

// randomText is 32 random bytes as text.
func randomText() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}
