package plist

import (
	"bytes"
	"math"
)

// plain reads XML property lists as nearly every writer writes them, without
// allocating: no comments, no CDATA, no attributes but the version. It either vouches for a document, which then means the same to the
// library, or declines it, which says nothing: the scan by tokens decides.
//
// So it errs on one side only, and what is refused is refused, and worded, in
// one place.
type plain struct {
	data    []byte
	rest    []byte // of data
	limits  Limits
	depth   int
	items   int
	state   plainState
	closing bool // within an empty element, whose end comes next
	count   int  // of names
	// No pointers: the two are cleared for every document.
	open  [plainDepth]plainFrame // the containers, outermost first
	names [plainKeys]plainName   // the keys of the open dictionaries
}

const (
	// plainDepth bounds what is read here; it is that of DefaultDepth.
	plainDepth = 64
	// plainKeys bounds the keys of the open dictionaries, as each is compared
	// with those before it.
	plainKeys = 200
)

type plainState uint8

const (
	plainBegin plainState = iota
	plainRoot             // <plist> is open and has no value
	plainInside
	plainDone // it has its value
	plainEnd
)

// plainFrame is an open dictionary or array.
type plainFrame struct {
	dict    bool
	waiting bool   // for the value of its last key
	first   uint16 // of its keys in plain.names
}

// plainName is a key, as a part of the document.
type plainName struct{ from, to uint32 }

// token is what next reads.
type token struct {
	kind kind
	// text stands between the tags, of a key without and of a string perhaps
	// with entities.
	text    []byte
	escaped bool
}

type kind uint8

const (
	declined kind = iota
	beginDict
	beginArray
	endContainer
	endDocument
	keyToken
	stringToken
	integerToken
	realToken
	dateToken
	dataToken
	trueToken
	falseToken
)

// begin makes p ready to read a document without a byte-order mark.
func (p *plain) begin(data []byte, l Limits) {
	p.data, p.rest, p.limits = data, data, l
	p.limits.Depth = min(l.Depth, plainDepth)
}

// skips cuts a prefix off the rest.
func (p *plain) skips(prefix string) bool {
	if len(p.rest) < len(prefix) || string(p.rest[:len(prefix)]) != prefix {
		return false
	}
	p.rest = p.rest[len(prefix):]
	return true
}

func (p *plain) space() {
	i := 0
	for i < len(p.rest) && classes[p.rest[i]]&classSpace != 0 {
		i++
	}
	p.rest = p.rest[i:]
}

// usualProlog is how Apple's own writers begin.
const usualProlog = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">`

// prolog reads up to behind <plist>.
func (p *plain) prolog() bool {
	if p.skips(usualProlog) {
		return true
	}
	p.space()
	if p.skips(`<?xml version="1.0"`) {
		if p.skips(` encoding="`) && !p.skips(`UTF-8"`) && !p.skips(`utf-8"`) {
			return false
		}
		if !p.skips(`?>`) {
			return false
		}
		p.space()
	}
	if p.skips(`<!DOCTYPE plist `) {
		end := bytes.IndexByte(p.rest, '>')
		if end < 0 || bytes.ContainsAny(p.rest[:end], "<'&[") || bytes.Count(p.rest[:end], []byte{'"'})%2 != 0 {
			return false
		}
		p.rest = p.rest[end+1:]
		p.space()
	}
	return p.skips(`<plist version="1.0">`) || p.skips(`<plist>`)
}

// next reads one token; its zero value declines the document, once and for all.
func (p *plain) next() token {
	if p.closing {
		p.closing = false
		return p.leave()
	}
	if p.state == plainBegin {
		if !p.prolog() {
			return token{}
		}
		p.state = plainRoot
	}
	p.space()
	if p.state == plainDone {
		return p.finish()
	}
	if len(p.rest) < 4 || p.rest[0] != '<' {
		return token{}
	}
	if p.rest[1] == '/' {
		return p.close()
	}
	if p.items++; p.items > p.limits.Items {
		return token{}
	}
	if p.rest[1] == 'k' {
		return p.key()
	}
	return p.value()
}

// finish reads what stands behind the one value.
func (p *plain) finish() token {
	if !p.skips("</plist>") {
		return token{}
	}
	p.space()
	if len(p.rest) > 0 {
		return token{}
	}
	p.state = plainEnd
	return token{kind: endDocument}
}

func (p *plain) key() token {
	if p.depth == 0 || !p.skips("<key>") {
		return token{}
	}
	f := &p.open[p.depth-1]
	if !f.dict || f.waiting || p.count == plainKeys || len(p.data) > math.MaxInt32 {
		return token{}
	}
	from := len(p.data) - len(p.rest)
	name, escaped, ok := p.text("</key>")
	if !ok || escaped {
		return token{}
	}
	for _, n := range p.names[f.first:p.count] {
		if int(n.to-n.from) == len(name) && bytes.Equal(p.data[n.from:n.to], name) {
			return token{}
		}
	}
	p.names[p.count] = plainName{uint32(from), uint32(from + len(name))}
	p.count++
	f.waiting = true
	return token{kind: keyToken, text: name}
}

// value reads a scalar, or the beginning of a container.
func (p *plain) value() token {
	if p.depth > 0 {
		if f := &p.open[p.depth-1]; f.dict {
			if !f.waiting {
				return token{}
			}
			f.waiting = false
		}
	} else if p.state != plainRoot {
		return token{}
	}
	p.state = plainInside
	var t token
	switch p.rest[1] {
	case 's':
		t = p.scalar(stringToken, "<string>", "</string>", "<string/>")
	case 'd':
		switch {
		case p.skips("<dict>"):
			return p.enter(true)
		case p.skips("<dict/>"):
			return p.hollow(true)
		case p.rest[3] == 't' && len(p.rest) > 4 && p.rest[4] == 'a':
			t = p.scalar(dataToken, "<data>", "</data>", "<data/>")
		default:
			t = p.scalar(dateToken, "<date>", "</date>", "")
		}
	case 'a':
		switch {
		case p.skips("<array>"):
			return p.enter(false)
		case p.skips("<array/>"):
			return p.hollow(false)
		}
	case 'i':
		t = p.scalar(integerToken, "<integer>", "</integer>", "")
	case 'r':
		t = p.scalar(realToken, "<real>", "</real>", "")
	case 't':
		if p.skips("<true/>") {
			t.kind = trueToken
		}
	case 'f':
		if p.skips("<false/>") {
			t.kind = falseToken
		}
	}
	p.ended()
	return t
}

// ended notes that a value has ended.
func (p *plain) ended() {
	if p.depth == 0 {
		p.state = plainDone
	}
}

func (p *plain) enter(dict bool) token {
	if p.depth >= p.limits.Depth {
		return token{}
	}
	p.open[p.depth] = plainFrame{dict: dict, first: uint16(p.count)}
	p.depth++
	if dict {
		return token{kind: beginDict}
	}
	return token{kind: beginArray}
}

// hollow is enter for an element that is its own end.
func (p *plain) hollow(dict bool) token {
	t := p.enter(dict)
	p.closing = t.kind != declined
	return t
}

// close reads the end of a container.
func (p *plain) close() token {
	if p.depth == 0 {
		return token{}
	}
	f := p.open[p.depth-1]
	if f.dict && (f.waiting || !p.skips("</dict>")) || !f.dict && !p.skips("</array>") {
		return token{}
	}
	return p.leave()
}

func (p *plain) leave() token {
	p.count = int(p.open[p.depth-1].first)
	p.depth--
	p.ended()
	return token{kind: endContainer}
}
