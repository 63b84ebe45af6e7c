package main

// mutant is one seeded defect.
type mutant struct {
	name     string
	defect   string
	file     string
	old, new string // old stands once in the file
	tests    string // -run
	packages []string
}

var (
	root    = []string{"."}
	storage = []string{"./storage/..."}
)

// mutants are kept as long as what they break is kept. Each has been caught.
var mutants = []mutant{
	{"pin-not-compared", "any certificate speaks for any enrolled device",
		"queue/entry.go", "	default:\n		return StandingRefused\n", "	default:\n		return StandingGood\n",
		"TestCertificateOfAnother", root},
	{"signature-not-of-body", "a signature of anything is accepted",
		"apple/signature.go", "err := sig.Verify(key, body); err != nil", "err := sig.Verify(key, body); err != nil && false",
		"SignatureBy", root},
	{"digest-not-compared", "signed attributes of one message vouch for another",
		"internal/cms/verify.go", "if !bytes.Equal(sum, s.digest) {", "if false && !bytes.Equal(sum, s.digest) {",
		".", []string{"./internal/cms"}},
	{"remembered-for-ever", "a certificate that was verified once never expires",
		"identity/memory.go", " || !e.span.Contains(now)", "",
		".", []string{"./identity"}},
	{"remembered-anywhere", "a certificate that was verified once outlives its authority",
		"identity/memory.go", " || e.by != by", "",
		".", []string{"./identity"}},
	{"remembered-in-another-tenant", "a certificate that was verified for one tenant counts in another",
		"identity/memory.go", " || e.tenant != t", "",
		".", []string{"./identity"}},
	{"challenge-for-ever", "an enrollment link works after its time",
		"identity/intent.go", "case !now.Before(i.ExpiresAt):", "case false:",
		".", []string{"./identity"}},
	{"another-devices-intent", "a link for one serial number enrolls every device",
		"identity/intent.go", "case !expected(i.Serials, f.Serial):", "case false && !expected(i.Serials, f.Serial):",
		"LinkForAnother", root},
	{"answer-before-commit", "success is answered although the unit was rolled back",
		"storage/inmem/store.go", "	if err := t.write(\"commit\"); err != nil {\n		return err\n	}\n", "	if err := t.write(\"commit\"); err != nil {\n		return nil\n	}\n",
		"FaultAtEveryWrite", root},
	{"no-generation-check", "an answer of an earlier life is evidence",
		"storage/sqlstore/evidence.go", " AND e.generation = ?9)", " AND e.generation >= 0 * ?9)",
		".", storage},
	{"order-not-compared", "an answer to an earlier instruction is evidence",
		"storage/sqlstore/evidence.go", "AND ordered = ?4 AND ack < ?4", "AND ack < ?4",
		".", storage},
	{"not-marked-as-sent", "hand-out leaves no mark, so what has left can be taken back",
		"storage/sqlstore/queue.go", "SET sent_at = ?, sent = sent + 1", "SET sent_at = ?, sent = sent + 0",
		".", storage},
	{"resource-key-ignored", "a later command on the same thing overtakes",
		"storage/sqlstore/queue.go", "(q.resource = '' OR NOT EXISTS", "(q.resource = q.resource OR NOT EXISTS",
		".", storage},
	{"once-leaves-twice", "a key rotation is sent again after a lost reply",
		"storage/inmem/queue.go", " || w.Redelivery == mdm.Once && w.Sent > 0", "",
		".", storage},
	{"late-answer-dropped", "what a device answers after a cancel is lost",
		"storage/inmem/queue.go", "return f, t.done.put(t, \"done\", seq, d)", "return f, nil",
		".", storage},
	{"plan-over-evidence", "a plan that commits beside an acknowledgement erases it",
		"storage/inmem/plans.go", "			old := m[row.Slot] // what the device answered and showed stays\n", "			old := row\n",
		".", storage},
	{"unknown-is-no", "a label that could not be evaluated takes profiles away",
		"profiles/tri.go", "	default:\n		return Unknown\n	}\n}\n\n// Or", "	default:\n		return No\n	}\n}\n\n// Or",
		"LabelsDecide", root},
	{"network-removed-first", "a Wi-Fi profile goes before its successor is acknowledged",
		"profiles/plan_remove.go", "				s.held = true\n", "				s.held = false\n",
		".", []string{"./profiles"}},
	{"seal-not-bound", "a sealed value opens in another row",
		"mdm/seal.go", "strings.Join([]string{\"keelson/1\", string(t), table, row}, \"\\x00\")", "strings.Join([]string{\"keelson/1\", string(t), table}, \"\\x00\")",
		"Box|Sealed", []string{"./mdm"}},
	{"sweep-off", "what no mark was set for is never planned again",
		"profiles/reconcile.go", "for _, team := range append(teams, Team{}) {", "for _, team := range append(teams, Team{})[:0] {",
		"Sweep", []string{"./profiles"}},
	{"reply-cache-off", "a repeated post runs a Windows session's commands twice",
		"windows/exchange.go", "if x.out = x.replayed(ctx, row, st); x.out != nil {", "if x.out = x.replayed(ctx, row, st); x.out != nil && false {",
		"Replay|Repeat|Duplicate|Same", []string{"./windows"}},
}
