package mobileconfig

import "github.com/keelson-mdm/keelson/mdm"

// Role is what a payload type means to the way back to the server.
type Role string

// The roles. Profiles with a payload of one of the first three are installed
// and acknowledged before their predecessors are removed.
const (
	// Connectivity payloads make or steer network connections: Wi-Fi,
	// Ethernet, cellular, VPN, relays, proxies and DNS.
	Connectivity Role = "connectivity"
	// Trust payloads bring certificates to be trusted.
	Trust Role = "trust"
	// Identity payloads bring a certificate with its key, by which a device
	// may authenticate to a network.
	Identity Role = "identity"
	// Other payloads have no part in it.
	Other Role = "other"
)

// platforms is a set.
type platforms uint8

const (
	mac platforms = 1 << iota
	ios           // and iPadOS
	tv
)

// Class is what is known of a payload type.
type Class struct {
	Role   Role
	single platforms
}

// Single reports whether Apple's schema allows the payload only once on a
// device of the platform ("multiple: false").
func (c Class) Single(on mdm.Platform) bool {
	switch on {
	case mdm.MacOS:
		return c.single&mac != 0
	case mdm.IOS, mdm.IPadOS:
		return c.single&ios != 0
	case mdm.TVOS:
		return c.single&tv != 0
	}
	return false
}

// Classify returns the class of a payload type. Types are compared exactly, as
// devices do. A type that is not in the table is [Other] and may stand several
// times.
func Classify(payloadType string) Class {
	if c, ok := classes[payloadType]; ok {
		return c
	}
	return Class{Role: Other}
}

// classes is never written to. "Single" is from the "multiple" of every file in
// mdm/profiles of Apple's schema for macOS 15.1, iOS 18.1 and tvOS 18.1; a type
// with several files is single only if all of them say so. The roles are our
// reading of the descriptions.
var classes = map[string]Class{
	"com.apple.wifi.managed":                   {Role: Connectivity},
	"com.apple.vpn.managed":                    {Role: Connectivity},
	"com.apple.vpn.managed.applayer":           {Role: Connectivity},
	"com.apple.vpn.managed.appmapping":         {Connectivity, mac},
	"com.apple.relay.managed":                  {Role: Connectivity},
	"com.apple.proxy.http.global":              {Connectivity, mac | ios | tv},
	"com.apple.SystemConfiguration":            {Connectivity, mac}, // proxies
	"com.apple.dnsProxy.managed":               {Connectivity, mac | ios},
	"com.apple.dnsSettings.managed":            {Role: Connectivity},
	"com.apple.globalethernet.managed":         {Connectivity, mac | ios | tv},
	"com.apple.firstethernet.managed":          {Connectivity, mac},
	"com.apple.secondethernet.managed":         {Connectivity, mac},
	"com.apple.thirdethernet.managed":          {Connectivity, mac},
	"com.apple.firstactiveethernet.managed":    {Connectivity, mac},
	"com.apple.secondactiveethernet.managed":   {Connectivity, mac},
	"com.apple.thirdactiveethernet.managed":    {Connectivity, mac},
	"com.apple.cellular":                       {Connectivity, ios},
	"com.apple.apn.managed":                    {Connectivity, ios},
	"com.apple.cellularprivatenetwork.managed": {Role: Connectivity},

	"com.apple.security.root":                    {Role: Trust},
	"com.apple.security.pem":                     {Role: Trust},
	"com.apple.security.pkcs1":                   {Role: Trust},
	"com.apple.security.certificatetransparency": {Role: Trust},
	"com.apple.security.certificaterevocation":   {Role: Trust},

	"com.apple.security.pkcs12":       {Role: Identity},
	"com.apple.security.scep":         {Role: Identity},
	"com.apple.security.acme":         {Role: Identity},
	"com.apple.ADCertificate.managed": {Role: Identity},

	"com.apple.mdm":                                 {Other, mac | ios | tv},
	"com.apple.profileRemovalPassword":              {Other, mac | ios | tv},
	"com.apple.SetupAssistant.managed":              {Other, mac | ios},
	"com.apple.domains":                             {Other, mac | ios},
	"com.apple.education":                           {Other, mac | ios},
	"com.apple.app.lock":                            {Other, ios | tv},
	"com.apple.homescreenlayout":                    {Other, ios | tv},
	"com.apple.tvremote":                            {Other, ios | tv},
	"com.apple.airplay.security":                    {Other, tv},
	"com.apple.conferenceroomdisplay":               {Other, tv},
	"com.apple.networkusagerules":                   {Other, ios},
	"com.apple.notificationsettings":                {Other, ios},
	"com.apple.shareddeviceconfiguration":           {Other, ios},
	"com.apple.sso":                                 {Other, ios},
	".GlobalPreferences":                            {Other, mac},
	"com.apple.AssetCache.managed":                  {Other, mac},
	"com.apple.Dictionary":                          {Other, mac},
	"com.apple.DiscRecording":                       {Other, mac},
	"com.apple.MCX.FileVault2":                      {Other, mac},
	"com.apple.MCX.TimeMachine":                     {Other, mac},
	"com.apple.ShareKitHelper":                      {Other, mac},
	"com.apple.SoftwareUpdate":                      {Other, mac},
	"com.apple.appstore":                            {Other, mac},
	"com.apple.asam":                                {Other, mac},
	"com.apple.configurationprofile.identification": {Other, mac},
	"com.apple.dashboard":                           {Other, mac},
	"com.apple.desktop":                             {Other, mac},
	"com.apple.dock":                                {Other, mac},
	"com.apple.familycontrols.contentfilter":        {Other, mac},
	"com.apple.familycontrols.timelimits.v2":        {Other, mac},
	"com.apple.fileproviderd":                       {Other, mac},
	"com.apple.finder":                              {Other, mac},
	"com.apple.gamed":                               {Other, mac},
	"com.apple.ironwood.support":                    {Other, mac},
	"com.apple.lom":                                 {Other, mac},
	"com.apple.mcxMenuExtras":                       {Other, mac},
	"com.apple.mcxloginscripts":                     {Other, mac},
	"com.apple.mcxprinting":                         {Other, mac},
	"com.apple.preference.security":                 {Other, mac},
	"com.apple.preference.users":                    {Other, mac},
	"com.apple.screensaver":                         {Other, mac},
	"com.apple.screensaver.user":                    {Other, mac},
	"com.apple.security.FDERecoveryKeyEscrow":       {Other, mac},
	"com.apple.security.FDERecoveryRedirect":        {Other, mac},
	"com.apple.security.smartcard":                  {Other, mac},
	"com.apple.systemmigration":                     {Other, mac},
	"com.apple.systempreferences":                   {Other, mac},
	"com.apple.systemuiserver":                      {Other, mac},
	"com.apple.universalaccess":                     {Other, mac},
	"com.apple.xsan":                                {Other, mac},
	"loginwindow":                                   {Other, mac},
}
