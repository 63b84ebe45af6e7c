package mdmtest

import (
	"context"
	"fmt"
)

// pcExampleTB stands in for a test where there is none.
type pcExampleTB struct{ cleanup []func() }

func (*pcExampleTB) Helper()                           {}
func (*pcExampleTB) Context() context.Context          { return context.Background() }
func (e *pcExampleTB) Cleanup(f func())                { e.cleanup = append(e.cleanup, f) }
func (*pcExampleTB) Errorf(format string, args ...any) { fmt.Printf(format+"\n", args...) }
func (*pcExampleTB) Fatalf(format string, args ...any) { fmt.Printf(format+"\n", args...) }
func (*pcExampleTB) Logf(string, ...any)               {}
func (*pcExampleTB) FailNow()                          {}

func (e *pcExampleTB) done() {
	for _, f := range e.cleanup {
		f()
	}
}

// A program that is no test runs a PC by methods that return errors.
func ExampleNewPC() {
	var tb pcExampleTB
	defer tb.done()
	server := pcNewServer(&tb) // any server that speaks MS-MDE2
	server.queue(pcCmd("Replace", "1", "./Device/Vendor/MSFT/Policy/Config/Camera/AllowCamera", "int", "0"))

	ctx := context.Background()
	pc := NewPC(server.URL, "ada@example.com", "correct horse", &PCOptions{Name: "ADA-LAPTOP"})
	if err := pc.Enroll(ctx); err != nil {
		fmt.Println("enroll:", err)
		return
	}
	session, err := pc.Sync(ctx)
	if err != nil {
		fmt.Println("sync:", err)
		return
	}
	camera, _ := pc.Node("./Device/Vendor/MSFT/Policy/Result/Camera/AllowCamera")
	fmt.Println(pc.Name(), pc.State(), session.End, "camera:", camera.Value, "violations:", len(pc.Violations()))
	// Output: ADA-LAPTOP enrolled done camera: 0 violations: 0
}

// A reply is lost, and the PC repeats its message byte for byte: the server
// must answer as it did before, and the command is still executed once.
func ExamplePCDevice_LoseReply() {
	var tb pcExampleTB
	defer tb.done()
	server := pcNewServer(&tb)
	server.queue(pcCmd("Exec", "1", "./Device/Vendor/MSFT/Reboot/RebootNow", "null", ""))

	pc := PC(&tb, server.URL, "ada@example.com", "correct horse").Enroll()
	pc.LoseReply(1, PCRepeat)
	pc.Sync()
	for _, d := range pc.Deliveries() {
		fmt.Printf("%s %d lost: %t repeat: %t %q\n", d.Verb, d.Status, d.Lost, d.Repeat, d.Reason)
	}
	fmt.Println("reboots:", pc.Reboots(), "duplicates:", len(pc.Duplicates()))
	// Output:
	// Exec 0 lost: true repeat: false ""
	// Exec 200 lost: false repeat: true "the reply that first brought it was lost"
	// reboots: 1 duplicates: 0
}
