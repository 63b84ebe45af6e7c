package e2e

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	nanolog "github.com/micromdm/nanolib/log"
	"github.com/micromdm/nanomdm/cryptoutil"
	httpmdm "github.com/micromdm/nanomdm/http/mdm"
	nanomdm "github.com/micromdm/nanomdm/mdm"
	"github.com/micromdm/nanomdm/service/certauth"
	service "github.com/micromdm/nanomdm/service/nanomdm"
	"github.com/micromdm/nanomdm/test/enrollment"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/storage/inmem"
	"github.com/keelson-mdm/keelson/storage/nanostore"
)

// NanoMDM's HTTP handler and services over this library's store: a device enrolls,
// and gets a command. With sqlstore instead of inmem, it is a server.
func Example() {
	ctx := context.Background()
	store := inmem.New(nil)
	if err := store.Lifecycle().PutTenant(ctx, mdm.DefaultTenant); err != nil {
		log.Fatal(err)
	}
	key := make([]byte, 32) // under which secrets are sealed
	if _, err := rand.Read(key); err != nil {
		log.Fatal(err)
	}
	box, err := mdm.NewBox(mdm.LocalKeyring{Current: "1", Keys: map[string][]byte{"1": key}}, rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	storage, err := nanostore.New(nanostore.Config{Store: store, Box: box, Clock: mdm.SystemClock{}, Rand: rand.Reader})
	if err != nil {
		log.Fatal(err)
	}

	svc := certauth.New(service.New(storage), storage)
	handler := httpmdm.CertExtractMdmSignatureMiddleware(
		httpmdm.CheckinAndCommandHandler(svc, nanolog.NopLogger),
		httpmdm.MdmSignatureVerifierFunc(cryptoutil.VerifyMdmSignature))
	server := httptest.NewServer(handler)
	defer server.Close()

	device, err := enrollment.NewRandomDeviceEnrollment(http.DefaultClient, "com.example.topic", server.URL, "")
	if err != nil {
		log.Fatal(err)
	}
	if err := device.DoEnroll(ctx); err != nil {
		log.Fatal(err)
	}
	counts, err := store.Lifecycle().CountHosts(ctx, mdm.DefaultTenant)
	if err != nil {
		log.Fatal(err)
	}
	for _, states := range counts {
		fmt.Println("enrolled hosts:", states[mdm.HostEnrolled])
	}

	cmd := &nanomdm.Command{CommandUUID: "one", Raw: []byte("<plist/>")}
	cmd.Command.RequestType = "ProfileList"
	failed, err := storage.EnqueueCommand(ctx, []string{device.ID(), "nobody"}, cmd)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("not queued:", failed)
	next, err := storage.RetrieveNextCommand(device.NewMDMRequest(ctx), false)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("next:", next.CommandUUID, next.Command.RequestType)
	// Output:
	// enrolled hosts: 1
	// not queued: map[nobody:not_found (id): no such enrollment]
	// next: one ProfileList
}
