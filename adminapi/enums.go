package adminapi

import (
	"fmt"
	"reflect"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
	"github.com/keelson-mdm/keelson/queue"
)

// enums are the values of the types that have a fixed set: strings, and numbers
// that go by words.
func enums() map[reflect.Type][]string {
	m := make(map[reflect.Type][]string)
	enum(m, mdm.MacOS, mdm.IOS, mdm.IPadOS, mdm.TVOS, mdm.Windows)
	enum(m, mdm.HostPending, mdm.HostAuthenticating, mdm.HostEnrolled, mdm.HostUnenrolled, mdm.HostDeleted)
	enum(m, mdm.AppleProtocol, mdm.WindowsProtocol)
	enum(m, mdm.DeviceChannel, mdm.UserChannel)
	enum(m, mdm.EnrollmentAuthenticating, mdm.EnrollmentEnrolled, mdm.EnrollmentEnded)
	enum(m, mdm.OwnerApplication, mdm.OwnerProfiles, mdm.OwnerLifecycle, mdm.OwnerIdentity)
	enum(m, mdm.Repeatable, mdm.Frozen, mdm.Once)
	enum(m, mdm.OutcomeAcknowledged, mdm.OutcomeAccepted, mdm.OutcomeError, mdm.OutcomeMalformed, mdm.OutcomeUnrenderable,
		mdm.OutcomeUndecodable, mdm.OutcomeCanceled, mdm.OutcomeExpired, mdm.OutcomeUnknown, mdm.OutcomeSuperseded)
	enum(m, profiles.AppleProfile, profiles.WindowsProfile)
	enum(m, profiles.Install, profiles.Remove)
	enum(m, profiles.Pending, profiles.Verifying, profiles.Verified, profiles.Unprovable, profiles.Failed, profiles.Removing, profiles.RemovalFailed)
	enum(m, profiles.ReasonNotPlanned, profiles.ReasonQueued, profiles.ReasonRetryLater, profiles.ReasonUnobserved, profiles.ReasonProven,
		profiles.ReasonUnreadable, profiles.ReasonSameUUID, profiles.ReasonRefused, profiles.ReasonMissing, profiles.ReasonHeld, profiles.ReasonOverridden, profiles.ReasonLost,
		profiles.ReasonNotDesired, profiles.ReasonNotEnrolled)
	words(m, profiles.NoEvidence, profiles.Accepted, profiles.Present, profiles.VersionMatched, profiles.ContentMatched, profiles.Effective)
	enum(m, identity.KindNew, identity.KindRenewal, identity.KindMigration)
	enum(m, identity.Manual, identity.OnPremise, identity.ADE)
	enum(m, identity.IntentOpen, identity.IntentWithdrawn, identity.IntentUsedUp, identity.IntentExpired)
	enum(m, queue.Canceled, queue.TooLate, queue.Ended)
	enum(m, keelson.No, keelson.Yes, keelson.Unknown)
	enum(m, mdm.CodeInvalid, mdm.CodeMalformed, mdm.CodeTooLarge, mdm.CodeUnsupported, mdm.CodeNotFound, mdm.CodeConflict,
		mdm.CodeUnauthenticated, mdm.CodeForbidden, mdm.CodeIdentity, mdm.CodeChallenge, mdm.CodeNotAdmitted, mdm.CodeTooLate,
		mdm.CodeUnresolved, mdm.CodeUnavailable, mdm.CodeBusy, mdm.CodeInternal, mdm.CodePrecondition, mdm.CodeKeyReused, CodeMethod)
	return m
}

func enum[T ~string](m map[reflect.Type][]string, values ...T) {
	for _, v := range values {
		m[reflect.TypeFor[T]()] = append(m[reflect.TypeFor[T]()], string(v))
	}
}

// words is enum for a number whose words String returns.
func words[T fmt.Stringer](m map[reflect.Type][]string, values ...T) {
	for _, v := range values {
		m[reflect.TypeFor[T]()] = append(m[reflect.TypeFor[T]()], v.String())
	}
}

// enumOf are the values of one type.
func enumOf[T ~string]() []string { return enums()[reflect.TypeFor[T]()] }

// blanks are the fields of answers whose enum may be empty.
func blanks() map[string]bool {
	return map[string]bool{
		"Host.platform":      true, // made beforehand, and never said
		"HostDetail.status":  true, // nothing to carry
		"HostSummary.status": true,
		"HostProfile.status": true, // not desired and not there
		"HostProfile.reason": true,
	}
}

// abouts describe types and fields that do not describe themselves.
func abouts() map[string]string {
	return map[string]string{
		"Host.external_id":              "The application's own key.",
		"Host.platform":                 "Empty when the application made the host and did not say.",
		"Host.team":                     "Absent: no team.",
		"HostDetail.status":             "The worst of the profiles'; empty without profiles.",
		"HostSummary.status":            "The worst of its profiles'; empty without profiles.",
		"HostSummary.counts":            "Its profiles by status; absent without profiles.",
		"HostProfile.profile":           "Absent when the definition is gone and the profile is being removed.",
		"HostProfile.status":            "Empty when the host neither should have nor has it.",
		"HostProfile.evidence":          "How far it is proven that the device carries it, from none to effective.",
		"HostProfile.since":             "When the current instruction was given.",
		"Command.profile":               "Of the profiles engine's commands, questions aside.",
		"CommandProfile":                "The profile that gave the current instruction; of an earlier command, the one that has its identifier now and existed then.",
		"CommandProfile.id":             "Absent when the profile is deleted, or when it cannot be told from those of several teams.",
		"CommandProfile.identifier":     "That the device knows it by.",
		"CommandProfile.deleted":        "No profile has the identifier any more.",
		"Command.outcome":               "Absent while it waits.",
		"Command.not_now_at":            "When the device last said that it cannot now.",
		"Command.sent":                  "How often it has left.",
		"Profile.revision":              "Counts contents, from 1.",
		"Profile.counts":                "Hosts by status; in lists and single reads.",
		"Profile.warnings":              "For the person who uploads.",
		"Profile.size":                  "Bytes.",
		"Scope":                         "Which hosts of the team a profile reaches: those with all of include_all, any of include_any and none of exclude_any. Empty lists do not narrow.",
		"Label.default":                 "The membership of hosts that were never spoken of.",
		"Link.url":                      "Where the device downloads its enrollment profile. It holds a secret and cannot be had again.",
		"Problem":                       "RFC 9457.",
		"Problem.code":                  "What programs look at; stable.",
		"Problem.field":                 "The path of the input that is wrong, or a header's or parameter's name.",
		"Problem.answer":                "Of a command that could not be taken back: too_late when it has left, ended when it had ended.",
		"HostList.next":                 "The cursor of the next page; absent at the end.",
		"CommandList.next":              "The cursor of the next page; absent at the end.",
		"ProfileHostList.next":          "The cursor of the next page; absent at the end. A page may be short, or empty, though there are more.",
		"HostWrite.team":                "Of a host that is new; an existing one stays where it is.",
		"HostTeam.team":                 "Empty: no team.",
		"CommandWrite.kind":             "DeviceInformation (content: the queries, one a line), Raw (a property list with a RequestType) or SyncML (commands without CmdIDs).",
		"CommandWrite.content":          "At most 4 MiB, and what the body's bound leaves.",
		"CommandWrite.resource":         "Commands with the same key keep their order, whatever the device puts off.",
		"CommandWrite.supersede":        "Takes back commands with the same key that have not left.",
		"CommandWrite.redelivery":       "What may happen when a reply was lost; repeatable when absent. once needs expires.",
		"ProfileWrite.name":             "Empty or absent takes the content's own.",
		"ProfileWrite.identifier":       "Of a Windows profile; empty or absent is made from the name.",
		"ProfileWrite.family":           "Told from the content when absent.",
		"ProfileWrite.team":             "Empty: no team.",
		"ProfileWrite.content":          "Delivered byte for byte; at most 1 MiB.",
		"ProfileContent.content":        "Delivered byte for byte; at most 1 MiB.",
		"LinkList.next":                 "The cursor of the next page; absent at the end.",
		"LinkSummary.platform":          "Absent: any that Apple makes.",
		"LinkSummary.serial_count":      "How many serial numbers it is limited to; absent: it is not.",
		"LinkSummary.hardware_id_count": "How many hardware ids it is limited to; absent: it is not.",
		"LinkSummary.team":              "Of new hosts. Absent: no team.",
		"LinkSummary.quota":             "How many devices it lets in.",
		"LinkSummary.used":              "How many devices have come by it.",
		"LinkSummary.actor":             "Who made it, and why.",
		"LinkWrite.platform":            "Absent: any that Apple makes.",
		"LinkWrite.quota":               "How many devices it lets in; 1 when absent.",
		"LinkWrite.lifetime_seconds":    "Seven days when absent.",
		"HostTotals.by_platform":        "Hosts by platform (unknown when nobody said) and state, without deleted ones.",
		"ProfileTotals.by_status":       "Pairs of a host and a profile, by status.",
		"Command.actor":                 "Who had it queued, and why; absent for the engines' own.",
		"Profile.actor":                 "Who changed it last, and why.",
		"Profile.edit":                  "Counts changes of any kind, from 1. In quotes it is the ETag.",
	}
}
