package windows_test

import (
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/windows"
	"github.com/keelson-mdm/keelson/windows/mde"
)

var bigOne = big.NewInt(1)

func TestConfig(t *testing.T) {
	var good windows.Config
	newWorld(t, func(c *windows.Config) { good = *c })
	for _, tt := range []struct {
		name   string
		change func(*windows.Config)
		field  string
	}{
		{"no store", func(c *windows.Config) { c.Store = nil }, "windows"},
		{"no sink", func(c *windows.Config) { c.Sink = nil }, "windows"},
		{"http", func(c *windows.Config) { c.URL = "http://mdm.example.com" }, "URL"},
		{"a path", func(c *windows.Config) { c.URL = "https://mdm.example.com/x" }, "URL"},
		{"no URL", func(c *windows.Config) { c.URL = "" }, "URL"},
		{"a provider with a space", func(c *windows.Config) { c.ProviderID = "My MDM" }, "ProviderID"},
		{"a name with a line feed", func(c *windows.Config) { c.Name = "A\nB" }, "Name"},
		{"a poll of half minutes", func(c *windows.Config) {
			p := mde.DefaultPoll()
			p.Interval = 90 * time.Second
			c.Poll = &p
		}, "Poll.Interval"},
		{"a renewal that begins too early", func(c *windows.Config) { c.Renewal = mde.Renewal{Days: 2000} }, "Renewal.Days"},
		{"a fault status", func(c *windows.Config) { c.FaultStatus = 401 }, "FaultStatus"},
		{"a negative batch", func(c *windows.Config) { c.BatchBytes = -1 }, "BatchCommands"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := good
			tt.change(&c)
			_, err := windows.New(c)
			var e *mdm.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, mdm.CodeInvalid, e.Code)
			require.Equal(t, tt.field, e.Field)
		})
	}
	good.URL = "https://mdm.example.com/"
	_, err := windows.New(good)
	require.NoError(t, err)
}
