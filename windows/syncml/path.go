package syncml

import (
	"strconv"
	"strings"
)

// path names the element that is being read or written, for errors:
// "commands[2].item[0].target".
type path []step

type step struct {
	name  string
	index int // -1 when there is only one
}

func (p *path) push(name string, index int) { *p = append(*p, step{name, index}) }

func (p *path) pop() { *p = (*p)[:len(*p)-1] }

func (p path) String() string {
	var b strings.Builder
	for i, s := range p {
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(s.name)
		if s.index >= 0 {
			b.WriteByte('[')
			b.WriteString(strconv.Itoa(s.index))
			b.WriteByte(']')
		}
	}
	return b.String()
}
