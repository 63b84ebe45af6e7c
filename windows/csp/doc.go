// Package csp knows the management tree of Windows: how its nodes are named,
// what Microsoft documents about them, which of them an administrator's profile
// may touch, and what reading one back proves. It is pure: no HTTP, no storage,
// no clock.
//
// [Parse] gives the algebra of node addresses, [ParseProfile] reads a profile
// into [Operation] values, [RemovalOperations] undoes it without hurting what
// another profile owns, and [Probes] with [Probe.Judge] say what the device
// carries.
//
// Facts come from Microsoft's CSP reference and its DDF files
// (learn.microsoft.com/windows/client-management/mdm); where a behavior is only
// observed, the table says so. A node that the table does not know is treated
// as text that reads back at the same node.
package csp
