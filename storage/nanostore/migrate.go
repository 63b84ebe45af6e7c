package nanostore

import (
	"context"

	nanomdm "github.com/micromdm/nanomdm/mdm"

	"github.com/keelson-mdm/keelson/internal/plist"
	"github.com/keelson-mdm/keelson/mdm"
)

// page is how many devices are read at once.
const page = 100

// RetrieveMigrationCheckins sends what makes another server know the enrolled
// devices: of each its Authenticate and TokenUpdate, its bootstrap token when it
// has escrowed one, and then what its enrolled users sent. It ends when ctx does.
// A TokenUpdate is sent as it came: an unlock token that only an earlier one had
// is not in it.
func (s *Storage) RetrieveMigrationCheckins(ctx context.Context, out chan<- interface{}) error {
	for after := mdm.EnrollmentKey(0); ; {
		ds, err := s.c.Store.Nano().Devices(ctx, s.c.Tenant, after, page)
		if err != nil || len(ds) == 0 {
			return err
		}
		for _, d := range ds {
			if err := s.sendDevice(ctx, out, &d); err != nil {
				return err
			}
			after = d.Life.Key
		}
	}
}

func (s *Storage) sendDevice(ctx context.Context, out chan<- interface{}, d *Device) error {
	if err := s.send(ctx, out, &d.Life, Authenticate, TokenUpdate); err != nil {
		return err
	}
	token, err := s.bootstrapToken(ctx, &d.Life)
	if err != nil {
		return err
	}
	if token != nil {
		m, err := setBootstrapToken(d, token)
		if err != nil {
			return err
		}
		if err := emit(ctx, out, m); err != nil {
			return err
		}
	}
	all, err := s.c.Store.Lifecycle().Enrollments(ctx, s.c.Tenant, d.Life.Host)
	if err != nil {
		return err
	}
	for _, u := range all {
		if u.Parent != d.Life.Key || u.State != mdm.EnrollmentEnrolled {
			continue
		}
		if err := s.send(ctx, out, &u, UserAuthenticate, UserAuthenticateDigest, TokenUpdate); err != nil {
			return err
		}
	}
	return nil
}

// send sends messages of a channel, those that it has, in that order.
func (s *Storage) send(ctx context.Context, out chan<- interface{}, e *mdm.Enrollment, kinds ...Kind) error {
	ms, err := s.c.Store.Nano().Messages(ctx, s.c.Tenant, e.Key)
	if err != nil {
		return err
	}
	have := make(map[Kind]Message, len(ms))
	for _, m := range ms {
		have[m.Kind] = m
	}
	for _, k := range kinds {
		m, ok := have[k]
		if !ok {
			continue
		}
		raw, err := s.c.Box.Open(s.c.Tenant, messageTable, messageRow(e.Natural, k), m.Sealed)
		if err != nil {
			return err
		}
		decoded, err := nanomdm.DecodeCheckin(raw)
		if err != nil {
			// The error has the message in it, and with it secrets.
			return mdm.Errorf(mdm.CodeInternal, "", "the %s of %s cannot be decoded", k, id(e.Natural))
		}
		if err := emit(ctx, out, decoded); err != nil {
			return err
		}
	}
	return nil
}

func emit(ctx context.Context, out chan<- interface{}, m any) error {
	select {
	case out <- m:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// setBootstrapToken is the message with which the device would escrow its token.
func setBootstrapToken(d *Device, token []byte) (*nanomdm.SetBootstrapToken, error) {
	m := &nanomdm.SetBootstrapToken{
		MessageType:    nanomdm.MessageType{MessageType: "SetBootstrapToken"},
		BootstrapToken: nanomdm.BootstrapToken{BootstrapToken: token},
	}
	if d.Type == nanomdm.UserEnrollmentDevice {
		m.EnrollmentID = id(d.Life.Natural)
	} else {
		m.UDID = id(d.Life.Natural)
	}
	var err error
	m.Raw, err = plist.Marshal(m)
	return m, err
}
