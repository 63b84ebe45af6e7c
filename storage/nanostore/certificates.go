package nanostore

import (
	"context"
	"crypto/tls"

	"github.com/micromdm/nanomdm/cryptoutil"
	nanomdm "github.com/micromdm/nanomdm/mdm"

	"github.com/keelson-mdm/keelson/mdm"
)

func checkHash(hash string) error {
	if !plain(hash, maxText) {
		return mdm.Errorf(mdm.CodeInvalid, "hash", "a certificate's hash has 1 to %d bytes of text", maxText)
	}
	return nil
}

// found turns "there is none" into false.
func found(err error) (bool, error) {
	if missing(err) {
		return false, nil
	}
	return err == nil, err
}

// HasCertHash tells whether a hash was ever associated with a channel.
func (s *Storage) HasCertHash(r *nanomdm.Request, hash string) (bool, error) {
	if err := checkHash(hash); err != nil {
		return false, err
	}
	_, err := s.c.Store.Nano().ChannelOf(r.Context(), s.c.Tenant, hash)
	return found(err)
}

// EnrollmentHasCertHash tells whether any hash is associated with the channel.
func (s *Storage) EnrollmentHasCertHash(r *nanomdm.Request, _ string) (bool, error) {
	c, err := caller(r)
	if err != nil {
		return false, err
	}
	_, err = s.c.Store.Nano().HashOf(r.Context(), s.c.Tenant, c.natural)
	return found(err)
}

// IsCertHashAssociated tells whether it is this hash that is associated with the
// channel.
func (s *Storage) IsCertHashAssociated(r *nanomdm.Request, hash string) (bool, error) {
	c, err := caller(r)
	if err != nil {
		return false, err
	}
	is, err := s.c.Store.Nano().HashOf(r.Context(), s.c.Tenant, c.natural)
	ok, err := found(err)
	return ok && is == hash, err
}

// AssociateCertHash associates a hash with the channel, which need not be known.
func (s *Storage) AssociateCertHash(r *nanomdm.Request, hash string) error {
	c, err := caller(r)
	if err != nil {
		return err
	}
	if err := checkHash(hash); err != nil {
		return err
	}
	return s.in(r.Context(), func(ctx context.Context, tx mdm.Tx) error {
		return s.c.Store.Nano().Associate(ctx, tx, c.natural, hash, s.c.Clock.Now())
	})
}

// EnrollmentFromHash returns the channel that a hash was last associated with, and
// "" when there is none.
func (s *Storage) EnrollmentFromHash(ctx context.Context, hash string) (string, error) {
	n, err := s.c.Store.Nano().ChannelOf(ctx, s.c.Tenant, hash)
	if ok, err := found(err); !ok {
		return "", err
	}
	return id(n), nil
}

// pushTable is the logical table of sealed keys; part of the sealed format.
const pushTable = "nano_push_certificate"

// StorePushCert keeps a push certificate and its key, both as PEM. They must be a
// pair; the topic is in the certificate.
func (s *Storage) StorePushCert(ctx context.Context, pemCert, pemKey []byte) error {
	if _, err := tls.X509KeyPair(pemCert, pemKey); err != nil {
		return mdm.WrapError(mdm.CodeInvalid, "certificate", "the push certificate and its key are no pair", err)
	}
	topic, err := cryptoutil.TopicFromPEMCert(pemCert)
	if err == nil && !plain(topic, maxText) {
		err = mdm.Errorf(mdm.CodeInvalid, "topic", "has 1 to %d bytes of text", maxText)
	}
	if err != nil {
		return mdm.WrapError(mdm.CodeInvalid, "certificate", "the push certificate has no topic", err)
	}
	sealed, err := s.c.Box.Seal(s.c.Tenant, pushTable, topic, pemKey)
	if err != nil {
		return err
	}
	version, err := s.newID()
	if err != nil {
		return err
	}
	return s.in(ctx, func(ctx context.Context, tx mdm.Tx) error {
		return s.c.Store.Nano().PutPushCertificate(ctx, tx, PushCertificate{
			Topic: topic, Certificate: pemCert, Key: sealed, Version: version, At: s.c.Clock.Now(),
		})
	})
}

// RetrievePushCert returns the certificate of a topic, or a [mdm.CodeNotFound]
// error. The token turns stale when another one is stored.
func (s *Storage) RetrievePushCert(ctx context.Context, topic string) (cert *tls.Certificate, staleToken string, err error) {
	c, err := s.c.Store.Nano().PushCertificate(ctx, s.c.Tenant, topic)
	if err != nil {
		return nil, "", err
	}
	key, err := s.c.Box.Open(s.c.Tenant, pushTable, topic, c.Key)
	if err != nil {
		return nil, "", err
	}
	pair, err := tls.X509KeyPair(c.Certificate, key)
	if err != nil {
		return nil, "", mdm.WrapError(mdm.CodeInternal, "", "a stored push certificate cannot be read", err)
	}
	return &pair, c.Version, nil
}

// IsPushCertStale tells whether another certificate of the topic was stored since
// the token was returned. A topic without one is a [mdm.CodeNotFound] error.
func (s *Storage) IsPushCertStale(ctx context.Context, topic, staleToken string) (bool, error) {
	c, err := s.c.Store.Nano().PushCertificate(ctx, s.c.Tenant, topic)
	if err != nil {
		return false, err
	}
	return c.Version != staleToken, nil
}
