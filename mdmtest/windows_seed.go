package mdmtest

import (
	"encoding/base64"
	"strconv"
	"strings"
)

// pcNotRotated is BitLocker's status 2: no rotation was asked for.
const pcNotRotated = "2"

// freshTree is the tree of a PC that nobody has managed yet. The caller holds
// the lock, or is the only one to know the PC.
func (d *PCDevice) freshTree() *pcTree {
	o := &d.opts
	id := strings.ToUpper(o.DeviceID)
	t := &pcTree{nodes: map[string]PCNode{}, extra: o.CSPs}
	for loc, v := range map[string]string{
		"./DevInfo/DevId": id,
		"./DevInfo/Man":   o.Manufacturer,
		"./DevInfo/Mod":   o.Model,
		"./DevInfo/DmV":   "1.3",
		"./DevInfo/Lang":  "en-US",

		"./DevDetail/SwV":                              o.OSVersion,
		"./DevDetail/HwV":                              "1.0",
		"./DevDetail/FwV":                              "2.21",
		"./DevDetail/OEM":                              o.Manufacturer,
		"./DevDetail/DevTyp":                           o.Model,
		"./DevDetail/Ext/Microsoft/DeviceName":         o.Name,
		"./DevDetail/Ext/Microsoft/DNSComputerName":    o.Name,
		"./DevDetail/Ext/Microsoft/OSPlatform":         "Windows 11 Pro",
		"./DevDetail/Ext/Microsoft/SMBIOSSerialNumber": o.Serial,

		"./Device/Vendor/MSFT/DeviceStatus/TPM/SpecificationVersion": "2.0",
	} {
		t.nodes[loc] = PCNode{Value: v}
	}
	for loc, v := range map[string]string{
		"./DevDetail/Ext/Microsoft/ProcessorArchitecture":                     "9",
		"./DevDetail/Ext/Microsoft/TotalRAM":                                  "16384",
		"./DevDetail/Ext/Microsoft/TotalStorage":                              "476940",
		"./Device/Vendor/MSFT/DeviceStatus/SecureBootState":                   "1",
		"./Device/Vendor/MSFT/DeviceStatus/Compliance/EncryptionCompliance":   "0",
		"./Device/Vendor/MSFT/DeviceStatus/Antivirus/Status":                  "0",
		"./Device/Vendor/MSFT/DeviceStatus/Firewall/Status":                   "0",
		"./Device/Vendor/MSFT/BitLocker/Status/DeviceEncryptionStatus":        "0",
		"./Device/Vendor/MSFT/BitLocker/Status/RotateRecoveryPasswordsStatus": pcNotRotated,
		"./Device/Vendor/MSFT/CertificateStore/My/WSTEP/Renew/Status":         "0",
		"./Device/Vendor/MSFT/CertificateStore/My/WSTEP/Renew/ErrorCode":      "0",
		"./Device/Vendor/MSFT/LAPS/Actions/ResetPasswordStatus":               "0",
	} {
		t.nodes[loc] = PCNode{Value: v, Format: "int"}
	}
	t.nodes["./DevDetail/LrgObj"] = PCNode{Value: "false", Format: "bool"}
	t.nodes["./Device/Vendor/MSFT/DeviceStatus/OS/Edition"] = PCNode{Value: strconv.Itoa(o.Edition), Format: "int"}
	for _, exec := range []string{
		"RemoteWipe/doWipe", "RemoteWipe/doWipeProtected", "RemoteWipe/doWipePersistUserData",
		"RemoteWipe/doWipePersistProvisionedData", "RemoteWipe/AutomaticRedeployment/doAutomaticRedeployment",
		"Reboot/RebootNow", "RemoteLock/Lock", "BitLocker/RotateRecoveryPasswords", "LAPS/Actions/ResetPassword",
		"CertificateStore/My/WSTEP/Renew/RenewNow", "DMClient/Unenroll", "Defender/Scan", "Defender/UpdateSignature",
	} {
		t.nodes["./Device/Vendor/MSFT/"+exec] = PCNode{Format: "null"}
	}
	return t
}

// provision writes what the provisioning document set into the tree.
func (t *pcTree) provision(hwDevID string, id *pcIdentity, p *pcProvisioning) {
	base := "./Device/Vendor/MSFT/DMClient/Provider/" + id.Provider
	for name, v := range p.dm {
		t.nodes[base+"/"+name] = PCNode{Value: v}
	}
	for name, v := range p.poll {
		format := "int"
		if v == "true" || v == "false" {
			format = "bool"
		}
		t.nodes[base+"/Poll/"+name] = PCNode{Value: v, Format: format}
	}
	t.nodes[base+"/HWDevID"] = PCNode{Value: hwDevID}
	t.nodes[base+"/ManagementServiceAddress"] = PCNode{Value: "<" + id.Addr + ">"}
	t.nodes[base+"/Unenroll"] = PCNode{Format: "null"}
	for name, v := range p.renew {
		n := PCNode{Value: v, Format: "int"}
		switch name {
		case "ROBOSupport":
			n.Format = "bool"
		case "ServerURL":
			n.Format = ""
		}
		t.nodes["./Device/Vendor/MSFT/CertificateStore/My/WSTEP/Renew/"+name] = n
	}
	for _, r := range p.roots {
		t.nodes["./Device/Vendor/MSFT/CertificateStore/Root/System/"+r.thumbprint+"/EncodedCertificate"] = PCNode{
			Value: base64.StdEncoding.EncodeToString(r.der), Format: "b64",
		}
	}
	account := "./SyncML/DMAcc/" + pcAccountNode(id.Provider)
	t.nodes[account+"/ServerID"] = PCNode{Value: id.Provider}
	for name, c := range map[string]pcCred{"CLCRED": id.Server, "SRVCRED": id.Client} {
		auth := account + "/AppAuth/" + name
		t.nodes[auth+"/AAuthName"] = PCNode{Value: c.Name}
		t.nodes[auth+"/AAuthSecret"] = PCNode{Value: c.Secret}
		t.nodes[auth+"/AAuthData"] = PCNode{Value: base64.StdEncoding.EncodeToString(c.Nonce), Format: "bin"}
	}
}
