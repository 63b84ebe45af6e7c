package syncml

// Limits bounds what a decoder accepts. A nil pointer and every zero or
// negative field mean the default.
type Limits struct {
	MaxBytes    int64 // of the whole message; 16 MiB
	MaxDepth    int   // of nested elements, those inside Data included; 64
	MaxCommands int   // nested ones included; 10,000
	MaxItems    int   // items and references together; 50,000
}

const (
	defaultMaxBytes    = 16 << 20
	defaultMaxDepth    = 64
	defaultMaxCommands = 10_000
	defaultMaxItems    = 50_000
)

func (l *Limits) orDefault() Limits {
	var r Limits
	if l != nil {
		r = *l
	}
	if r.MaxBytes <= 0 {
		r.MaxBytes = defaultMaxBytes
	}
	if r.MaxDepth <= 0 {
		r.MaxDepth = defaultMaxDepth
	}
	if r.MaxCommands <= 0 {
		r.MaxCommands = defaultMaxCommands
	}
	if r.MaxItems <= 0 {
		r.MaxItems = defaultMaxItems
	}
	return r
}
