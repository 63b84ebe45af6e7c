// Package mde is the wire of Windows device enrollment: bytes to types and
// types to bytes, with no HTTP, no storage and no policy of its own.
//
// A device enrolls in three SOAP requests, and each has a decoder and a reply:
//
//	Discover              DecodeDiscover              DiscoverReply
//	GetPolicies           DecodeGetPolicies           PoliciesReply
//	RequestSecurityToken  DecodeRequestSecurityToken  TokenReply
//
// A refusal of any of them is a [Fault]. The certificate request inside the
// third is read by [ParseCSR], and its reply carries a [ProvisioningDoc], which
// tells the device its certificate, its server and how often to call.
//
// Sources: [MS-MDE2] (November 2025, version 17), [MS-XCEP] and [MS-WSTEP] for
// the messages, the w7 APPLICATION, DMClient and CertificateStore pages of
// Windows client management for the provisioning document, and what real
// devices were seen to send where that differs. Nothing in a request but the
// credential and the signature of the certificate request proves anything:
// device names and numbers are claims.
package mde
