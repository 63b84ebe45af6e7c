package apple_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/keelson-mdm/keelson/apple"
	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
	"github.com/keelson-mdm/keelson/storage/inmem"
)

// An application mounts the handlers where it likes, and tells the server which
// URLs these are. The errors are left out for brevity.
func Example() {
	store := inmem.New(nil)
	_ = store.Lifecycle().PutTenant(context.Background(), mdm.DefaultTenant)
	cert, key, _ := ca.NewSelfSigned("Example", &ca.RootOptions{SCEP: true})
	authority, _ := ca.New(cert, key, nil)
	box, _ := mdm.NewBox(mdm.LocalKeyring{Current: "1", Keys: map[string][]byte{"1": bytes.Repeat([]byte{1}, 32)}}, rand.Reader)
	commands, _ := queue.New(queue.Config{Store: store.Queue(), Box: box, Clock: mdm.SystemClock{}, Rand: rand.Reader})
	identities, _ := identity.New(identity.Config{
		Store: store.Identity(), Transactor: store, CA: authority, Clock: mdm.SystemClock{}, Rand: rand.Reader,
	})

	server, err := apple.New(apple.Config{
		Store: store.Apple(), Transactor: store, Queue: commands, Identity: identities, Box: box, Clock: mdm.SystemClock{},
		Sink: deafSink{}, // the engines that take part in each unit of work
		URLs: func(mdm.TenantID) apple.URLs {
			return apple.URLs{
				CheckIn: "https://mdm.example.com/apple/checkin",
				Server:  "https://mdm.example.com/apple/commands",
				SCEP:    "https://mdm.example.com/scep",
			}
		},
		Topic: "com.apple.mgmt.External.00000000-0000-4000-8000-000000000000",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/apple/checkin", server.CheckIn(mdm.DefaultTenant))
	mux.Handle("/apple/commands", server.Commands(mdm.DefaultTenant))
	mux.Handle("/apple/enroll/{link}", server.Enroll(mdm.DefaultTenant, func(r *http.Request) string { return r.PathValue("link") }))

	_, link, _ := identities.CreateIntent(context.Background(), mdm.DefaultTenant, identity.IntentRequest{Person: "ada"})
	rec := httptest.NewRecorder()
	mux.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/apple/enroll/"+link, nil))
	fmt.Println(rec.Code, rec.Header().Get("Content-Type"))
	// Output: 200 application/x-apple-aspen-config
}
