// Package plist is the only door for property lists, in and out.
//
// The library behind it reads XML and binary property lists, but trusts them:
// it has no bound of depth, follows an object table wherever it leads, takes
// the last of two values, drops a key without a value, and panics on a nil that
// is to be written. So everything is checked before it is decoded: an XML
// property list by a scan of its tokens, a binary one by a walk over its object
// table, loops included, which hands the library XML. What passes has exactly
// one meaning.
//
// Input that is refused gives an [*mdm.Error]: [mdm.CodeMalformed] when it is
// not a property list that has one meaning, [mdm.CodeTooLarge] when it exceeds
// one of the [Limits]. Messages name keys and elements and never quote values,
// which may be secrets. Values of the wrong type are CodeMalformed as well.
//
// The format: Apple's property list DTD (PropertyList-1.0.dtd) and, for binary
// ones, the description in CFBinaryPList.c of the published CoreFoundation.
package plist
