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
	root     = []string{"."}
	inmem    = []string{"./storage/inmem"}
	sqlstore = []string{"./storage/sqlstore"}
)

// mutants are kept as long as what they break is kept. Each has been caught.
var mutants = []mutant{
	{"pin-not-compared", "any certificate speaks for any enrolled device",
		"queue/entry.go", "	default:\n		return StandingRefused\n", "	default:\n		return StandingGood\n",
		"TestCertificateOfAnother", root},
	{"signature-not-of-body", "a signature of anything is accepted",
		"apple/signature.go", "err := p7.Verify(); err != nil", "err := p7.Verify(); err != nil && false",
		"SignatureBy", root},
	{"challenge-for-ever", "an enrollment link works after its time",
		"identity/intent.go", "case !now.Before(i.ExpiresAt):", "case false:",
		".", []string{"./identity"}},
	{"another-devices-intent", "a link for one serial number enrolls every device",
		"identity/intent.go", "case !expected(i.Serials, f.Serial):", "case false && !expected(i.Serials, f.Serial):",
		"LinkForAnother", root},
	{"answer-before-commit", "success is answered although the unit was rolled back",
		"storage/inmem/store.go", "	if err := t.write(\"commit\"); err != nil {\n		return err\n	}\n", "	if err := t.write(\"commit\"); err != nil {\n		return nil\n	}\n",
		"FaultAtEveryWrite/Apple/inmem", root},
	{"no-generation-check", "an answer of an earlier life is evidence",
		"storage/sqlstore/evidence.go", " AND e.generation = ?)", " AND e.generation >= 0 * ?)",
		".", sqlstore},
	{"order-not-compared", "an answer to an earlier instruction is evidence",
		"storage/sqlstore/evidence.go", "AND ordered = ? AND ack < ?\n\t\tAND EXISTS", "AND ordered >= 0 * ? AND ack < ?\n\t\tAND EXISTS",
		".", sqlstore},
	{"not-marked-as-sent", "hand-out leaves no mark, so what has left can be taken back",
		"storage/sqlstore/queue.go", " SET sent_at = ?, sent = sent + 1", " SET sent_at = ?, sent = sent + 0",
		".", sqlstore},
	{"resource-key-ignored", "a later command on the same thing overtakes",
		"storage/sqlstore/queue.go", "(q.resource = '' OR NOT EXISTS", "(q.resource = q.resource OR NOT EXISTS",
		".", sqlstore},
	{"once-leaves-twice", "a key rotation is sent again after a lost reply",
		"storage/inmem/queue.go", " || w.Redelivery == mdm.Once && w.Sent > 0", "",
		".", inmem},
	{"late-answer-dropped", "what a device answers after a cancel is lost",
		"storage/inmem/queue.go", "return f, t.done.put(t, \"done\", seq, d)", "return f, nil",
		".", inmem},
	{"edit-not-compared", "one administrator overwrites what another changed meanwhile",
		"profiles/manage_update.go", "if len(was) == 0 || slices.Contains(was, p.Edit) {", "if len(was) == 0 || p.Edit > 0 {",
		"ETag|Administrators", []string{".", "./adminapi"}},
	{"edit-overtaken", "of two edits at the same time the later one wins",
		"storage/sqlstore/profiles.go", "edit = edit + 1 WHERE tenant = ? AND id = ? AND edit = ?`", "edit = edit + 1 WHERE tenant = ? AND id = ? AND edit >= 0 * ?`",
		".", sqlstore},
	{"deletion-overtaken", "a deletion takes an edit with it that came in between",
		"storage/sqlstore/profiles.go", "DELETE FROM keelson_profile WHERE tenant = ? AND id = ? AND edit = ?", "DELETE FROM keelson_profile WHERE tenant = ? AND id = ? AND edit >= 0 * ?",
		".", sqlstore},
	{"key-for-anything", "a known idempotency key answers for another request",
		"queue/repeat.go", "	if !same(&first, &c) {\n", "	if false && !same(&first, &c) {\n",
		".", []string{"./queue", "./adminapi"}},
	{"actor-lost", "who deleted a host is not told",
		"lifecycle/leave.go", "ExternalID: h.ExternalID, Actor: who}", "ExternalID: h.ExternalID}",
		"WhoAndWhy|Events|Delete", []string{".", "./adminapi", "./lifecycle"}},
	{"plan-over-evidence", "a plan that commits beside an acknowledgement erases it",
		"storage/inmem/plans.go", "			old := m[row.Slot] // what the device answered and showed stays\n", "			old := m[row.Slot]\n			if old.Slot != 0 {\n				old = row\n			}\n",
		".", inmem},
	{"unknown-is-no", "a label that could not be evaluated takes profiles away",
		"profiles/tri.go", "	default:\n		return Unknown\n	}\n}\n\n// Or", "	default:\n		return No\n	}\n}\n\n// Or",
		"LabelsDecide", root},
	{"network-removed-first", "a Wi-Fi profile goes before its successor is acknowledged",
		"profiles/plan_remove.go", "				s.held = true\n", "				s.held = false\n",
		"PlanHolds", []string{"./profiles"}},
	{"lost-is-empty", "a Windows removal whose content cannot be read drops its row and leaves its nodes",
		"profiles/plan_remove.go", "	if s.frozen {\n		return recall(s.row)\n	}\n", "",
		"RemovalOfUnreadable", []string{"./profiles"}},
	{"seal-not-bound", "a sealed value opens in another row",
		"mdm/seal.go", "strings.Join([]string{\"keelson/1\", string(t), table, row}, \"\\x00\")", "strings.Join([]string{\"keelson/1\", string(t), table}, \"\\x00\")",
		"Box|Sealed", []string{"./mdm"}},
	{"sweep-off", "what no mark was set for is never planned again",
		"profiles/reconcile.go", "for _, team := range append(teams, Team{}) {", "for _, team := range append(teams, Team{})[:0] {",
		"Sweep", []string{"./profiles"}},
	{"fingerprint-of-the-ra", "devices are given a fingerprint that they compare with another certificate",
		"keelson.go", "sha1.Sum(m.authority.Raw)", "sha1.Sum(m.ra.Certificate.Raw)",
		"RegistrationAuthority", root},
	{"renewed-for-ever", "a certificate that lives shortly is due for renewal from its first day",
		"windows/provision.go", "r.Days = min(r.Days,", "r.Days = max(r.Days,",
		"ShortLived", root},
	{"reply-cache-off", "a repeated post runs a Windows session's commands twice",
		"windows/exchange.go", "if x.out = x.replayed(ctx, row, st); x.out != nil {", "if x.out = x.replayed(ctx, row, st); x.out != nil && false {",
		"Replay|Repeat|Duplicate|Same", []string{"./windows"}},
	{"page-behind-page", "a page of a profile's hosts begins behind a host that was not told",
		"profiles/hosts.go", "page.Next = page.Hosts[limit-1].Host", "page.Next = v.Host",
		"Hosts", []string{"./profiles"}},
	{"used-links-are-open", "a link that was used up is listed as open",
		"storage/sqlstore/screens.go", "NOT revoked AND (used < quota OR used < 1)`", "NOT revoked`",
		".", sqlstore},
	{"new-profile-of-an-old-command", "a command is said to be about a profile that was made after it",
		"profiles/about.go", " && !p.CreatedAt.After(d.Queued)", "",
		"Commands", []string{"./profiles"}},
	{"hosts-without-leave", "who may see profiles sees hosts",
		"api_profile_hosts.go", "a.t.may(ctx, \"hosts.read\", \"\"); err != nil", "a.t.may(ctx, \"hosts.read\", \"\"); err != nil && false",
		"HostsOfAProfileAreHosts", root},
}
