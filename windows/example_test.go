package windows_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/lifecycle"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
	"github.com/keelson-mdm/keelson/storage/inmem"
	"github.com/keelson-mdm/keelson/windows"
)

// sinkOf hands what devices do to lifecycle, and results to nobody. A server with
// engines of its own routes them here.
type sinkOf struct{ life *lifecycle.Service }

func (s sinkOf) Signal(ctx context.Context, tx mdm.Tx, g mdm.Signal) error {
	_, err := s.life.Apply(ctx, tx, g)
	return err
}

func (sinkOf) Result(context.Context, mdm.Tx, mdm.Result) error { return nil }

// The handlers have no routes of their own: an application gives them the paths
// that devices are told, below its URL, and the one path that Windows fixes.
func Example() {
	ctx := context.Background()
	store := inmem.New(nil)
	must(store.Lifecycle().PutTenant(ctx, mdm.DefaultTenant))
	root, key, err := ca.NewSelfSigned("Example Corp. device CA", &ca.RootOptions{Key: ca.P256})
	must(err)
	authority, err := ca.New(root, key, nil)
	must(err)
	box, err := mdm.NewBox(mdm.LocalKeyring{Current: "2026", Keys: map[string][]byte{"2026": make([]byte, 32)}}, rand.Reader)
	must(err)
	clock := mdm.SystemClock{}
	commands, err := queue.New(queue.Config{Store: store.Queue(), Box: box, Clock: clock, Rand: rand.Reader})
	must(err)
	who, err := identity.New(identity.Config{Store: store.Identity(), Transactor: store, CA: authority, Clock: clock, Rand: rand.Reader})
	must(err)
	life, err := lifecycle.New(lifecycle.Config{Store: store.Lifecycle(), Transactor: store, Clock: clock, Rand: rand.Reader})
	must(err)

	s, err := windows.New(windows.Config{
		URL: "https://mdm.example.com", Store: store.Windows(), Transactor: store, Queue: commands, Identity: who,
		Sink: sinkOf{life}, Box: box, CA: authority, Clock: clock, Rand: rand.Reader,
	})
	must(err)
	mux := http.NewServeMux()
	mux.Handle("/EnrollmentServer/Discovery.svc", s.Discovery(mdm.DefaultTenant))
	mux.Handle("POST /mdm/v1/default/windows/policy", s.Policy(mdm.DefaultTenant))
	mux.Handle("POST /mdm/v1/default/windows/enroll", s.Enroll(mdm.DefaultTenant))
	mux.Handle("POST /mdm/v1/default/windows/manage", s.Manage(mdm.DefaultTenant))

	// Windows probes before it asks. A session without a certificate gets nothing.
	for _, r := range []*http.Request{
		httptest.NewRequest(http.MethodGet, "/EnrollmentServer/Discovery.svc", nil),
		httptest.NewRequest(http.MethodPost, "/mdm/v1/default/windows/manage", nil),
	} {
		rec := httptest.NewRecorder()
		mux.ServeHTTP(rec, r)
		fmt.Println(r.URL.Path, rec.Code)
	}
	// Output:
	// /EnrollmentServer/Discovery.svc 200
	// /mdm/v1/default/windows/manage 400
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
