package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"slices"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/mdm"
)

//go:embed demo
var demoFiles embed.FS

// demoProfile is a profile as an administrator writes it.
type demoProfile struct {
	file       string
	name       string
	identifier string // by which it is found again; Apple's stands in the file
	platforms  []mdm.Platform
}

// demoProfiles are what the demonstration delivers.
func demoProfiles() []demoProfile {
	mobile := []mdm.Platform{mdm.IOS, mdm.IPadOS}
	apple := append([]mdm.Platform{mdm.MacOS}, mobile...)
	windows := []mdm.Platform{mdm.Windows}
	return []demoProfile{
		{"mac-restrictions.mobileconfig", "Mac restrictions", "com.example.mac-restrictions", []mdm.Platform{mdm.MacOS}},
		{"wifi.mobileconfig", "Staff Wi-Fi", "com.example.wifi", apple},
		{"passcode.mobileconfig", "Passcode", "com.example.passcode", apple},
		{"iphone-webclip.mobileconfig", "Help desk on the home screen", "com.example.helpdesk", mobile},
		{"windows-privacy.xml", "Windows privacy", "windows-privacy", windows},
		{"windows-removable-storage.xml", "Windows removable storage", "windows-removable-storage", windows},
	}
}

func (p demoProfile) content() ([]byte, error) { return demoFiles.ReadFile("demo/" + p.file) }

// seed uploads the profiles that are not there yet.
func seed(ctx context.Context, ps *keelson.Profiles) error {
	ctx = mdm.WithActor(ctx, mdm.Actor{Kind: "system", Name: "demo"})
	none := mdm.TeamID("")
	have, err := ps.List(ctx, &none)
	if err != nil {
		return err
	}
	for _, p := range demoProfiles() {
		if slices.ContainsFunc(have, func(h keelson.Profile) bool { return h.Identifier == p.identifier }) {
			continue
		}
		content, err := p.content()
		if err != nil {
			return err
		}
		up := keelson.ProfileUpload{Name: p.name, Scope: keelson.Scope{Platforms: p.platforms}, Content: content}
		if slices.Contains(p.platforms, mdm.Windows) {
			up.Identifier = p.identifier
		}
		if _, err := ps.Create(ctx, up); err != nil && !errors.Is(err, mdm.CodeConflict) {
			return fmt.Errorf("upload %s: %w", p.file, err)
		}
	}
	return nil
}
