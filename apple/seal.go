package apple

import (
	"strconv"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// Logical tables of sealed values; part of the sealed format.
const (
	pushTable  = "apple_push"
	tokenTable = "apple_token"
	asideTable = "apple_aside"
)

// Rows of the two sealed values in [pushTable].
func pushTokenRow(n mdm.Natural) string { return string(n) + "/token" }
func pushMagicRow(n mdm.Natural) string { return string(n) + "/magic" }

// SealPush makes the row that says how to wake a channel at a time. Whoever
// writes the room's rows beside the [Server] uses it, so that both can read them.
// No token is an empty one.
func SealPush(b *mdm.Box, t mdm.TenantID, e *mdm.Enrollment, topic string, token []byte, magic string, at time.Time) (Push, error) {
	if token == nil {
		token = []byte{}
	}
	sealedToken, err := b.Seal(t, pushTable, pushTokenRow(e.Natural), token)
	if err != nil {
		return Push{}, err
	}
	sealedMagic, err := b.Seal(t, pushTable, pushMagicRow(e.Natural), []byte(magic))
	if err != nil {
		return Push{}, err
	}
	return Push{Enrollment: e.Key, Topic: topic, Token: sealedToken, Magic: sealedMagic, At: at}, nil
}

// Open returns what [SealPush] sealed; Natural must be set, as stores set it.
func (p Push) Open(b *mdm.Box, t mdm.TenantID) (token []byte, magic string, err error) {
	if token, err = b.Open(t, pushTable, pushTokenRow(p.Natural), p.Token); err != nil {
		return nil, "", err
	}
	opened, err := b.Open(t, pushTable, pushMagicRow(p.Natural), p.Magic)
	return token, string(opened), err
}

// tokenRow names a token's place: the channel, its life and the kind.
func tokenRow(e *mdm.Enrollment, k TokenKind) string {
	return string(e.Natural) + "/" + strconv.FormatInt(int64(e.Generation), 10) + "/" + string(k)
}

// SealToken makes the row of a token that the channel's current life escrowed.
func SealToken(b *mdm.Box, t mdm.TenantID, e *mdm.Enrollment, k TokenKind, value []byte, at time.Time) (Token, error) {
	sealed, err := b.Seal(t, tokenTable, tokenRow(e, k), value)
	if err != nil {
		return Token{}, err
	}
	return Token{Enrollment: e.Key, Kind: k, Generation: e.Generation, Sealed: sealed, At: at}, nil
}

// Open returns what [SealToken] sealed for the same life of the channel.
func (k Token) Open(b *mdm.Box, t mdm.TenantID, e *mdm.Enrollment) ([]byte, error) {
	return b.Open(t, tokenTable, tokenRow(e, k.Kind), k.Sealed)
}

// SealAside makes the row of an answer that is put aside, and why.
func SealAside(b *mdm.Box, t mdm.TenantID, e *mdm.Enrollment, why string, answer []byte, at time.Time) (Aside, error) {
	sealed, err := b.Seal(t, asideTable, string(e.Natural), answer)
	if err != nil {
		return Aside{}, err
	}
	return Aside{Enrollment: e.Key, Why: why, Sealed: sealed, At: at}, nil
}
