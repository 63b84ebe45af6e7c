package mde_test

import (
	"fmt"

	"github.com/keelson-mdm/keelson/windows/mde"
)

// A device asks where to enroll, and is told. The request speaks protocol 6.0
// and is answered with the highest version that this server serves.
func Example_discover() {
	request := []byte(`<s:Envelope xmlns:a="http://www.w3.org/2005/08/addressing" xmlns:s="http://www.w3.org/2003/05/soap-envelope">
  <s:Header>
    <a:Action s:mustUnderstand="1">http://schemas.microsoft.com/windows/management/2012/01/enrollment/IDiscoveryService/Discover</a:Action>
    <a:MessageID>urn:uuid:748132ec-a575-4329-b01b-6171a9cf8478</a:MessageID>
    <a:To s:mustUnderstand="1">https://EnterpriseEnrollment.example.com:443/EnrollmentServer/Discovery.svc</a:To>
  </s:Header>
  <s:Body>
    <Discover xmlns="http://schemas.microsoft.com/windows/management/2012/01/enrollment">
      <request>
        <EmailAddress>kim@example.com</EmailAddress>
        <RequestVersion>6.0</RequestVersion>
        <DeviceType>CIMClient_Windows</DeviceType>
        <ApplicationVersion>10.0.22621.1702</ApplicationVersion>
        <OSEdition>101</OSEdition>
        <AuthPolicies><AuthPolicy>OnPremise</AuthPolicy><AuthPolicy>Federated</AuthPolicy></AuthPolicies>
      </request>
    </Discover>
  </s:Body>
</s:Envelope>`)

	// What a handler does, with the error of any step as a fault.
	answer := func(r *mde.DiscoverRequest, reply mde.Reply) ([]byte, error) {
		policy, err := mde.ChooseAuthPolicy(r.AuthPolicies, []mde.AuthPolicy{mde.AuthOnPremise})
		if err != nil {
			return nil, err
		}
		version, err := mde.NegotiateVersion(r.RequestVersion, 0)
		if err != nil {
			return nil, err
		}
		return mde.DiscoverReply{
			AuthPolicy:    policy,
			Version:       version,
			PolicyURL:     "https://mdm.example.com/mdm/v1/windows/policy",
			EnrollmentURL: "https://mdm.example.com/mdm/v1/windows/enroll",
		}.Encode(reply)
	}

	r, err := mde.DecodeDiscover(request)
	if err != nil {
		fault, _ := mde.FaultFor(mde.OpDiscover, err, "").Encode(mde.Reply{RelatesTo: mde.MessageID(request)})
		fmt.Println(string(fault))
		return
	}
	b, err := answer(r, r.Reply(""))
	if err != nil {
		b, _ = mde.FaultFor(mde.OpDiscover, err, "").Encode(r.Reply(""))
	}
	fmt.Println(string(b))
	// Output:
	// <s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing"><s:Header><a:Action s:mustUnderstand="1">http://schemas.microsoft.com/windows/management/2012/01/enrollment/IDiscoveryService/DiscoverResponse</a:Action><a:RelatesTo>urn:uuid:748132ec-a575-4329-b01b-6171a9cf8478</a:RelatesTo></s:Header><s:Body><DiscoverResponse xmlns="http://schemas.microsoft.com/windows/management/2012/01/enrollment"><DiscoverResult><AuthPolicy>OnPremise</AuthPolicy><EnrollmentVersion>4.0</EnrollmentVersion><EnrollmentPolicyServiceUrl>https://mdm.example.com/mdm/v1/windows/policy</EnrollmentPolicyServiceUrl><EnrollmentServiceUrl>https://mdm.example.com/mdm/v1/windows/enroll</EnrollmentServiceUrl></DiscoverResult></DiscoverResponse></s:Body></s:Envelope>
}
