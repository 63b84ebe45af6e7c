package mdmtest

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// fakeTB is a test that may fail.
type fakeTB struct {
	testing.TB // nil; what is not overridden must not be called
	ctx        context.Context
	errors     []string
	fatal      string
	cleanups   []func()
}

func (f *fakeTB) Helper()                  {}
func (f *fakeTB) Context() context.Context { return f.ctx }
func (f *fakeTB) Cleanup(c func())         { f.cleanups = append(f.cleanups, c) }
func (f *fakeTB) Errorf(format string, args ...any) {
	f.errors = append(f.errors, fmt.Sprintf(format, args...))
}
func (f *fakeTB) Fatal(args ...any)                 { panic(fatal(fmt.Sprint(args...))) }
func (f *fakeTB) Fatalf(format string, args ...any) { panic(fatal(fmt.Sprintf(format, args...))) }

type fatal string

// run runs a test to its end, cleanups included.
func (f *fakeTB) run(body func()) {
	defer func() {
		for _, c := range f.cleanups {
			c()
		}
	}()
	defer func() {
		if p := recover(); p != nil {
			f.fatal = string(p.(fatal))
		}
	}()
	body()
}

func TestViolationsFailTheTest(t *testing.T) {
	s := newMDMServer(t)
	f := &fakeTB{ctx: t.Context()}
	f.run(func() {
		mac := Mac(f, s.URL+"/enroll", &AppleOptions{TrustLoopback: true, Keys: testKeys().Key}).Enroll()
		s.answer = func(w http.ResponseWriter, _ *http.Request, _ received) bool {
			w.Write([]byte("body"))
			return true
		}
		mac.TokenUpdate()
	})
	require.Empty(t, f.fatal)
	require.Len(t, f.errors, 1)
	require.Contains(t, f.errors[0], "TokenUpdate: a body of 4 bytes")
}

func TestErrorsEndTheTest(t *testing.T) {
	s := newMDMServer(t)
	for name, body := range map[string]func(*AppleDevice){
		"enroll":            func(d *AppleDevice) { d.Enroll() },
		"poll":              func(d *AppleDevice) { d.Poll() },
		"TokenUpdate":       func(d *AppleDevice) { d.TokenUpdate() },
		"CheckOut":          func(d *AppleDevice) { d.CheckOut() },
		"remove":            func(d *AppleDevice) { d.Remove() },
		"SetBootstrapToken": func(d *AppleDevice) { d.SetBootstrapToken(nil) },
		"GetBootstrapToken": func(d *AppleDevice) { d.GetBootstrapToken() },
	} {
		f := &fakeTB{ctx: t.Context()}
		f.run(func() { body(Mac(f, s.URL+"/nowhere")) })
		require.Contains(t, f.fatal, name)
		require.Empty(t, f.errors)
	}
}

func TestDeviceOptions(t *testing.T) {
	f := &fakeTB{ctx: t.Context()}
	f.run(func() { Mac(f, "", nil, nil) })
	require.Contains(t, f.fatal, "one at most")
	f = &fakeTB{ctx: t.Context()}
	f.run(func() { IPhone(f, "", &AppleOptions{Rand: strings.NewReader("")}) })
	require.Contains(t, f.fatal, "AppleOptions.Rand")
	require.False(t, IPhone(t, "https://mdm.example.com/enroll").opts.TrustLoopback)
	require.True(t, IPhone(t, "http://localhost:1/enroll").opts.TrustLoopback)
	require.False(t, IPhone(t, "http://localhost:1/enroll", nil).opts.TrustLoopback)
}
