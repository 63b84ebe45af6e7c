package mdmtest

import "slices"

// pcVerbs is a set of commands that a node takes.
type pcVerbs uint8

const (
	pcAdd pcVerbs = 1 << iota
	pcGet
	pcReplace
	pcDelete
	pcExec

	pcAll = pcAdd | pcGet | pcReplace | pcDelete
)

// pcVerb returns the set of the one command of that name, zero for others.
func pcVerb(name string) pcVerbs {
	switch name {
	case "Add":
		return pcAdd
	case "Get":
		return pcGet
	case "Replace":
		return pcReplace
	case "Delete":
		return pcDelete
	case "Exec":
		return pcExec
	}
	return 0
}

// pcClass says what the nodes of one pattern do.
type pcClass struct {
	pattern string // "*" is any one segment, a final "**" any rest
	verbs   pcVerbs
	strict  bool // Replace does not create
	redact  bool // secrets inside the value are blanked on Get
}

// pcClasses are the classes below ./Device/Vendor/MSFT and ./User/Vendor/MSFT;
// the first match counts. From Microsoft's CSP reference: what has no Get there
// is write-only here.
var pcClasses = []pcClass{
	{pattern: "Policy/Result/**", verbs: pcGet},
	{pattern: "Policy/**", verbs: pcAll},
	{pattern: "RemoteWipe/doWipe", verbs: pcExec | pcGet},
	{pattern: "RemoteWipe/doWipeProtected", verbs: pcExec | pcGet},
	{pattern: "RemoteWipe/doWipePersistUserData", verbs: pcExec | pcGet},
	{pattern: "RemoteWipe/doWipePersistProvisionedData", verbs: pcExec | pcGet},
	{pattern: "RemoteWipe/AutomaticRedeployment/doAutomaticRedeployment", verbs: pcExec | pcGet},
	{pattern: "RemoteWipe/**", verbs: pcGet},
	{pattern: "Reboot/RebootNow", verbs: pcExec | pcGet},
	{pattern: "RemoteLock/Lock", verbs: pcExec | pcGet},
	{pattern: "RemoteLock/**", verbs: pcGet},
	{pattern: "DMClient/Unenroll", verbs: pcExec | pcGet},
	{pattern: "DMClient/Provider/*/Unenroll", verbs: pcExec | pcGet},
	{pattern: "DMClient/Provider/*/EntDMID", verbs: pcGet | pcReplace},
	{pattern: "DMClient/Provider/*/HWDevID", verbs: pcGet},
	{pattern: "DMClient/Provider/*/Push/ChannelURI", verbs: pcGet},
	{pattern: "DMClient/Provider/*/Push/Status", verbs: pcGet},
	{pattern: "BitLocker/Status/**", verbs: pcGet},
	{pattern: "BitLocker/RotateRecoveryPasswords", verbs: pcExec},
	{pattern: "DeviceStatus/**", verbs: pcGet},
	{pattern: "DeviceManageability/**", verbs: pcGet},
	{pattern: "Win32AppInventory/**", verbs: pcGet},
	{pattern: "WiFi/Profile/*/WlanXml", verbs: pcAll, redact: true},
	{pattern: "VPNv2/*/NativeProfile/L2tpPsk", verbs: pcAdd | pcReplace | pcDelete},
	{pattern: "VPNv2/*/ProfileXML", verbs: pcAll, redact: true},
	{pattern: "EnterpriseDesktopAppManagement/MSI/*/DownloadInstall", verbs: pcAdd | pcGet | pcExec | pcDelete, strict: true},
	{pattern: "EnterpriseDesktopAppManagement/MSI/*", verbs: pcGet | pcDelete, strict: true},
	{pattern: "EnterpriseDesktopAppManagement/**", verbs: pcGet, strict: true},
	{pattern: "ClientCertificateInstall/PFXCertInstall/*/PFXCertPassword", verbs: pcAdd | pcReplace | pcDelete, strict: true},
	{pattern: "ClientCertificateInstall/SCEP/*/Install/Challenge", verbs: pcAdd | pcReplace | pcDelete, strict: true},
	{pattern: "ClientCertificateInstall/SCEP/*/Install/Enroll", verbs: pcExec},
	{pattern: "ClientCertificateInstall/**", verbs: pcAll, strict: true},
	{pattern: "Accounts/Users/*/Password", verbs: pcAdd, strict: true},
	{pattern: "Accounts/**", verbs: pcAdd | pcGet | pcDelete, strict: true},
	{pattern: "CertificateStore/My/WSTEP/Renew/RenewNow", verbs: pcExec | pcGet},
	{pattern: "CertificateStore/My/WSTEP/Renew/Status", verbs: pcGet},
	{pattern: "CertificateStore/My/WSTEP/Renew/ErrorCode", verbs: pcGet},
	{pattern: "LAPS/Actions/ResetPassword", verbs: pcExec | pcGet},
	{pattern: "LAPS/Actions/ResetPasswordStatus", verbs: pcGet},
	{pattern: "Defender/Health/**", verbs: pcGet},
	{pattern: "Defender/Scan", verbs: pcExec | pcGet},
	{pattern: "Defender/UpdateSignature", verbs: pcExec | pcGet},
	{pattern: "DiagnosticLog/**", verbs: pcAll | pcExec},
	{pattern: "**", verbs: pcAll},
}

// pcRootClasses are the classes of what is not a vendor CSP.
var pcRootClasses = []pcClass{
	{pattern: "SyncML/DMAcc/*/AppAuth/*/AAuthSecret", verbs: pcAdd | pcReplace, strict: true},
	{pattern: "SyncML/DMAcc/*/AppAuth/*/AAuthData", verbs: pcAdd | pcReplace, strict: true},
	{pattern: "SyncML/DMAcc/**", verbs: pcAdd | pcGet | pcReplace, strict: true},
	{pattern: "**", verbs: pcGet}, // DevInfo, DevDetail and every interior node
}

// pcDeviceCSPs are the names below ./Device/Vendor/MSFT on Windows 11, from the
// CSP versions that build 26200 reports and the CSP reference.
var pcDeviceCSPs = []string{
	"Accounts", "ActiveSync", "AgentGovernance", "AppLocker", "ApplicationControl", "AssignedAccess",
	"BitLocker", "CMPolicy", "CMPolicyEnterprise", "CellularSettings", "CertificateStore", "CleanPC",
	"ClientCertificateInstall", "CloudDesktop", "DMClient", "DMSessionActions", "DeclaredConfiguration",
	"Defender", "DeviceLock", "DeviceManageability", "DevicePreparation", "DeviceStatus", "DeviceUpdate",
	"DiagnosticLog", "DynamicManagement", "EMAIL2", "EnrollmentStatusTracking", "EnterpriseAPN",
	"EnterpriseAppVManagement", "EnterpriseDataProtection", "EnterpriseDesktopAppManagement",
	"EnterpriseModernAppManagement", "Firewall", "HealthAttestation", "KeyboardFilter", "LAPS",
	"LanguagePackManagement", "Maps", "MultiSIM", "NetworkProxy", "NetworkQoSPolicy", "NodeCache", "Office",
	"OfflineDomainJoin", "OptionalFeatures", "PassportForWork", "Personalization", "Policy", "PolicyManager",
	"Reboot", "Recovery", "RemoteFind", "RemoteLock", "RemoteWipe", "Reporting", "RootCATrustedCertificates",
	"SUPL", "SecureAssessment", "SecurityPolicy", "SharedPC", "Storage", "SurfaceHub", "TPMPolicy",
	"TenantLockdown", "UnifiedWriteFilter", "Update", "VPNv2", "WiFi", "Win32AppInventory",
	"WindowsAdvancedThreatProtection", "WindowsAutopilot", "WindowsBackupAndRestore",
	"WindowsDefenderApplicationGuard", "WindowsLicensing", "WirelessNetworkPreference", "eUICCs", "uefi",
}

// pcUserCSPs are the names below ./User/Vendor/MSFT, from the same report.
var pcUserCSPs = []string{
	"ActiveSync", "AgentGovernance", "ClientCertificateInstall", "CloudDesktop", "DMClient", "DMSessionActions",
	"DeclaredConfiguration", "EMAIL2", "EnrollmentStatusTracking", "EnterpriseAppVManagement",
	"EnterpriseDesktopAppManagement", "EnterpriseModernAppManagement", "NodeCache", "PDE", "PassportForWork",
	"Policy", "PolicyManager", "PrinterProvisioning", "RootCATrustedCertificates", "VPNv2", "WiFi",
}

// classOf returns the class of a node, or 404 for a CSP that is not on this PC
// and 405 for one that is not in this scope.
func (t *pcTree) classOf(s []string) (pcClass, int) {
	if len(s) < 3 || s[0] != "Device" && s[0] != "User" || s[1] != "Vendor" || s[2] != "MSFT" {
		return pcMatchClass(pcRootClasses, s), 0
	}
	if len(s) == 3 {
		return pcClass{verbs: pcGet}, 0
	}
	onDevice := slices.Contains(pcDeviceCSPs, s[3]) || slices.Contains(t.extra, s[3])
	switch {
	case s[0] == "User" && slices.Contains(pcUserCSPs, s[3]):
	case s[0] == "User" && onDevice:
		return pcClass{}, 405
	case s[0] == "Device" && onDevice:
	default:
		return pcClass{}, 404
	}
	return pcMatchClass(pcClasses, s[3:]), 0
}

func pcMatchClass(classes []pcClass, s []string) pcClass {
	for _, c := range classes {
		if pcMatches(c.pattern, s) {
			return c
		}
	}
	return pcClass{}
}
