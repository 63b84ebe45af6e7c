package mdm

// TenantID names a tenant: the wall that nothing crosses. It stands in the URLs
// that devices remember and in their certificates, so it cannot be changed
// later. 1 to 40 of a–z, 0–9 and '-', not beginning or ending with '-'.
type TenantID string

// DefaultTenant is the tenant of an application that has only one.
const DefaultTenant TenantID = "default"

// Validate reports whether t is well-formed, as a [CodeInvalid] error.
func (t TenantID) Validate() error {
	if len(t) == 0 || len(t) > 40 || t[0] == '-' || t[len(t)-1] == '-' {
		return Errorf(CodeInvalid, "tenant", "a tenant name has 1 to 40 of a-z, 0-9 and '-' and does not begin or end with '-'")
	}
	for i := range len(t) {
		c := t[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return Errorf(CodeInvalid, "tenant", "a tenant name has only a-z, 0-9 and '-'")
		}
	}
	return nil
}
