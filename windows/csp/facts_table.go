package csp

// Short names for the access types of the DDF files.
const (
	g    = CanGet
	r    = CanReplace
	e    = CanExec
	a    = CanAdd
	gr   = CanGet | CanReplace
	eg   = CanExec | CanGet
	agr  = CanAdd | CanGet | CanReplace
	adg  = CanAdd | CanDelete | CanGet
	dgr  = CanDelete | CanGet | CanReplace
	adgr = CanAdd | CanDelete | CanGet | CanReplace

	v = "Vendor/MSFT/"
)

// facts is what Microsoft documents, one group a CSP; the page of a group is
// learn.microsoft.com/windows/client-management/mdm/ and the name beside it.
// The first pattern that matches counts. Never written to.
var facts = []Fact{
	// policy-configuration-service-provider: Config returns to a caller what
	// that caller set; Result returns what came of all callers. Ingested
	// policies and ADMX files were observed to answer 404 though they are in
	// force. win32-and-centennial-app-policy-configuration for the '~'.
	{Pattern: v + "Policy/Config/*~*/*", Scopes: InBoth, Verbs: adgr, Format: "chr", ReadBack: ReadSemantic, Content: ContentPolicy, Hidden: true},
	{Pattern: v + "Policy/Config/*/*", Scopes: InBoth, Verbs: adgr, ReadBack: ReadSemantic, Content: ContentPolicy,
		Effect: &Where{At: v + "Policy/Result/*/*"}},
	{Pattern: v + "Policy/Config/*", Scopes: InBoth, Format: "node"}, // Policy.xml and the DDF files of areas disagree
	{Pattern: v + "Policy/Result/**", Scopes: InBoth, Verbs: g},
	{Pattern: v + "Policy/ConfigOperations/ADMXInstall/*/Properties/*/*/Version", Scopes: InDevice, Verbs: adgr, Format: "chr", Hidden: true},
	{Pattern: v + "Policy/ConfigOperations/ADMXInstall/*/Properties/**", Scopes: InDevice, Verbs: adg, Format: "node", Hidden: true},
	{Pattern: v + "Policy/ConfigOperations/ADMXInstall/*/*/*", Scopes: InDevice, Verbs: adgr, Format: "chr", ReadBack: ReadRedacted, Hidden: true},
	{Pattern: v + "Policy/ConfigOperations/**", Scopes: InDevice, Verbs: adg, Format: "node", Hidden: true},

	// wifi-csp: the passkey is encrypted when it is stored; Replace only works
	// on a node that exists.
	{Pattern: v + "WiFi/Profile/*/WlanXml", Scopes: InBoth, Verbs: adgr, Format: "chr", ReadBack: ReadSemantic, Content: ContentWLAN, Role: Connectivity},
	{Pattern: v + "WiFi/Profile/*/ProxyWPAD", Scopes: InBoth, Verbs: adgr, Format: "bool", Role: Connectivity},
	{Pattern: v + "WiFi/Profile/*/WiFiCost", Scopes: InBoth, Verbs: adgr, Format: "int", Role: Connectivity},
	{Pattern: v + "WiFi/Profile/*/ProfileSource", Scopes: InBoth, Verbs: gr, Format: "int", Role: Connectivity},
	{Pattern: v + "WiFi/Profile/*/*", Scopes: InBoth, Verbs: adgr, Format: "chr", Role: Connectivity},
	{Pattern: v + "WiFi/Profile/*", Scopes: InBoth, Verbs: adgr, Format: "node", Role: Connectivity},

	// wirednetwork-csp
	{Pattern: v + "WiredNetwork/LanXML", Scopes: InBoth, Verbs: adgr, Format: "chr", ReadBack: ReadSemantic, Content: ContentXML, Rewritten: true, Role: Connectivity},
	{Pattern: v + "WiredNetwork/EnableBlockPeriod", Scopes: InBoth, Verbs: adgr, Format: "int", Role: Connectivity},

	// vpnv2-csp: a profile is removed at its own node.
	{Pattern: v + "VPNv2/*/ProfileXML", Scopes: InBoth, Verbs: adgr, Format: "chr", ReadBack: ReadSemantic, Content: ContentXML, Rewritten: true, Atomic: true, Role: Connectivity, RemoveAt: v + "VPNv2/*"},
	{Pattern: v + "VPNv2/*/NativeProfile/L2tpPsk", Scopes: InBoth, Verbs: adgr, Format: "chr", ReadBack: ReadRedacted, Atomic: true, Role: Connectivity, RemoveAt: v + "VPNv2/*"},
	{Pattern: v + "VPNv2/*/APNBinding/Password", Scopes: InBoth, Verbs: adgr, Format: "chr", ReadBack: ReadRedacted, Atomic: true, Role: Connectivity, RemoveAt: v + "VPNv2/*"},
	{Pattern: v + "VPNv2/*/NativeProfile/Authentication/Eap/Configuration", Scopes: InBoth, Verbs: adgr, Format: "chr", ReadBack: ReadSemantic, Content: ContentXML, Rewritten: true, Atomic: true, Role: Connectivity, RemoveAt: v + "VPNv2/*"},
	{Pattern: v + "VPNv2/*", Scopes: InBoth, Verbs: adgr, Format: "node", Role: Connectivity},
	{Pattern: v + "VPNv2/*/**", Scopes: InBoth, Atomic: true, Role: Connectivity, RemoveAt: v + "VPNv2/*"},

	// networkproxy-csp
	{Pattern: v + "NetworkProxy/ProxySettingsPerUser", Scopes: InDevice, Verbs: dgr, Format: "int", Role: Connectivity},
	{Pattern: v + "NetworkProxy/AutoDetect", Scopes: InDevice, Verbs: dgr, Format: "int", Role: Connectivity},
	{Pattern: v + "NetworkProxy/ProxyServer/UseProxyForLocalAddresses", Scopes: InDevice, Verbs: dgr, Format: "int", Role: Connectivity},
	{Pattern: v + "NetworkProxy/ProxyServer/*", Scopes: InDevice, Verbs: dgr, Format: "chr", Role: Connectivity},
	{Pattern: v + "NetworkProxy/SetupScriptUrl", Scopes: InDevice, Verbs: dgr, Format: "chr", Role: Connectivity},

	// networkqospolicy-csp
	{Pattern: v + "NetworkQoSPolicy/Version", Scopes: InDevice, Verbs: g, Format: "int"},
	{Pattern: v + "NetworkQoSPolicy/*", Scopes: InDevice, Verbs: adgr, Format: "node"},
	{Pattern: v + "NetworkQoSPolicy/*/*", Scopes: InDevice, Verbs: adgr},

	// rootcacertificates-csp: the node of a certificate is its SHA-1, and is
	// where it is deleted.
	{Pattern: v + "RootCATrustedCertificates/*/*/EncodedCertificate", Scopes: InBoth, Verbs: agr, Format: "b64", Role: Trust, RemoveAt: v + "RootCATrustedCertificates/*/*"},
	{Pattern: v + "RootCATrustedCertificates/*/*/*", Scopes: InBoth, Verbs: g, Format: "chr"},
	{Pattern: v + "RootCATrustedCertificates/*/*", Scopes: InBoth, Verbs: CanDelete | CanGet, Format: "node", Role: Trust},

	// certificatestore-csp
	{Pattern: v + "CertificateStore/ROOT/System/*/EncodedCertificate", Scopes: InDevice, Verbs: agr, Format: "b64", Role: Trust, RemoveAt: v + "CertificateStore/ROOT/System/*"},
	{Pattern: v + "CertificateStore/ROOT/*/EncodedCertificate", Scopes: InDevice, Verbs: agr, Format: "b64", Role: Trust, RemoveAt: v + "CertificateStore/ROOT/*"},
	{Pattern: v + "CertificateStore/CA/System/*/EncodedCertificate", Scopes: InDevice, Verbs: agr, Format: "b64", Role: Trust, RemoveAt: v + "CertificateStore/CA/System/*"},
	{Pattern: v + "CertificateStore/CA/*/EncodedCertificate", Scopes: InDevice, Verbs: agr, Format: "b64", Role: Trust, RemoveAt: v + "CertificateStore/CA/*"},
	{Pattern: v + "CertificateStore/MY/WSTEP/Renew/RenewNow", Scopes: InDevice, Verbs: e, Format: "null", ReadBack: ReadNever},
	{Pattern: v + "CertificateStore/MY/WSTEP/Renew/ROBOSupport", Scopes: InDevice, Verbs: adgr, Format: "bool"},
	{Pattern: v + "CertificateStore/MY/WSTEP/Renew/ServerURL", Scopes: InDevice, Verbs: adgr, Format: "chr"},
	{Pattern: v + "CertificateStore/MY/WSTEP/Renew/RenewPeriod", Scopes: InDevice, Verbs: adgr, Format: "int"},
	{Pattern: v + "CertificateStore/MY/WSTEP/Renew/RetryInterval", Scopes: InDevice, Verbs: adgr, Format: "int"},

	// clientcertificateinstall-csp: parameters go before the blob or Enroll in
	// one Atomic, Status tells the end, Delete on the unique id removes key and
	// certificate. The challenge is deleted once Enroll was taken.
	{Pattern: v + "ClientCertificateInstall/SCEP/*/Install/Enroll", Scopes: InBoth, Verbs: e, Format: "null", ReadBack: ReadNever, Atomic: true, Role: Connectivity},
	{Pattern: v + "ClientCertificateInstall/SCEP/*/Install/**", Scopes: InBoth, ReadBack: ReadResult, Atomic: true, Role: Connectivity,
		Result:   &Where{At: v + "ClientCertificateInstall/SCEP/*/Status", Done: []string{"1"}, Pending: []string{"2", "32"}},
		RemoveAt: v + "ClientCertificateInstall/SCEP/*"},
	{Pattern: v + "ClientCertificateInstall/SCEP/*/*", Scopes: InBoth, Verbs: g},
	{Pattern: v + "ClientCertificateInstall/SCEP/*", Scopes: InBoth, Verbs: adgr, Format: "node", Role: Connectivity},
	{Pattern: v + "ClientCertificateInstall/PFXCertInstall/*/Status", Scopes: InBoth, Verbs: g, Format: "int"},
	{Pattern: v + "ClientCertificateInstall/PFXCertInstall/*/Thumbprint", Scopes: InBoth, Verbs: g, Format: "chr"},
	{Pattern: v + "ClientCertificateInstall/PFXCertInstall/*/*", Scopes: InBoth, Verbs: agr, ReadBack: ReadResult, Atomic: true, Role: Connectivity,
		Result:   &Where{At: v + "ClientCertificateInstall/PFXCertInstall/*/Status", Done: []string{"0"}},
		RemoveAt: v + "ClientCertificateInstall/PFXCertInstall/*"},
	{Pattern: v + "ClientCertificateInstall/PFXCertInstall/*", Scopes: InBoth, Verbs: adgr, Format: "node", Role: Connectivity},

	// firewall-csp: the domain profile's switches and those of Hyper-V list
	// Replace alone. Most settings have no Delete; a rule goes with its node.
	{Pattern: v + "Firewall/MdmStore/DomainProfile/EnableFirewall", Scopes: InDevice, Verbs: r, Format: "bool", ReadBack: ReadNever},
	{Pattern: v + "Firewall/MdmStore/DomainProfile/Shielded", Scopes: InDevice, Verbs: r, Format: "bool", ReadBack: ReadNever},
	{Pattern: v + "Firewall/MdmStore/PrivateProfile/EnableFirewall", Scopes: InDevice, Verbs: agr, Format: "bool"},
	{Pattern: v + "Firewall/MdmStore/HyperVVMSettings/*/EnableFirewall", Scopes: InDevice, Verbs: r, Format: "bool", ReadBack: ReadNever},
	{Pattern: v + "Firewall/MdmStore/HyperVVMSettings/*/EnableLoopback", Scopes: InDevice, Verbs: r, Format: "bool", ReadBack: ReadNever},
	{Pattern: v + "Firewall/MdmStore/HyperVVMSettings/*/*/EnableFirewall", Scopes: InDevice, Verbs: r, Format: "bool", ReadBack: ReadNever},
	{Pattern: v + "Firewall/MdmStore/HyperVVMSettings/*/*/AllowLocalPolicyMerge", Scopes: InDevice, Verbs: r, Format: "bool", ReadBack: ReadNever},
	{Pattern: v + "Firewall/MdmStore/HyperVVMSettings/*", Scopes: InDevice, Verbs: adgr, Format: "node"},
	{Pattern: v + "Firewall/MdmStore/FirewallRules/*/Status", Scopes: InDevice, Verbs: g, Format: "chr"},
	{Pattern: v + "Firewall/MdmStore/FirewallRules/*/Enabled", Scopes: InDevice, Verbs: gr, Format: "bool", Atomic: true, RemoveAt: v + "Firewall/MdmStore/FirewallRules/*"},
	{Pattern: v + "Firewall/MdmStore/FirewallRules/*/Profiles", Scopes: InDevice, Verbs: gr, Format: "int", Atomic: true, RemoveAt: v + "Firewall/MdmStore/FirewallRules/*"},
	{Pattern: v + "Firewall/MdmStore/FirewallRules/*/Direction", Scopes: InDevice, Verbs: gr, Format: "chr", Atomic: true, RemoveAt: v + "Firewall/MdmStore/FirewallRules/*"},
	{Pattern: v + "Firewall/MdmStore/FirewallRules/*/Action/Type", Scopes: InDevice, Verbs: gr, Format: "int", Atomic: true, RemoveAt: v + "Firewall/MdmStore/FirewallRules/*"},
	{Pattern: v + "Firewall/MdmStore/FirewallRules/*", Scopes: InDevice, Verbs: adgr, Format: "node"},
	{Pattern: v + "Firewall/MdmStore/FirewallRules/*/**", Scopes: InDevice, Atomic: true, RemoveAt: v + "Firewall/MdmStore/FirewallRules/*"},
	{Pattern: v + "Firewall/MdmStore/HyperVFirewallRules/*", Scopes: InDevice, Verbs: adgr, Format: "node"},
	{Pattern: v + "Firewall/MdmStore/HyperVFirewallRules/*/**", Scopes: InDevice, Atomic: true, RemoveAt: v + "Firewall/MdmStore/HyperVFirewallRules/*"},
	{Pattern: v + "Firewall/MdmStore/DynamicKeywords/Addresses/*", Scopes: InDevice, Verbs: adg, Format: "node"},
	{Pattern: v + "Firewall/MdmStore/DynamicKeywords/Addresses/*/*", Scopes: InDevice, RemoveAt: v + "Firewall/MdmStore/DynamicKeywords/Addresses/*"},
	{Pattern: v + "Firewall/MdmStore/HyperVVMSettings/*/**", Scopes: InDevice},
	{Pattern: v + "Firewall/MdmStore/Global/PolicyVersionSupported", Scopes: InDevice, Verbs: g, Format: "int"},
	{Pattern: v + "Firewall/MdmStore/Global/CurrentProfiles", Scopes: InDevice, Verbs: g, Format: "int"},
	{Pattern: v + "Firewall/MdmStore/Global/PolicyVersion", Scopes: InDevice, Verbs: g, Format: "chr"},
	{Pattern: v + "Firewall/MdmStore/Global/BinaryVersionSupported", Scopes: InDevice, Verbs: g, Format: "chr"},
	{Pattern: v + "Firewall/MdmStore/Global/*", Scopes: InDevice, Verbs: gr},
	{Pattern: v + "Firewall/MdmStore/DomainProfile/*", Scopes: InDevice, Verbs: gr},
	{Pattern: v + "Firewall/MdmStore/PrivateProfile/*", Scopes: InDevice, Verbs: gr},
	{Pattern: v + "Firewall/MdmStore/PublicProfile/*", Scopes: InDevice, Verbs: gr},

	// defender-csp
	{Pattern: v + "Defender/Scan", Scopes: InDevice, Verbs: eg, Format: "chr", ReadBack: ReadNever},
	{Pattern: v + "Defender/UpdateSignature", Scopes: InDevice, Verbs: eg, Format: "chr", ReadBack: ReadNever},
	{Pattern: v + "Defender/OfflineScan", Scopes: InDevice, Verbs: eg, Format: "chr", ReadBack: ReadNever},
	{Pattern: v + "Defender/RollbackPlatform", Scopes: InDevice, Verbs: eg, Format: "chr", ReadBack: ReadNever},
	{Pattern: v + "Defender/RollbackEngine", Scopes: InDevice, Verbs: eg, Format: "chr", ReadBack: ReadNever},
	{Pattern: v + "Defender/Detections/**", Scopes: InDevice, Verbs: g},
	{Pattern: v + "Defender/Health/**", Scopes: InDevice, Verbs: g},

	// bitlocker-csp, bitlocker-ddf-file: no node returns a recovery password.
	{Pattern: v + "BitLocker/RotateRecoveryPasswords", Scopes: InDevice, Verbs: e, Format: "chr", ReadBack: ReadNever},
	{Pattern: v + "BitLocker/Status/**", Scopes: InDevice, Verbs: g},
	{Pattern: v + "BitLocker/RequireStorageCardEncryption", Scopes: InDevice, Verbs: adgr, Format: "int"},
	{Pattern: v + "BitLocker/RequireDeviceEncryption", Scopes: InDevice, Verbs: adgr, Format: "int"},
	{Pattern: v + "BitLocker/AllowWarningForOtherDiskEncryption", Scopes: InDevice, Verbs: adgr, Format: "int"},
	{Pattern: v + "BitLocker/AllowStandardUserEncryption", Scopes: InDevice, Verbs: adgr, Format: "int"},
	{Pattern: v + "BitLocker/ConfigureRecoveryPasswordRotation", Scopes: InDevice, Verbs: adgr, Format: "int"},
	{Pattern: v + "BitLocker/*", Scopes: InDevice, Verbs: adgr, Format: "chr", ReadBack: ReadSemantic, Content: ContentPolicy},

	// laps-csp, laps-ddf-file
	{Pattern: v + "LAPS/Actions/ResetPassword", Scopes: InDevice, Verbs: e, Format: "null", ReadBack: ReadNever},
	{Pattern: v + "LAPS/Actions/ResetPasswordStatus", Scopes: InDevice, Verbs: g, Format: "int"},
	{Pattern: v + "LAPS/Policies/*", Scopes: InDevice, Verbs: adgr, Atomic: true},

	// passportforwork-csp
	{Pattern: v + "PassportForWork/Biometrics/EnableESSwithSupportedPeripherals", Scopes: InDevice, Verbs: adgr, Format: "int"},
	{Pattern: v + "PassportForWork/UseBiometrics", Scopes: InDevice, Verbs: adgr, Format: "bool"},
	{Pattern: v + "PassportForWork/Biometrics/*", Scopes: InDevice, Verbs: adgr, Format: "bool"},
	{Pattern: v + "PassportForWork/SecurityKey/UseSecurityKeyForSignin", Scopes: InDevice, Verbs: adgr, Format: "int"},
	{Pattern: v + "PassportForWork/*/Policies/PINComplexity/*", Scopes: InBoth, Verbs: adgr, Format: "int"},
	{Pattern: v + "PassportForWork/*/Policies/PINComplexity", Scopes: InBoth, Verbs: adg, Format: "node"},
	{Pattern: v + "PassportForWork/*/Policies/ExcludeSecurityDevices", Scopes: InDevice, Verbs: adg, Format: "node"},
	{Pattern: v + "PassportForWork/*/Policies/Remote", Scopes: InDevice, Verbs: adg, Format: "node"},
	{Pattern: v + "PassportForWork/*/Policies/**", Scopes: InBoth},

	// personalization-csp: the status tells whether the image was fetched.
	{Pattern: v + "Personalization/DesktopImageUrl", Scopes: InDevice, Verbs: adgr, Format: "chr",
		Effect: &Where{At: v + "Personalization/DesktopImageStatus", Done: []string{"1"}, Pending: []string{"2"}}},
	{Pattern: v + "Personalization/LockScreenImageUrl", Scopes: InDevice, Verbs: adgr, Format: "chr",
		Effect: &Where{At: v + "Personalization/LockScreenImageStatus", Done: []string{"1"}, Pending: []string{"2"}}},
	{Pattern: v + "Personalization/CompanyLogoUrl", Scopes: InDevice, Verbs: adgr, Format: "chr",
		Effect: &Where{At: v + "Personalization/CompanyLogoStatus", Done: []string{"1"}, Pending: []string{"2"}}},
	{Pattern: v + "Personalization/CompanyName", Scopes: InDevice, Verbs: adgr, Format: "chr"},
	{Pattern: v + "Personalization/*", Scopes: InDevice, Verbs: g, Format: "int"},

	// windowslicensing-csp
	{Pattern: v + "WindowsLicensing/UpgradeEditionWithProductKey", Scopes: InDevice, Verbs: e, Format: "chr", ReadBack: ReadNever},
	{Pattern: v + "WindowsLicensing/ChangeProductKey", Scopes: InDevice, Verbs: e, Format: "chr", ReadBack: ReadNever},
	{Pattern: v + "WindowsLicensing/UpgradeEditionWithLicense", Scopes: InDevice, Verbs: e, Format: "xml", ReadBack: ReadNever},
	{Pattern: v + "WindowsLicensing/CheckApplicability", Scopes: InDevice, Verbs: e, Format: "chr", ReadBack: ReadNever},
	{Pattern: v + "WindowsLicensing/SMode/SwitchFromSMode", Scopes: InDevice, Verbs: e, Format: "null", ReadBack: ReadNever},
	{Pattern: v + "WindowsLicensing/SMode/SwitchingPolicy", Scopes: InDevice, Verbs: adgr, Format: "int"},
	{Pattern: v + "WindowsLicensing/Subscriptions/DisableSubscription", Scopes: InDevice, Verbs: r, Format: "int", ReadBack: ReadNever},
	{Pattern: v + "WindowsLicensing/Subscriptions/RemoveSubscription", Scopes: InDevice, Verbs: e, Format: "null", ReadBack: ReadNever},
	{Pattern: v + "WindowsLicensing/Subscriptions/SubscriptionType", Scopes: InDevice, Verbs: gr, Format: "int"},
	{Pattern: v + "WindowsLicensing/DeviceLicensingService/LicenseType", Scopes: InDevice, Verbs: gr, Format: "int"},
	{Pattern: v + "WindowsLicensing/**", Scopes: InDevice, Verbs: g},

	// reboot-csp, remotewipe-csp, remotelock-csp. NewPINValue can be read once.
	{Pattern: v + "Reboot/RebootNow", Scopes: InDevice, Verbs: eg, Format: "null", ReadBack: ReadNever},
	{Pattern: v + "Reboot/Schedule/*", Scopes: InDevice, Verbs: adgr, Format: "chr", Rewritten: true},
	{Pattern: v + "RemoteWipe/AutomaticRedeployment/doAutomaticRedeployment", Scopes: InDevice, Verbs: e, Format: "chr", ReadBack: ReadNever},
	{Pattern: v + "RemoteWipe/AutomaticRedeployment/*", Scopes: InDevice, Verbs: g},
	{Pattern: v + "RemoteWipe/AutomaticRedeployment", Scopes: InDevice, Verbs: g, Format: "node"},
	{Pattern: v + "RemoteWipe/*", Scopes: InDevice, Verbs: e, Format: "chr", ReadBack: ReadNever},
	{Pattern: v + "RemoteLock/NewPINValue", Scopes: InDevice, Verbs: g, Format: "chr", ReadBack: ReadRedacted},
	{Pattern: v + "RemoteLock/*", Scopes: InDevice, Verbs: eg, Format: "null", ReadBack: ReadNever},

	// enterprisedesktopappmanagement-csp: Status 70 is enforcement completed.
	{Pattern: v + "EnterpriseDesktopAppManagement/MSI/UpgradeCode/**", Scopes: InBoth, Verbs: g},
	{Pattern: v + "EnterpriseDesktopAppManagement/MSI/*/DownloadInstall", Scopes: InBoth, Verbs: adgr | e, Format: "xml", ReadBack: ReadResult, Atomic: true,
		Result: &Where{At: v + "EnterpriseDesktopAppManagement/MSI/*/Status", Done: []string{"70"},
			Pending: []string{"10", "20", "25", "40", "48", "50", "55"}}},
	{Pattern: v + "EnterpriseDesktopAppManagement/MSI/*", Scopes: InBoth, Verbs: adg, Format: "node"},
	{Pattern: v + "EnterpriseDesktopAppManagement/MSI/*/*", Scopes: InBoth, Verbs: g},

	// office-csp
	{Pattern: v + "Office/Installation/*/Install", Scopes: InBoth, Verbs: eg, Format: "chr", ReadBack: ReadNever},
	{Pattern: v + "Office/Installation/CurrentStatus", Scopes: InBoth, Verbs: g, Format: "chr"},
	{Pattern: v + "Office/Installation/*", Scopes: InBoth, Verbs: adg, Format: "node"},

	// applocker-csp, applocker-xsd. LaunchControl lists no Add and no Delete
	// for its leaves.
	{Pattern: v + "AppLocker/ApplicationLaunchRestrictions/*/CodeIntegrity/Policy", Scopes: InDevice, Verbs: adgr, Format: "b64"},
	{Pattern: v + "AppLocker/LaunchControl/*/*/Policy", Scopes: InDevice, Verbs: gr, Format: "chr", ReadBack: ReadSemantic, Content: ContentXML, Rewritten: true},
	{Pattern: v + "AppLocker/LaunchControl/*/*/EnforcementMode", Scopes: InDevice, Verbs: gr, Format: "chr"},
	{Pattern: v + "AppLocker/*/*/*/Policy", Scopes: InDevice, Verbs: adgr, Format: "chr", ReadBack: ReadSemantic, Content: ContentXML, Rewritten: true},
	{Pattern: v + "AppLocker/*/*/*/*", Scopes: InDevice, Verbs: adgr, Format: "chr"},
	{Pattern: v + "AppLocker/*/*/**", Scopes: InDevice, Verbs: adgr, Format: "node"},

	// applicationcontrol-csp
	{Pattern: v + "ApplicationControl/Policies/*/Policy", Scopes: InDevice, Verbs: adgr, Format: "b64",
		Effect: &Where{At: v + "ApplicationControl/Policies/*/PolicyInfo/IsEffective", Done: []string{"true"}}},
	{Pattern: v + "ApplicationControl/Tokens/*/Token", Scopes: InDevice, Verbs: adgr, Format: "b64"},
	{Pattern: v + "ApplicationControl/**", Scopes: InDevice, Verbs: g},

	// assignedaccess-csp: Get on KioskModeApp always adds the domain.
	{Pattern: v + "AssignedAccess/Status", Scopes: InDevice, Verbs: g, Format: "chr"},
	{Pattern: v + "AssignedAccess/KioskModeApp", Scopes: InDevice, Verbs: adgr, Format: "chr", Rewritten: true},
	{Pattern: v + "AssignedAccess/*", Scopes: InDevice, Verbs: adgr, Format: "chr", ReadBack: ReadSemantic, Content: ContentXML, Rewritten: true},

	// sharedpc-csp, accountmanagement-csp
	{Pattern: v + "SharedPC/*", Scopes: InDevice, Verbs: adgr},
	{Pattern: v + "AccountManagement/UserProfileManagement/EnableProfileManager", Scopes: InDevice, Verbs: adgr, Format: "bool"},
	{Pattern: v + "AccountManagement/UserProfileManagement/*", Scopes: InDevice, Verbs: adgr, Format: "int"},

	// accounts-csp: Password and LocalUserGroup take Add alone.
	{Pattern: v + "Accounts/Users/*/Password", Scopes: InDevice, Verbs: a, Format: "chr", ReadBack: ReadNever},
	{Pattern: v + "Accounts/Users/*/LocalUserGroup", Scopes: InDevice, Verbs: a, Format: "int", ReadBack: ReadNever},

	// update-csp: an approval cannot be revoked by Delete.
	{Pattern: v + "Update/ApprovedUpdates/**", Scopes: InDevice, Verbs: CanAdd | CanGet},

	// healthattestation-csp
	{Pattern: v + "HealthAttestation/VerifyHealth", Scopes: InDevice, Verbs: e, Format: "null", ReadBack: ReadNever},
	{Pattern: v + "HealthAttestation/TriggerAttestation", Scopes: InDevice, Verbs: e, Format: "chr", ReadBack: ReadNever},

	// devicestatus-csp, devdetail-csp, devinfo-csp, devicemanageability-csp
	{Pattern: v + "DeviceStatus/CertAttestation/**", Scopes: InDevice, Verbs: g},
	{Pattern: v + "DeviceStatus/**", Scopes: InDevice, Verbs: g},
	{Pattern: "DevDetail/Ext/Microsoft/DNSComputerName", Scopes: InDevice, Verbs: gr, Format: "chr", Rewritten: true},
	{Pattern: "DevDetail/Ext/Microsoft/DeviceName", Scopes: InDevice, Verbs: gr, Format: "chr"},
	{Pattern: "DevDetail/**", Scopes: InDevice, Verbs: g},
	{Pattern: "DevInfo/**", Scopes: InDevice, Verbs: g},

	// dmclient-csp, dmacc-csp: no profile reaches these; the server itself does.
	{Pattern: v + "DMClient/Provider/*/Unenroll", Scopes: InBoth, Verbs: eg, Format: "chr", ReadBack: ReadNever},
	{Pattern: v + "DMClient/Unenroll", Scopes: InBoth, Verbs: eg, Format: "chr", ReadBack: ReadNever},
	{Pattern: v + "DMClient/HWDevID", Scopes: InDevice, Verbs: g, Format: "chr"},
	{Pattern: v + "DMClient/UpdateManagementServiceAddress", Scopes: InDevice, Verbs: gr, Format: "chr"},
	{Pattern: v + "DMClient/Provider/*/LinkedEnrollment/Enroll", Scopes: InDevice, Verbs: e, Format: "null", ReadBack: ReadNever},
	{Pattern: v + "DMClient/Provider/*/LinkedEnrollment/Unenroll", Scopes: InDevice, Verbs: e, Format: "null", ReadBack: ReadNever},
	{Pattern: v + "DMClient/Provider/*/Push/PFN", Scopes: InDevice, Verbs: adgr, Format: "chr"},
	{Pattern: v + "DMClient/Provider/*/Push/ChannelURI", Scopes: InDevice, Verbs: g, Format: "chr"},
	{Pattern: v + "DMClient/Provider/*/Push/Status", Scopes: InDevice, Verbs: g, Format: "int"},
	{Pattern: v + "DMClient/Provider/*/Poll/PollOnLogin", Scopes: InDevice, Verbs: adgr, Format: "bool"},
	{Pattern: v + "DMClient/Provider/*/Poll/AllUsersPollOnFirstLogin", Scopes: InDevice, Verbs: adgr, Format: "bool"},
	{Pattern: v + "DMClient/Provider/*/Poll/*", Scopes: InDevice, Verbs: adgr, Format: "int"},
	{Pattern: v + "DMClient/Provider/*/ManagementServiceAddress", Scopes: InDevice, Verbs: gr, Format: "chr"},
	{Pattern: v + "DMClient/Provider/*/SyncApplicationVersion", Scopes: InDevice, Verbs: adgr, Format: "chr"},
	{Pattern: v + "DMClient/Provider/*/EntDMID", Scopes: InDevice, Verbs: adgr, Format: "chr"},
	{Pattern: v + "DMClient/Provider/*/HWDevID", Scopes: InDevice, Verbs: g, Format: "chr"},
	{Pattern: v + "DMClient/Provider/*/AADDeviceID", Scopes: InDevice, Verbs: g, Format: "chr"},
	{Pattern: v + "DMClient/Provider/*/EnrollmentType", Scopes: InDevice, Verbs: g, Format: "chr"},
	{Pattern: "SyncML/DMAcc/*/AppAuth/*/AAuthSecret", Scopes: InDevice, Verbs: CanAdd | CanReplace, Format: "chr", ReadBack: ReadNever},
	{Pattern: "SyncML/DMAcc/*/AppAuth/*/AAuthData", Scopes: InDevice, Verbs: CanAdd | CanReplace, Format: "bin", ReadBack: ReadNever},
	{Pattern: "SyncML/DMAcc/*/AppAuth/*/*", Scopes: InDevice, Verbs: agr, Format: "chr"},
}
