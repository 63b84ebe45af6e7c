package syncml

import "strings"

// Codes of alerts (OMA DM RepPro 1.2, alert codes; [MS-MDM] 2.2.7.2).
const (
	AlertServerInitiated = 1200
	AlertClientInitiated = 1201
	AlertNextMessage     = 1222
	AlertSessionAbort    = 1223
	AlertClientEvent     = 1224
	AlertNoEndOfData     = 1225
	AlertGeneric         = 1226
)

// Types (Meta Type) of items in client-event and generic alerts.
const (
	AlertTypeLoginStatus  = "com.microsoft/MDM/LoginStatus"
	AlertTypeAADUserToken = "com.microsoft/MDM/AADUserToken"
	AlertTypeSyncType     = "com.microsoft.mdm.synctype"
	AlertTypeUnenroll     = "com.microsoft:mdm.unenrollment.userrequest"
	AlertTypeMSIInstall   = "Reversed-Domain-Name:com.microsoft.mdm.win32csp_install"
)

// IsUnenroll reports whether an alert of this type says that the device is
// leaving: any type that contains "mdm.unenroll" or, as it is often quoted,
// "MDM/Unenroll", in either case of letters. It proves nothing outside an
// authenticated session.
func IsUnenroll(alertType string) bool {
	t := strings.ReplaceAll(strings.ToLower(alertType), "/", ".")
	return strings.Contains(t, "mdm.unenroll")
}

// Login says who is signed in at the device during a session.
type Login string

// The values of the login status alert.
const (
	LoginUnknown Login = ""       // the device did not say
	LoginUser    Login = "user"   // the enrolled user: ./User nodes work
	LoginOthers  Login = "others" // someone who is not enrolled
	LoginNone    Login = "none"   // nobody
)

// LoginStatus returns what the message says about who is signed in.
func LoginStatus(m *Message) Login {
	for i := range m.Commands {
		c := &m.Commands[i]
		if c.Kind != Alert || c.Code != AlertClientEvent {
			continue
		}
		for j := range c.Items {
			if !strings.EqualFold(c.Items[j].Meta.Type, AlertTypeLoginStatus) {
				continue
			}
			switch l := Login(strings.ToLower(strings.TrimSpace(c.Items[j].Data))); l {
			case LoginUser, LoginOthers, LoginNone:
				return l
			}
		}
	}
	return LoginUnknown
}
