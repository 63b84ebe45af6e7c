// Package windows is Windows MDM over HTTP: MS-MDE2 enrollment and OMA-DM
// management sessions ([MS-MDE2], [MS-XCEP], [MS-WSTEP], [MS-MDM], OMA DM 1.2).
package windows
