package adminapi

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/textproto"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
)

const nobody = "0199ffff-0000-7000-8000-000000000000" // a UUID of nothing

// row is one request to one route, and what it must be answered.
type row struct {
	route, name string
	request
	status int
	code   mdm.Code // empty for success
	field  string
}

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// form makes a multipart body and its content type.
func form(parts ...string) (body string, header map[string]string) {
	var b strings.Builder
	w := multipart.NewWriter(&b)
	for i := 0; i < len(parts); i += 2 {
		h := textproto.MIMEHeader{"Content-Disposition": {fmt.Sprintf("form-data; name=%q; filename=\"x\"", parts[i])}}
		p, err := w.CreatePart(h)
		if err == nil {
			_, err = p.Write([]byte(parts[i+1]))
		}
		if err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.String(), map[string]string{"Content-Type": w.FormDataContentType()}
}

// rows are every route, happy and refused.
func rows() []row {
	return slices.Concat(hostRows(), commandRows(), profileRows(), uploadRows(), scopeRows(), otherRows())
}

func hostRows() []row {
	h := "/hosts/"
	return []row{
		{"listHosts", "all", request{get, "/hosts", "", nil}, 200, "", ""},
		{"listHosts", "first page", request{get, "/hosts?limit=1", "", nil}, 200, "", ""},
		{"listHosts", "filters", request{get, "/hosts?platform=macos&state=enrolled&team=&search=ada&deleted=false&limit=500", "", nil}, 200, "", ""},
		{"listHosts", "of a team", request{get, "/hosts?team=$team", "", nil}, 200, "", ""},
		{"listHosts", "of an unknown team", request{get, "/hosts?team=" + nobody, "", nil}, 404, mdm.CodeNotFound, "team"},
		{"listHosts", "malformed cursor", request{get, "/hosts?cursor=!!", "", nil}, 400, mdm.CodeMalformed, "cursor"},
		{"listHosts", "cursor of another list", request{get, "/hosts?cursor=" + cursor(commandCursor, nobody), "", nil}, 400, mdm.CodeMalformed, "cursor"},
		{"listHosts", "cursor of nothing", request{get, "/hosts?cursor=" + cursor(hostCursor, nobody), "", nil}, 400, mdm.CodeMalformed, "cursor"},
		{"listHosts", "limit above", request{get, "/hosts?limit=501", "", nil}, 422, mdm.CodeInvalid, "limit"},
		{"listHosts", "limit of nothing", request{get, "/hosts?limit=0", "", nil}, 422, mdm.CodeInvalid, "limit"},
		{"listHosts", "limit in words", request{get, "/hosts?limit=ten", "", nil}, 422, mdm.CodeInvalid, "limit"},
		{"listHosts", "unknown platform", request{get, "/hosts?platform=beos", "", nil}, 422, mdm.CodeInvalid, "platform"},
		{"listHosts", "unknown state", request{get, "/hosts?state=lost", "", nil}, 422, mdm.CodeInvalid, "state"},
		{"listHosts", "deleted is no boolean", request{get, "/hosts?deleted=1", "", nil}, 422, mdm.CodeInvalid, "deleted"},
		{"listHosts", "unknown parameter", request{get, "/hosts?stat=enrolled", "", nil}, 422, mdm.CodeInvalid, "stat"},
		{"listHosts", "parameter twice", request{get, "/hosts?state=enrolled&state=pending", "", nil}, 422, mdm.CodeInvalid, "state"},
		{"listHosts", "query that is none", request{get, "/hosts?a=%zz", "", nil}, 400, mdm.CodeMalformed, ""},

		{"getHost", "one", request{get, h + "$mac", "", nil}, 200, "", ""},
		{"getHost", "pending", request{get, h + "$pending", "", nil}, 200, "", ""},
		{"getHost", "unknown", request{get, h + nobody, "", nil}, 404, mdm.CodeNotFound, ""},
		{"getHost", "no id", request{get, h + "17", "", nil}, 404, mdm.CodeNotFound, "host"},

		{"ensureHost", "new", request{put, h + "by-external/asset-2", `{"platform":"ipados","serial":"S2","hardware_id":"H","name":"N","model":"M","os_version":"18","team":"$team"}`, nil}, 200, "", ""},
		{"ensureHost", "again", request{put, h + "by-external/asset-1", `{}`, nil}, 200, "", ""},
		{"ensureHost", "key with a slash", request{put, h + "by-external/a%2Fb%2F", `{}`, nil}, 200, "", ""},
		{"ensureHost", "key with a line break", request{put, h + "by-external/a%0Ab", `{}`, nil}, 422, mdm.CodeInvalid, "external"},
		{"ensureHost", "key of spaces", request{put, h + "by-external/%20", `{}`, nil}, 422, mdm.CodeInvalid, "external"},
		{"ensureHost", "key that is no text", request{put, h + "by-external/%ff", `{}`, nil}, 422, mdm.CodeInvalid, "external"},
		{"ensureHost", "unknown platform", request{put, h + "by-external/x", `{"platform":"beos"}`, nil}, 422, mdm.CodeInvalid, "platform"},
		{"ensureHost", "unknown team", request{put, h + "by-external/x", `{"team":"` + nobody + `"}`, nil}, 404, mdm.CodeNotFound, "team"},
		{"ensureHost", "unknown field", request{put, h + "by-external/x", `{"serail":"S"}`, nil}, 422, mdm.CodeInvalid, "serail"},
		{"ensureHost", "field in another case", request{put, h + "by-external/x", `{"Serial":"S"}`, nil}, 422, mdm.CodeInvalid, "Serial"},
		{"ensureHost", "null", request{put, h + "by-external/x", `{"serial":null}`, nil}, 422, mdm.CodeInvalid, "serial"},
		{"ensureHost", "no object", request{put, h + "by-external/x", `null`, nil}, 422, mdm.CodeInvalid, ""},
		{"ensureHost", "field twice", request{put, h + "by-external/x", `{"serial":"A","serial":"B"}`, nil}, 422, mdm.CodeInvalid, "serial"},
		{"ensureHost", "too long", request{put, h + "by-external/x", `{"serial":"` + strings.Repeat("é", 256) + `"}`, nil}, 422, mdm.CodeInvalid, "serial"},
		{"ensureHost", "NUL", request{put, h + "by-external/x", `{"serial":"\u0000"}`, nil}, 422, mdm.CodeInvalid, "serial"},
		{"ensureHost", "no JSON", request{put, h + "by-external/x", `{"serial":`, nil}, 400, mdm.CodeMalformed, ""},
		{"ensureHost", "more behind it", request{put, h + "by-external/x", `{}{}`, nil}, 400, mdm.CodeMalformed, ""},
		{"ensureHost", "no UTF-8", request{put, h + "by-external/x", "{\"serial\":\"\xff\"}", nil}, 400, mdm.CodeMalformed, ""},
		{"ensureHost", "deep", request{put, h + "by-external/x", strings.Repeat(`[`, 17), nil}, 413, mdm.CodeTooLarge, strings.Repeat("[0]", 16)},
		{"ensureHost", "no body", request{put, h + "by-external/x", "", nil}, 415, mdm.CodeUnsupported, "Content-Type"},
		{"ensureHost", "a form", request{put, h + "by-external/x", "serial=S", map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}, 415, mdm.CodeUnsupported, "Content-Type"},
		{"ensureHost", "another charset", request{put, h + "by-external/x", "{}", map[string]string{"Content-Type": "application/json; charset=latin1"}}, 415, mdm.CodeUnsupported, "Content-Type"},
		{"ensureHost", "compressed", request{put, h + "by-external/x", "{}", map[string]string{"Content-Encoding": "gzip"}}, 415, mdm.CodeUnsupported, "Content-Encoding"},

		{"setHostTeam", "to a team", request{patch, h + "$mac", `{"team":"$team"}`, nil}, 204, "", ""},
		{"setHostTeam", "to none", request{patch, h + "$mac", `{"team":""}`, nil}, 204, "", ""},
		{"setHostTeam", "nothing said", request{patch, h + "$mac", `{}`, nil}, 422, mdm.CodeInvalid, "team"},
		{"setHostTeam", "unknown team", request{patch, h + "$mac", `{"team":"` + nobody + `"}`, nil}, 404, mdm.CodeNotFound, "team"},
		{"setHostTeam", "unknown host", request{patch, h + nobody, `{"team":"$team"}`, nil}, 404, mdm.CodeNotFound, ""},
		{"setHostTeam", "no id", request{patch, h + "x", `{"team":"$team"}`, nil}, 404, mdm.CodeNotFound, "host"},

		{"unenrollHost", "one", request{post, h + "$mac/unenroll", "", nil}, 204, "", ""},
		{"unenrollHost", "unknown", request{post, h + nobody + "/unenroll", "", nil}, 404, mdm.CodeNotFound, ""},
		{"unenrollHost", "no id", request{post, h + "x/unenroll", "", nil}, 404, mdm.CodeNotFound, "host"},

		{"deleteHost", "one", request{del, h + "$mac", "", nil}, 204, "", ""},
		{"deleteHost", "unknown", request{del, h + nobody, "", nil}, 404, mdm.CodeNotFound, ""},
		{"deleteHost", "no id", request{del, h + "x", "", nil}, 404, mdm.CodeNotFound, "host"},

		{"explainProfile", "wanted", request{get, h + "$mac/profiles/$dock/explain", "", nil}, 200, "", ""},
		{"explainProfile", "not wanted", request{get, h + "$pc/profiles/$dock/explain", "", nil}, 200, "", ""},
		{"explainProfile", "by a label", request{get, h + "$pc/profiles/$lock/explain", "", nil}, 200, "", ""},
		{"explainProfile", "unknown profile", request{get, h + "$mac/profiles/" + nobody + "/explain", "", nil}, 404, mdm.CodeNotFound, ""},
		{"explainProfile", "no id of a profile", request{get, h + "$mac/profiles/x/explain", "", nil}, 404, mdm.CodeNotFound, "profile"},
		{"explainProfile", "no id of a host", request{get, h + "x/profiles/$dock/explain", "", nil}, 404, mdm.CodeNotFound, "host"},
	}
}

func commandRows() []row {
	at := "/hosts/$mac/commands"
	info := `{"kind":"DeviceInformation","content":"` + b64([]byte("OSVersion")) + `"`
	return []row{
		{"listCommands", "all", request{get, at, "", nil}, 200, "", ""},
		{"listCommands", "first page", request{get, at + "?limit=2", "", nil}, 200, "", ""},
		{"listCommands", "of a PC", request{get, "/hosts/$pc/commands", "", nil}, 200, "", ""},
		{"listCommands", "none", request{get, "/hosts/$pending/commands", "", nil}, 200, "", ""},
		{"listCommands", "unknown host", request{get, "/hosts/" + nobody + "/commands", "", nil}, 404, mdm.CodeNotFound, ""},
		{"listCommands", "no id", request{get, "/hosts/x/commands", "", nil}, 404, mdm.CodeNotFound, "host"},
		{"listCommands", "malformed cursor", request{get, at + "?cursor=AAAA", "", nil}, 400, mdm.CodeMalformed, "cursor"},
		{"listCommands", "cursor of nothing", request{get, at + "?cursor=" + cursor(commandCursor, nobody), "", nil}, 400, mdm.CodeMalformed, "cursor"},

		{"sendCommand", "information", request{post, at, info + `,"urgent":true,"not_before":"2026-05-01T13:00:00Z","expires":"2026-05-02T12:00:00+02:00","redelivery":"once","resource":"r","supersede":"s"}`, nil}, 202, "", ""},
		{"sendCommand", "once for a key", request{post, at, info + `}`, map[string]string{"Idempotency-Key": "k1"}}, 202, "", ""},
		{"sendCommand", "SyncML", request{post, "/hosts/$pc/commands", `{"kind":"SyncML","content":"` + b64(lockScreen) + `"}`, nil}, 202, "", ""},
		{"sendCommand", "of the other platform", request{post, "/hosts/$pc/commands", info + `}`, nil}, 422, mdm.CodeInvalid, "kind"},
		{"sendCommand", "nothing that Apple knows", request{post, at, `{"kind":"Raw","content":"` + b64([]byte("x")) + `"}`, nil}, 400, mdm.CodeMalformed, "*"},
		{"sendCommand", "no kind", request{post, at, `{}`, nil}, 422, mdm.CodeInvalid, "kind"},
		{"sendCommand", "no base64", request{post, at, `{"kind":"Raw","content":"%"}`, nil}, 422, mdm.CodeInvalid, "content"},
		{"sendCommand", "a time that is none", request{post, at, info + `,"expires":"tomorrow"}`, nil}, 422, mdm.CodeInvalid, "expires"},
		{"sendCommand", "expired", request{post, at, info + `,"expires":"2020-01-01T00:00:00Z"}`, nil}, 422, mdm.CodeInvalid, "expires"},
		{"sendCommand", "unknown redelivery", request{post, at, info + `,"redelivery":"often"}`, nil}, 422, mdm.CodeInvalid, "redelivery"},
		{"sendCommand", "urgent in words", request{post, at, info + `,"urgent":"yes"}`, nil}, 422, mdm.CodeInvalid, "urgent"},
		{"sendCommand", "empty key", request{post, at, info + `}`, map[string]string{"Idempotency-Key": strings.Repeat("k", 256)}}, 422, mdm.CodeInvalid, "Idempotency-Key"},
		{"sendCommand", "not enrolled", request{post, "/hosts/$pending/commands", `{"kind":"Raw"}`, nil}, 422, mdm.CodeInvalid, "kind"},
		{"sendCommand", "unknown host", request{post, "/hosts/" + nobody + "/commands", info + `}`, nil}, 404, mdm.CodeNotFound, ""},
		{"sendCommand", "no id", request{post, "/hosts/x/commands", info + `}`, nil}, 404, mdm.CodeNotFound, "host"},

		{"getCommand", "waiting", request{get, "/commands/$waiting", "", nil}, 200, "", ""},
		{"getCommand", "ended", request{get, "/commands/$answered", "", nil}, 200, "", ""},
		{"getCommand", "of a profile", request{get, "/commands/$install", "", nil}, 200, "", ""},
		{"getCommand", "unknown", request{get, "/commands/" + nobody, "", nil}, 404, mdm.CodeNotFound, ""},
		{"getCommand", "no id", request{get, "/commands/x", "", nil}, 404, mdm.CodeNotFound, "command"},

		{"cancelCommand", "waiting", request{del, "/commands/$waiting", "", nil}, 200, "", ""},
		{"cancelCommand", "left", request{del, "/commands/$left", "", nil}, 409, mdm.CodeTooLate, ""},
		{"cancelCommand", "ended", request{del, "/commands/$answered", "", nil}, 409, mdm.CodeTooLate, ""},
		{"cancelCommand", "of an engine", request{del, "/commands/$install", "", nil}, 403, mdm.CodeForbidden, "id"},
		{"cancelCommand", "unknown", request{del, "/commands/" + nobody, "", nil}, 404, mdm.CodeNotFound, ""},
		{"cancelCommand", "no id", request{del, "/commands/x", "", nil}, 404, mdm.CodeNotFound, "command"},

		{"getCommandAnswer", "one", request{get, "/commands/$answered/answer", "", nil}, 200, "", ""},
		{"getCommandAnswer", "none yet", request{get, "/commands/$waiting/answer", "", nil}, 404, mdm.CodeNotFound, ""},
		{"getCommandAnswer", "unknown", request{get, "/commands/" + nobody + "/answer", "", nil}, 404, mdm.CodeNotFound, ""},
		{"getCommandAnswer", "no id", request{get, "/commands/x/answer", "", nil}, 404, mdm.CodeNotFound, "command"},
	}
}

func profileRows() []row {
	p := "/profiles/$dock"
	match := func(tag string) map[string]string { return map[string]string{"If-Match": tag} }
	larger := b64([]byte(strings.Replace(string(dock), "48", "64", 1)))
	return []row{
		{"listProfiles", "all", request{get, "/profiles", "", nil}, 200, "", ""},
		{"listProfiles", "of no team", request{get, "/profiles?team=", "", nil}, 200, "", ""},
		{"listProfiles", "of a team", request{get, "/profiles?team=$team", "", nil}, 200, "", ""},
		{"listProfiles", "of an unknown team", request{get, "/profiles?team=" + nobody, "", nil}, 404, mdm.CodeNotFound, "team"},
		{"listProfiles", "unknown parameter", request{get, "/profiles?limit=1", "", nil}, 422, mdm.CodeInvalid, "limit"},

		{"getProfile", "one", request{get, p, "", nil}, 200, "", ""},
		{"getProfile", "unknown", request{get, "/profiles/" + nobody, "", nil}, 404, mdm.CodeNotFound, ""},
		{"getProfile", "no id", request{get, "/profiles/x", "", nil}, 404, mdm.CodeNotFound, "profile"},

		{"updateProfile", "name", request{patch, p, `{"name":"The Dock"}`, nil}, 200, "", ""},
		{"updateProfile", "all of it", request{patch, p, `{"name":"The Dock","scope":{"include_all":["$label"],"platforms":["macos"]},"content":"` + larger + `"}`, match(`"1"`)}, 200, "", ""},
		{"updateProfile", "any revision", request{patch, p, `{"name":"The Dock"}`, match(`*`)}, 200, "", ""},
		{"updateProfile", "one of several revisions", request{patch, p, `{"name":"The Dock"}`, match(`"9", "1"`)}, 200, "", ""},
		{"updateProfile", "another revision", request{patch, p, `{"name":"The Dock"}`, match(`"2"`)}, 412, mdm.CodePrecondition, "If-Match"},
		{"updateProfile", "a weak tag", request{patch, p, `{"name":"The Dock"}`, match(`W/"1"`)}, 412, mdm.CodePrecondition, "If-Match"},
		{"updateProfile", "tag that is no revision", request{patch, p, `{"name":"The Dock"}`, match(`"0"`)}, 412, mdm.CodePrecondition, "If-Match"},
		{"updateProfile", "tag without quotes", request{patch, p, `{"name":"The Dock"}`, match(`1`)}, 400, mdm.CodeMalformed, "If-Match"},
		{"listProfileHosts", "all", request{get, p + "/hosts", "", nil}, 200, "", ""},
		{"listProfileHosts", "of a status", request{get, p + "/hosts?status=pending&limit=1", "", nil}, 200, "", ""},
		{"listProfileHosts", "of a status that none has", request{get, p + "/hosts?status=failed", "", nil}, 200, "", ""},
		{"listProfileHosts", "of a profile that reaches none", request{get, "/profiles/$teamprofile/hosts", "", nil}, 200, "", ""},
		{"listProfileHosts", "unknown status", request{get, p + "/hosts?status=broken", "", nil}, 422, mdm.CodeInvalid, "status"},
		{"listProfileHosts", "cursor of another list", request{get, p + "/hosts?cursor=" + cursor(hostCursor, nobody), "", nil}, 400, mdm.CodeMalformed, "cursor"},
		{"listProfileHosts", "cursor of nothing", request{get, p + "/hosts?cursor=" + cursor(carrierCursor, nobody), "", nil}, 400, mdm.CodeMalformed, "cursor"},
		{"listProfileHosts", "limit above", request{get, p + "/hosts?limit=501", "", nil}, 422, mdm.CodeInvalid, "limit"},
		{"listProfileHosts", "unknown", request{get, "/profiles/" + nobody + "/hosts", "", nil}, 404, mdm.CodeNotFound, ""},
		{"listProfileHosts", "no id", request{get, "/profiles/x/hosts", "", nil}, 404, mdm.CodeNotFound, "profile"},

		{"updateProfile", "nothing said", request{patch, p, `{}`, nil}, 422, mdm.CodeInvalid, ""},
		{"updateProfile", "empty name", request{patch, p, `{"name":""}`, nil}, 422, mdm.CodeInvalid, "name"},
		{"updateProfile", "name of another", request{patch, p, `{"name":"lock SCREEN"}`, nil}, 409, mdm.CodeConflict, "name"},
		{"updateProfile", "no label", request{patch, p, `{"scope":{"include_any":["$label","` + nobody + `"]}}`, nil}, 404, mdm.CodeNotFound, "scope.include_any[1]"},
		{"updateProfile", "label that is a number", request{patch, p, `{"scope":{"include_any":["$label",7]}}`, nil}, 422, mdm.CodeInvalid, "scope.include_any[1]"},
		{"updateProfile", "labels that are one", request{patch, p, `{"scope":{"include_any":"$label"}}`, nil}, 422, mdm.CodeInvalid, "scope.include_any"},
		{"updateProfile", "unknown field inside", request{patch, p, `{"scope":{"include":[]}}`, nil}, 422, mdm.CodeInvalid, "scope.include"},
		{"updateProfile", "platform of the other family", request{patch, p, `{"scope":{"platforms":["windows"]}}`, nil}, 422, mdm.CodeInvalid, "scope.platforms"},
		{"updateProfile", "content of the other family", request{patch, p, `{"content":"` + b64(lockScreen) + `"}`, nil}, 400, mdm.CodeMalformed, "*"},
		{"updateProfile", "unknown", request{patch, "/profiles/" + nobody, `{"name":"x"}`, nil}, 404, mdm.CodeNotFound, ""},
		{"updateProfile", "no id", request{patch, "/profiles/x", `{"name":"x"}`, nil}, 404, mdm.CodeNotFound, "profile"},

		{"replaceProfileContent", "JSON", request{put, p + "/content", `{"content":"` + larger + `"}`, match(`"1"`)}, 200, "", ""},
		{"replaceProfileContent", "another revision", request{put, p + "/content", `{"content":"` + larger + `"}`, match(`"2"`)}, 412, mdm.CodePrecondition, "If-Match"},
		{"replaceProfileContent", "no content", request{put, p + "/content", `{}`, nil}, 422, mdm.CodeInvalid, "content"},
		{"replaceProfileContent", "unknown", request{put, "/profiles/" + nobody + "/content", `{"content":""}`, nil}, 404, mdm.CodeNotFound, ""},
		{"replaceProfileContent", "no id", request{put, "/profiles/x/content", `{"content":""}`, nil}, 404, mdm.CodeNotFound, "profile"},

		{"getProfileContent", "Apple", request{get, p + "/content", "", nil}, 200, "", ""},
		{"getProfileContent", "Windows", request{get, "/profiles/$lock/content", "", nil}, 200, "", ""},
		{"getProfileContent", "unknown", request{get, "/profiles/" + nobody + "/content", "", nil}, 404, mdm.CodeNotFound, ""},
		{"getProfileContent", "no id", request{get, "/profiles/x/content", "", nil}, 404, mdm.CodeNotFound, "profile"},

		{"deleteProfile", "one", request{del, p, "", nil}, 204, "", ""},
		{"deleteProfile", "this revision", request{del, p, "", match(`"1"`)}, 204, "", ""},
		{"deleteProfile", "another revision", request{del, p, "", match(`"2"`)}, 412, mdm.CodePrecondition, "If-Match"},
		{"deleteProfile", "no tag", request{del, p, "", match(`"1" "2"`)}, 400, mdm.CodeMalformed, "If-Match"},
		{"deleteProfile", "unknown revision of nothing", request{del, "/profiles/" + nobody, "", match(`"1"`)}, 404, mdm.CodeNotFound, ""},
		{"deleteProfile", "unknown", request{del, "/profiles/" + nobody, "", nil}, 404, mdm.CodeNotFound, ""},
		{"deleteProfile", "no id", request{del, "/profiles/x", "", nil}, 404, mdm.CodeNotFound, "profile"},
	}
}

func uploadRows() []row {
	raw := func(m string) map[string]string { return map[string]string{"Content-Type": m} }
	fresh := strings.ReplaceAll(string(dock), "com.example.dock", "com.example.fresh")
	named := strings.ReplaceAll(fresh, "<string>Dock</string>", "<string>Fresh</string>")
	full, fullType := form("name", "From a form", "team", "$team", "include_any", "$label", "include_any", "$usedlabel", "platform", "macos", "content", named)
	alone, aloneType := form("content", strings.Replace(string(dock), "48", "64", 1))
	twice, twiceType := form("content", named, "content", named)
	none, noneType := form("name", "x")
	odd, oddType := form("color", "red", "content", named)
	extra, extraType := form("name", "x", "content", string(dock))
	many, manyType := form(append(slices.Repeat([]string{"include_any", "x"}, 256), "content", named)...)
	wrong, wrongType := form("family", "linux", "content", named)
	return []row{
		{"createProfile", "JSON", request{post, "/profiles", `{"name":"Fresh","team":"$team","scope":{"include_all":["$label"]},"content":"` + b64([]byte(named)) + `"}`, nil}, 201, "", ""},
		{"createProfile", "Apple as it is", request{post, "/profiles?name=Fresh&exclude_any=$label&exclude_any=$usedlabel&platform=macos", fresh, raw(mediaApple)}, 201, "", ""},
		{"createProfile", "XML as it is", request{post, "/profiles?name=Screen&identifier=windows.x", string(lockScreen), raw("application/xml; charset=utf-8")}, 201, "", ""},
		{"createProfile", "a form", request{post, "/profiles", full, fullType}, 201, "", ""},
		{"createProfile", "name of another", request{post, "/profiles?name=dock", fresh, raw(mediaXML)}, 409, mdm.CodeConflict, "name"},
		{"createProfile", "identifier of another", request{post, "/profiles?name=x", string(dock), raw(mediaApple)}, 409, mdm.CodeConflict, "identifier"},
		{"createProfile", "neither family", request{post, "/profiles?name=x", "hello", raw(mediaXML)}, 422, mdm.CodeInvalid, "content"},
		{"createProfile", "no Apple profile", request{post, "/profiles?name=x", "hello", raw(mediaApple)}, 400, mdm.CodeMalformed, "*"},
		{"createProfile", "nothing", request{post, "/profiles?name=x", "", raw(mediaXML)}, 422, mdm.CodeInvalid, "content"},
		{"createProfile", "reserved on Windows", request{post, "/profiles?name=x", strings.ReplaceAll(string(lockScreen), "Policy/Config/DeviceLock/MaxInactivityTimeDeviceLock", "BitLocker/RequireDeviceEncryption"), raw(mediaXML)}, 422, mdm.CodeInvalid, "*"},
		{"createProfile", "unknown family", request{post, "/profiles?family=linux", fresh, raw(mediaXML)}, 422, mdm.CodeInvalid, "family"},
		{"createProfile", "unknown label", request{post, "/profiles?include_all=" + nobody, fresh, raw(mediaXML)}, 404, mdm.CodeNotFound, "scope.include_all[0]"},
		{"createProfile", "unknown team", request{post, "/profiles", `{"team":"` + nobody + `","content":""}`, nil}, 404, mdm.CodeNotFound, "team"},
		{"createProfile", "JSON without content", request{post, "/profiles", `{"name":"x"}`, nil}, 422, mdm.CodeInvalid, "content"},
		{"createProfile", "query beside JSON", request{post, "/profiles?name=x", `{"content":""}`, nil}, 422, mdm.CodeInvalid, "name"},
		{"createProfile", "a user's profile", request{post, "/profiles?name=x", strings.ReplaceAll(fresh, "System", "User"), raw(mediaApple)}, 415, mdm.CodeUnsupported, "PayloadScope"},
		{"createProfile", "another type", request{post, "/profiles", fresh, raw("text/plain")}, 415, mdm.CodeUnsupported, "Content-Type"},
		{"createProfile", "form without content", request{post, "/profiles", none, noneType}, 422, mdm.CodeInvalid, "content"},
		{"createProfile", "form with two contents", request{post, "/profiles", twice, twiceType}, 422, mdm.CodeInvalid, "content"},
		{"createProfile", "form with an unknown part", request{post, "/profiles", odd, oddType}, 422, mdm.CodeInvalid, "color"},
		{"createProfile", "form with a wrong value", request{post, "/profiles", wrong, wrongType}, 422, mdm.CodeInvalid, "family"},
		{"createProfile", "form of many parts", request{post, "/profiles", many, manyType}, 413, mdm.CodeTooLarge, ""},
		{"createProfile", "form that is cut off", request{post, "/profiles", full[:len(full)/2], fullType}, 400, mdm.CodeMalformed, ""},
		{"createProfile", "form without boundary", request{post, "/profiles", full, raw(mediaForm)}, 400, mdm.CodeMalformed, "Content-Type"},
		{"createProfile", "profile too large", request{post, "/profiles?name=x", "<!--" + strings.Repeat("x", 1<<20) + "-->" + string(lockScreen), raw(mediaXML)}, 413, mdm.CodeTooLarge, "content"},
		{"createProfile", "body too large", request{post, "/profiles?name=x", strings.Repeat(" ", DefaultMaxBody+1), raw(mediaXML)}, 413, mdm.CodeTooLarge, ""},
		{"createProfile", "JSON too large", request{post, "/profiles", strings.Repeat(" ", DefaultMaxBody+1), nil}, 413, mdm.CodeTooLarge, ""},

		{"replaceProfileContent", "as it is", request{put, "/profiles/$dock/content", strings.Replace(string(dock), "48", "64", 1), raw(mediaApple)}, 200, "", ""},
		{"replaceProfileContent", "a form", request{put, "/profiles/$dock/content", alone, aloneType}, 200, "", ""},
		{"replaceProfileContent", "form with a name", request{put, "/profiles/$dock/content", extra, extraType}, 422, mdm.CodeInvalid, "name"},
		{"replaceProfileContent", "another type", request{put, "/profiles/$dock/content", "x", raw("text/plain")}, 415, mdm.CodeUnsupported, "Content-Type"},
	}
}

func scopeRows() []row {
	return []row{
		{"listTeams", "all", request{get, "/teams", "", nil}, 200, "", ""},
		{"listTeams", "unknown parameter", request{get, "/teams?x=", "", nil}, 422, mdm.CodeInvalid, "x"},
		{"createTeam", "one", request{post, "/teams", `{"name":"Support"}`, nil}, 201, "", ""},
		{"createTeam", "name of another", request{post, "/teams", `{"name":"DESIGN"}`, nil}, 409, mdm.CodeConflict, "name"},
		{"createTeam", "no name", request{post, "/teams", `{}`, nil}, 422, mdm.CodeInvalid, "name"},
		{"createTeam", "name of spaces", request{post, "/teams", `{"name":" "}`, nil}, 422, mdm.CodeInvalid, "name"},
		{"deleteTeam", "one", request{del, "/teams/$spareteam", "", nil}, 204, "", ""},
		{"deleteTeam", "with profiles", request{del, "/teams/$team", "", nil}, 409, mdm.CodeConflict, "team"},
		{"deleteTeam", "unknown", request{del, "/teams/" + nobody, "", nil}, 404, mdm.CodeNotFound, "team"},
		{"deleteTeam", "no id", request{del, "/teams/x", "", nil}, 404, mdm.CodeNotFound, "team"},

		{"listLabels", "all", request{get, "/labels", "", nil}, 200, "", ""},
		{"listLabels", "unknown parameter", request{get, "/labels?x", "", nil}, 422, mdm.CodeInvalid, "x"},
		{"createLabel", "one", request{post, "/labels", `{"name":"Beta","default":"unknown"}`, nil}, 201, "", ""},
		{"createLabel", "name of another", request{post, "/labels", `{"name":"laptops"}`, nil}, 409, mdm.CodeConflict, "name"},
		{"createLabel", "default that is none", request{post, "/labels", `{"name":"x","default":"maybe"}`, nil}, 422, mdm.CodeInvalid, "default"},
		{"deleteLabel", "one", request{del, "/labels/$label", "", nil}, 204, "", ""},
		{"deleteLabel", "in use", request{del, "/labels/$usedlabel", "", nil}, 409, mdm.CodeConflict, "label"},
		{"deleteLabel", "unknown", request{del, "/labels/" + nobody, "", nil}, 404, mdm.CodeNotFound, "label"},
		{"deleteLabel", "no id", request{del, "/labels/x", "", nil}, 404, mdm.CodeNotFound, "label"},
		{"setLabel", "yes", request{put, "/labels/$label/hosts/$mac", `{"membership":"yes"}`, nil}, 204, "", ""},
		{"setLabel", "neither", request{put, "/labels/$label/hosts/$mac", `{"membership":"perhaps"}`, nil}, 422, mdm.CodeInvalid, "membership"},
		{"setLabel", "nothing said", request{put, "/labels/$label/hosts/$mac", `{}`, nil}, 422, mdm.CodeInvalid, "membership"},
		{"setLabel", "unknown host", request{put, "/labels/$label/hosts/" + nobody, `{"membership":"no"}`, nil}, 404, mdm.CodeNotFound, ""},
		{"setLabel", "unknown label", request{put, "/labels/" + nobody + "/hosts/$mac", `{"membership":"no"}`, nil}, 404, mdm.CodeNotFound, "label"},
		{"setLabel", "no id of a label", request{put, "/labels/x/hosts/$mac", `{"membership":"no"}`, nil}, 404, mdm.CodeNotFound, "label"},
		{"setLabel", "no id of a host", request{put, "/labels/$label/hosts/x", `{"membership":"no"}`, nil}, 404, mdm.CodeNotFound, "host"},
	}
}

func otherRows() []row {
	return []row{
		{"listEnrollments", "open ones", request{get, "/enrollments", "", nil}, 200, "", ""},
		{"listEnrollments", "closed ones as well", request{get, "/enrollments?closed=true&limit=1", "", nil}, 200, "", ""},
		{"listEnrollments", "of a state", request{get, "/enrollments?state=used_up", "", nil}, 200, "", ""},
		{"listEnrollments", "unknown state", request{get, "/enrollments?state=lost", "", nil}, 422, mdm.CodeInvalid, "state"},
		{"listEnrollments", "closed is no boolean", request{get, "/enrollments?closed=yes", "", nil}, 422, mdm.CodeInvalid, "closed"},
		{"listEnrollments", "limit above", request{get, "/enrollments?limit=501", "", nil}, 422, mdm.CodeInvalid, "limit"},
		{"listEnrollments", "cursor of another list", request{get, "/enrollments?cursor=" + cursor(hostCursor, nobody), "", nil}, 400, mdm.CodeMalformed, "cursor"},
		{"createEnrollment", "any device", request{post, "/enrollments", `{}`, nil}, 201, "", ""},
		{"createEnrollment", "a batch", request{post, "/enrollments", `{"platform":"ipados","serials":["A","B"],"hardware_ids":["C"],"person":"ada","team":"$team","quota":200,"lifetime_seconds":3600}`, nil}, 201, "", ""},
		{"createEnrollment", "a PC", request{post, "/enrollments", `{"platform":"windows"}`, nil}, 422, mdm.CodeInvalid, "platform"},
		{"createEnrollment", "too many", request{post, "/enrollments", `{"quota":10001}`, nil}, 422, mdm.CodeInvalid, "quota"},
		{"createEnrollment", "half a device", request{post, "/enrollments", `{"quota":0.5}`, nil}, 422, mdm.CodeInvalid, "quota"},
		{"createEnrollment", "for ever", request{post, "/enrollments", `{"lifetime_seconds":1e9}`, nil}, 422, mdm.CodeInvalid, "lifetime_seconds"},
		{"createEnrollment", "for longer", request{post, "/enrollments", `{"lifetime_seconds":31622401}`, nil}, 422, mdm.CodeInvalid, "lifetime_seconds"},
		{"createEnrollment", "unknown team", request{post, "/enrollments", `{"team":"` + nobody + `"}`, nil}, 404, mdm.CodeNotFound, "team"},
		{"createEnrollment", "no object", request{post, "/enrollments", `[]`, nil}, 422, mdm.CodeInvalid, ""},
		{"revokeEnrollment", "one", request{del, "/enrollments/$link", "", nil}, 204, "", ""},
		{"revokeEnrollment", "unknown", request{del, "/enrollments/" + nobody, "", nil}, 404, mdm.CodeNotFound, ""},
		{"revokeEnrollment", "no id", request{del, "/enrollments/x", "", nil}, 404, mdm.CodeNotFound, "enrollment"},
		{"getSummary", "the fleet", request{get, "/summary", "", nil}, 200, "", ""},
		{"getSummary", "unknown parameter", request{get, "/summary?team=", "", nil}, 422, mdm.CodeInvalid, "team"},
	}
}

// TestRoutes sends every row, and holds each answer against the document and the
// golden files.
func TestRoutes(t *testing.T) {
	happy, refused := make(map[string]int), make(map[string]int)
	answers := newGolden(t, "answers.json")
	for _, c := range rows() {
		t.Run(c.route+"/"+c.name, func(t *testing.T) {
			w := furnished(t)
			rec := w.do(c.request)
			require.Equal(t, c.status, rec.Code, rec.Body.String())
			w.conforms(c.route, rec)
			if c.code == "" {
				happy[c.route]++
				if c.name != "not wanted" { // what the engine says there is its own
					answers.add(w, c.route+": "+c.name, rec)
				}
				return
			}
			refused[c.route]++
			var p Problem
			require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &p))
			require.Equal(t, c.code, p.Code, p.Detail)
			if c.field != "*" {
				require.Equal(t, c.field, p.Field)
			}
			require.NotEmpty(t, p.Detail)
			require.Equal(t, c.status, p.Status)
		})
	}
	for _, r := range routes() {
		require.NotZero(t, happy[r.id], "%s has no row that succeeds", r.id)
		require.NotZero(t, refused[r.id], "%s has no row that is refused", r.id)
	}
	answers.compare()
}
