package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

// maxForm bounds what a browser may send: a profile, and a form around it.
const maxForm = profiles.MaxContent + 64<<10

// uploadData is the form, and what was filled in when it was refused.
type uploadData struct {
	Name   string
	Team   mdm.TeamID
	Use    map[mdm.LabelID]string // include_all, include_any, exclude_any; empty does not matter
	On     map[mdm.Platform]bool
	Teams  []keelson.Team
	Labels []keelson.Label
	All    []mdm.Platform
	Wrong  string
}

func (d *dashboard) uploadPage(w http.ResponseWriter, r *http.Request) error {
	return d.uploadForm(w, r, http.StatusOK, &uploadData{})
}

func (d *dashboard) uploadForm(w http.ResponseWriter, r *http.Request, status int, data *uploadData) (err error) {
	if data.Teams, err = d.mdm.Teams().List(r.Context()); err != nil {
		return err
	}
	if data.Labels, err = d.mdm.Labels().List(r.Context()); err != nil {
		return err
	}
	data.All = []mdm.Platform{mdm.MacOS, mdm.IOS, mdm.IPadOS, mdm.Windows}
	return d.render(w, r, status, "upload", view{"Upload a profile", "profiles", data})
}

func (d *dashboard) upload(w http.ResponseWriter, r *http.Request) error {
	content, err := formFile(r)
	if err != nil && mdm.CodeOf(err) != mdm.CodeInvalid {
		return err
	}
	form := &uploadData{Name: r.PostFormValue("name"), Team: mdm.TeamID(r.PostFormValue("team")), Use: make(map[mdm.LabelID]string), On: make(map[mdm.Platform]bool)}
	u := keelson.ProfileUpload{Name: form.Name, Team: form.Team, Content: content}
	for _, p := range r.PostForm["platform"] {
		form.On[mdm.Platform(p)] = true
		u.Scope.Platforms = append(u.Scope.Platforms, mdm.Platform(p))
	}
	for _, l := range r.PostForm["label"] {
		id := mdm.LabelID(l)
		use := r.PostFormValue("use-" + l)
		form.Use[id] = use
		switch use {
		case "include_all":
			u.Scope.IncludeAll = append(u.Scope.IncludeAll, id)
		case "include_any":
			u.Scope.IncludeAny = append(u.Scope.IncludeAny, id)
		case "exclude_any":
			u.Scope.ExcludeAny = append(u.Scope.ExcludeAny, id)
		}
	}
	var p keelson.Profile
	if err == nil {
		p, err = d.mdm.Profiles().Create(r.Context(), u)
	}
	if err != nil {
		status, text := explain(err)
		if status >= 500 {
			return err
		}
		form.Wrong = text
		return d.uploadForm(w, r, status, form)
	}
	return d.uploaded(w, r, p)
}

// uploaded shows the profile, or first what the engine has to say about it.
func (d *dashboard) uploaded(w http.ResponseWriter, r *http.Request, p keelson.Profile) error {
	if len(p.Warnings) == 0 {
		http.Redirect(w, r, "/profiles/"+string(p.ID), http.StatusSeeOther)
		return nil
	}
	return d.render(w, r, http.StatusOK, "warnings", view{"Uploaded", "profiles", p})
}

// formFile reads the file of a form.
func formFile(r *http.Request) ([]byte, error) {
	if err := r.ParseMultipartForm(maxForm); err != nil {
		return nil, formError(err)
	}
	f, _, err := r.FormFile("file")
	if errors.Is(err, http.ErrMissingFile) {
		return nil, mdm.Errorf(mdm.CodeInvalid, "", "Choose a file first.")
	}
	if err != nil {
		return nil, formError(err)
	}
	content, err := io.ReadAll(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("read the uploaded file: %w", err)
	}
	if len(content) == 0 {
		return nil, mdm.Errorf(mdm.CodeInvalid, "", "The file is empty.")
	}
	return content, nil
}

// formError is a form that cannot be read.
func formError(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return mdm.WrapError(mdm.CodeTooLarge, "", "The file is too large: a profile has at most 1 MiB.", err)
	}
	return mdm.WrapError(mdm.CodeMalformed, "", "The form could not be read.", err)
}
