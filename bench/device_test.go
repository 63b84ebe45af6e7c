package bench

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/smallstep/pkcs7"
)

const (
	checkInType = "application/x-apple-aspen-mdm-checkin"
	commandType = "application/x-apple-aspen-mdm"
	topic       = "com.apple.mgmt.External.00000000-0000-4000-8000-000000000000"
)

// device is an enrolled Mac: its identity, and what it sends again and again.
type device struct {
	udid, serial string
	key          *rsa.PrivateKey
	cert         *x509.Certificate
	authenticate message
	tokenUpdate  message
	idleSigned   message
	idleAsSent   message // signed as devices in use do
	idleTLS      message
}

// newDevice makes the device of that number.
func newDevice(i int, key *rsa.PrivateKey, cert *x509.Certificate) (*device, error) {
	d := &device{udid: udid(i), serial: fmt.Sprintf("C02%07d", i), key: key, cert: cert}
	if err := d.polls(); err != nil {
		return nil, err
	}
	return d, d.enrolls()
}

func udid(i int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012X", i) }

// message is a request as it stands before the server reads it. What a device
// or a TLS stack computes is in it already.
type message struct {
	body   []byte
	header http.Header
	tls    *tls.ConnectionState
}

// polls makes the idle poll in both forms.
func (d *device) polls() (err error) {
	body := dict(`<key>Status</key><string>Idle</string><key>UDID</key><string>` + d.udid + `</string>`)
	d.idleTLS = message{
		body:   body,
		header: http.Header{"Content-Type": {commandType}},
		tls:    &tls.ConnectionState{PeerCertificates: []*x509.Certificate{d.cert}},
	}
	if d.idleSigned, err = d.signed(commandType, body); err != nil {
		return err
	}
	d.idleAsSent, err = d.asSent(commandType, body)
	return err
}

// asSent is a message with a signature in the form in which devices in use were
// seen to send it: SHA-1 without attributes, and lengths that the outer levels do
// not tell.
func (d *device) asSent(contentType string, body []byte) (message, error) {
	sum := sha1.Sum(body)
	value, err := rsa.SignPKCS1v15(rand.Reader, d.key, crypto.SHA1, sum[:])
	if err != nil {
		return message{}, err
	}
	var failed error
	der := func(v any) []byte {
		b, err := asn1.Marshal(v)
		failed = errors.Join(failed, err)
		return b
	}
	open := func(tag byte, parts ...[]byte) []byte {
		return append(append([]byte{tag, 0x80}, bytes.Join(parts, nil)...), 0, 0)
	}
	hash := pkix.AlgorithmIdentifier{Algorithm: pkcs7.OIDDigestAlgorithmSHA1, Parameters: asn1.NullRawValue}
	set := func(element []byte) []byte {
		return der(asn1.RawValue{Tag: asn1.TagSet, IsCompound: true, Bytes: element})
	}
	signer := der([]any{
		1, []any{asn1.RawValue{FullBytes: d.cert.RawIssuer}, d.cert.SerialNumber}, hash,
		pkix.AlgorithmIdentifier{Algorithm: pkcs7.OIDEncryptionAlgorithmRSASHA1, Parameters: asn1.NullRawValue}, value,
	})
	b := open(0x30, der(pkcs7.OIDSignedData), open(0xa0, open(0x30,
		der(1), set(der(hash)), open(0x30, der(pkcs7.OIDData)),
		der(asn1.RawValue{Class: asn1.ClassContextSpecific, IsCompound: true, Bytes: d.cert.Raw}), set(signer))))
	return message{body: body, header: http.Header{
		"Content-Type":  {contentType},
		"Mdm-Signature": {base64.StdEncoding.EncodeToString(b)},
	}}, failed
}

// signed is a message with the signature that a device makes when its profile
// says SignMessage: detached, SHA-256, with its certificate.
func (d *device) signed(contentType string, body []byte) (message, error) {
	sd, err := pkcs7.NewSignedData(body)
	if err != nil {
		return message{}, err
	}
	sd.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	if err := sd.AddSigner(d.cert, d.key, pkcs7.SignerInfoConfig{}); err != nil {
		return message{}, err
	}
	sd.Detach()
	der, err := sd.Finish()
	if err != nil {
		return message{}, err
	}
	return message{body: body, header: http.Header{
		"Content-Type":  {contentType},
		"Mdm-Signature": {base64.StdEncoding.EncodeToString(der)},
	}}, nil
}

// queries is what the command of the benchmarks asks for.
var queries = []string{"DeviceName", "OSVersion", "BuildVersion", "SerialNumber", "ModelName", "ProductName"}

// acknowledged is the signed answer to it.
func (d *device) acknowledged(id string) (message, error) {
	return d.signed(commandType, dict(`<key>CommandUUID</key><string>`+id+`</string>
	<key>QueryResponses</key><dict>
		<key>BuildVersion</key><string>24F74</string>
		<key>DeviceName</key><string>Mac `+d.serial+`</string>
		<key>ModelName</key><string>MacBook Pro</string>
		<key>OSVersion</key><string>15.5</string>
		<key>ProductName</key><string>Mac15,3</string>
		<key>SerialNumber</key><string>`+d.serial+`</string>
	</dict>
	<key>Status</key><string>Acknowledged</string>
	<key>UDID</key><string>`+d.udid+`</string>`))
}

// enrolls makes the two messages with which the device enrolls.
func (d *device) enrolls() (err error) {
	d.authenticate, err = d.signed(checkInType, dict(`<key>MessageType</key><string>Authenticate</string>
	<key>BuildVersion</key><string>24F74</string>
	<key>DeviceName</key><string>Mac `+d.serial+`</string>
	<key>Model</key><string>Mac15,3</string>
	<key>ModelName</key><string>MacBook Pro</string>
	<key>OSVersion</key><string>15.5</string>
	<key>ProductName</key><string>Mac15,3</string>
	<key>SerialNumber</key><string>`+d.serial+`</string>
	<key>Topic</key><string>`+topic+`</string>
	<key>UDID</key><string>`+d.udid+`</string>`))
	if err != nil {
		return err
	}
	d.tokenUpdate, err = d.signed(checkInType, dict(`<key>MessageType</key><string>TokenUpdate</string>
	<key>AwaitingConfiguration</key><false/>
	<key>PushMagic</key><string>`+d.udid+`</string>
	<key>Token</key><data>`+base64.StdEncoding.EncodeToString([]byte(d.udid)[:32])+`</data>
	<key>Topic</key><string>`+topic+`</string>
	<key>UDID</key><string>`+d.udid+`</string>`))
	return err
}

// command is the command of the benchmarks as NanoMDM takes it.
func command(id string) []byte {
	return dict(`<key>CommandUUID</key><string>` + id + `</string>
	<key>Command</key><dict>
		<key>RequestType</key><string>DeviceInformation</string>
		<key>Queries</key><array><string>` + strings.Join(queries, `</string><string>`) + `</string></array>
	</dict>`)
}

func dict(inner string) []byte {
	return []byte(`<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict>
	` + inner + `
</dict></plist>
`)
}
