package e2e

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	nanoe2e "github.com/micromdm/nanomdm/test/e2e"
	"github.com/stretchr/testify/require"
)

// TestNanoMDM is NanoMDM's own suite: its handlers, services and API over this
// store. It opens its fixtures by paths from a folder of NanoMDM's.
func TestNanoMDM(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/micromdm/nanomdm").Output()
	require.NoError(t, err)
	t.Chdir(filepath.Join(strings.TrimSpace(string(dir)), "storage", "inmem"))
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			nanoe2e.TestE2E(t, context.Background(), newStorage(t, b.open(t)))
		})
	}
}
