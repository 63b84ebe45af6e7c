package plist

import "bytes"

// vouched reports whether a document is plain, and so within limits and well
// formed.
func vouched(data []byte, l Limits) bool {
	var p plain
	p.begin(data, l)
	for {
		switch p.next().kind {
		case declined:
			return false
		case endDocument:
			return true
		}
	}
}

// plainDict is [Dict] of a plain document.
func plainDict(data []byte, limits *Limits) (map[string]any, bool) {
	l := limits.orDefault()
	if len(data) > l.Bytes {
		return nil, false
	}
	var p plain
	p.begin(bytes.TrimPrefix(data, []byte(byteOrderMark)), l)
	if p.next().kind != beginDict {
		return nil, false
	}
	d, ok := p.dict()
	return d, ok && p.next().kind == endDocument
}

// dict reads what is in a dictionary that has begun.
func (p *plain) dict() (map[string]any, bool) {
	d := make(map[string]any)
	for {
		t := p.next()
		if t.kind != keyToken {
			return d, t.kind == endContainer
		}
		v, ok := p.of(p.next())
		if !ok {
			return nil, false
		}
		d[string(t.text)] = v
	}
}

// of returns the value that a token is, or begins.
func (p *plain) of(t token) (any, bool) {
	switch t.kind {
	case beginDict:
		return p.dict()
	case beginArray:
		a := []any{}
		for {
			t := p.next()
			if t.kind == endContainer {
				return a, true
			}
			v, ok := p.of(t)
			if !ok {
				return nil, false
			}
			a = append(a, v)
		}
	case stringToken:
		return t.string(), true
	case integerToken:
		return integerOf(t.text), true
	case realToken:
		return realOf(t.text)
	case dateToken:
		return dateOf(t.text)
	case dataToken:
		return dataOf(t.text)
	case trueToken, falseToken:
		return t.kind == trueToken, true
	}
	return nil, false
}

// skip reads to the end of the value that a token is, or begins.
func (p *plain) skip(t token) bool {
	for depth := 0; ; t = p.next() {
		switch t.kind {
		case declined, endDocument:
			return false
		case beginDict, beginArray:
			depth++
		case endContainer:
			depth--
		}
		if depth == 0 {
			return t.kind != keyToken
		}
	}
}
