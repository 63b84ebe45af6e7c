package mdmtest

import "context"

// pcUnenrollAlert is what Windows sends when a person disconnects, or the
// server's order to leave was carried out.
func pcUnenrollAlert() PCAlert {
	return PCAlert{Code: 1226, Type: "com.microsoft:mdm.unenrollment.userrequest", Format: "int", Mark: "critical", Data: "1"}
}

// Unenroll is a person who disconnects the PC: one session carries the alert,
// once, and whatever becomes of that session the PC is unenrolled. The error
// says that the server may not have learned of it.
func (d *PCDevice) Unenroll(ctx context.Context) error {
	done, err := d.begin(ctx)
	if err != nil {
		return d.leave(err)
	}
	defer done()
	_, err = d.session(ctx, []PCAlert{pcUnenrollAlert()})
	return d.leave(err)
}

// leave ends the enrollment on the PC's side.
func (d *PCDevice) leave(err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.state == PCEnrolled {
		d.state = PCUnenrolled
	}
	return err
}

// SendUnenrollAlert holds a session with the alert and leaves the PC enrolled:
// with [PCQuirks].NoCertificate or a stolen certificate, it is somebody else
// who would like this PC to be unenrolled.
func (d *PCDevice) SendUnenrollAlert(ctx context.Context) (*PCSession, error) {
	done, err := d.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	return d.session(ctx, []PCAlert{pcUnenrollAlert()})
}

// sayUnenrolled holds the one session that follows an order to leave.
func (d *PCDevice) sayUnenrolled(ctx context.Context) error {
	r, err := d.newRun([]PCAlert{pcUnenrollAlert()})
	if err != nil {
		return err
	}
	defer r.c.close()
	return r.loop(ctx)
}
