package adminapi

import (
	"time"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

// What the document shows as examples.

const (
	exampleHostID    = "0199a1b2-3c4d-7e5f-8a6b-7c8d9e0f1a2b"
	exampleProfileID = "0199a1b2-4d5e-7f6a-9b7c-8d9e0f1a2b3c"
	exampleCommandID = "0199a1b2-5e6f-7a7b-8c8d-9e0f1a2b3c4d"
	exampleTeam      = "0199a1b2-6f7a-7b8c-9d9e-0f1a2b3c4d5e"
	exampleLabel     = "0199a1b2-7a8b-7c9d-8e0f-1a2b3c4d5e6f"
	exampleIntent    = "0199a1b2-8b9c-7d0e-9f1a-2b3c4d5e6f7a"
)

func exampleTime() time.Time { return time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC) }

func exampleHost() keelson.Host {
	return keelson.Host{
		ID: exampleHostID, ExternalID: "asset-1001", Platform: mdm.MacOS, Serial: "C02EXAMPLE01", Name: "Ada's Mac",
		Model: "Mac14,2", OSVersion: "15.4", Team: exampleTeam, State: mdm.HostEnrolled, CreatedAt: exampleTime(), LastSeenAt: exampleTime().Add(time.Hour),
	}
}

func exampleHostSummary() keelson.HostSummary {
	return keelson.HostSummary{Host: exampleHost(), Status: profiles.Verified, Counts: map[profiles.Status]int{profiles.Verified: 1}}
}

func exampleHostProfile() keelson.HostProfile {
	return keelson.HostProfile{
		Profile: exampleProfileID, Name: "Dock", Identifier: "com.example.dock", Status: profiles.Verified, Reason: profiles.ReasonProven,
		Evidence: profiles.VersionMatched, Revision: 1, Command: exampleCommandID, Since: exampleTime(),
	}
}

func exampleHostDetail() keelson.HostDetail {
	return keelson.HostDetail{
		Host: exampleHost(), Status: profiles.Verified, Profiles: []keelson.HostProfile{exampleHostProfile()},
		Enrollments: []keelson.HostEnrollment{{
			ID: exampleIntent, Protocol: mdm.AppleProtocol, Channel: mdm.DeviceChannel, State: mdm.EnrollmentEnrolled,
			Generation: 1, EnrolledAt: exampleTime(),
		}},
	}
}

func exampleExplanation() keelson.Explanation {
	return keelson.Explanation{
		Host: exampleHostID, Profile: exampleProfileID, Name: "Dock", Desired: true,
		Why: []keelson.Clause{
			{Condition: "team", Result: keelson.Yes}, {Condition: "platform", Result: keelson.Yes},
			{Condition: "include_all", Label: "Laptops", Result: keelson.Yes},
		},
		On: exampleHostProfile(), Next: "Nothing: this is how it should be.",
	}
}

func exampleCommand() keelson.Command {
	return keelson.Command{
		ID: exampleCommandID, Kind: mdm.KindDeviceInformation, Owner: mdm.OwnerApplication, Queued: exampleTime(),
		Actor:  mdm.Actor{Kind: "user", Name: "ada", Reason: "is it up to date?"},
		SentAt: exampleTime().Add(time.Second), Sent: 1, Outcome: mdm.OutcomeAcknowledged, EndedAt: exampleTime().Add(2 * time.Second),
	}
}

func exampleInstall() keelson.Command {
	c := exampleCommand()
	c.Kind, c.Owner = mdm.KindInstallProfile, mdm.OwnerProfiles
	c.Profile = &keelson.CommandProfile{Identifier: "com.example.dock", ID: exampleProfileID, Name: "Dock"}
	return c
}

func exampleProfile() keelson.Profile {
	return keelson.Profile{
		ID: exampleProfileID, Name: "Dock", Identifier: "com.example.dock", Family: profiles.AppleProfile, Team: exampleTeam,
		Scope: keelson.Scope{IncludeAll: []mdm.LabelID{exampleLabel}}, Revision: 1, Edit: 1, Size: 812,
		SHA256:    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
		CreatedAt: exampleTime(), UpdatedAt: exampleTime(), Actor: mdm.Actor{Kind: "user", Name: "ada", Reason: "larger icons"},
		Counts: map[profiles.Status]int{profiles.Verified: 1},
	}
}

func exampleUpload() profileWrite {
	return profileWrite{
		Name: "Lock screen", Identifier: "windows.lock-screen", Family: profiles.WindowsProfile,
		Scope: keelson.Scope{IncludeAll: []mdm.LabelID{exampleLabel}},
		Content: []byte(`<Replace><Item><Target><LocURI>./Device/Vendor/MSFT/Policy/Config/DeviceLock/MaxInactivityTimeDeviceLock</LocURI></Target>` +
			`<Meta><Format xmlns="syncml:metinf">int</Format></Meta><Data>15</Data></Item></Replace>`),
	}
}

func exampleLink() keelson.Link {
	return keelson.Link{ID: exampleIntent, URL: "https://mdm.example.com/mdm/v1/default/apple/enroll/…", ExpiresAt: exampleTime().AddDate(0, 0, 1)}
}

func exampleLinkSummary() keelson.LinkSummary {
	return keelson.LinkSummary{
		ID: exampleIntent, State: identity.IntentOpen, Kind: identity.KindNew, Way: identity.Manual, Platform: mdm.IPadOS, SerialCount: 20, Team: exampleTeam,
		Quota: 20, Used: 3, CreatedAt: exampleTime(), ExpiresAt: exampleTime().AddDate(0, 0, 1), Actor: mdm.Actor{Kind: "user", Name: "ada", Reason: "new iPads"},
	}
}

func exampleSummary() summary {
	return summary{
		Hosts: hostTotals{Total: 3, ByPlatform: map[mdm.Platform]map[mdm.HostState]int{
			mdm.MacOS: {mdm.HostEnrolled: 2}, mdm.Windows: {mdm.HostPending: 1},
		}},
		Profiles: profileTotals{Total: 1, ByStatus: map[profiles.Status]int{profiles.Verified: 1, profiles.Pending: 1}},
	}
}
