package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strings"
)

// options are the settings of the server: one flag each, or the environment.
type options struct {
	listen   string
	url      string // empty is made from listen
	data     string
	db       string // empty is an SQLite file in data
	apnsCert string
	apnsKey  string
	topic    string
	org      string
	tlsCert  string
	tlsKey   string
	token    string // empty is made at first start
	user     string
	password string
	demo     bool
	logLevel slog.Level
}

// readOptions reads flags and, for those that were not given, the environment.
func readOptions(args []string, env func(string) (string, bool), usage io.Writer) (*options, error) {
	var o options
	fs := flag.NewFlagSet("server", flag.ContinueOnError)
	fs.SetOutput(usage)
	fs.StringVar(&o.listen, "listen", "localhost:8443", "`address` to serve on")
	fs.StringVar(&o.url, "url", "", "`URL` at which devices reach this server; it stands in every enrollment and cannot change later (default made from -listen)")
	fs.StringVar(&o.data, "data", "keelson-data", "`directory` of everything that is kept; secrets are in it")
	fs.StringVar(&o.db, "db", "", "database: sqlite:`PATH`, postgres://…, mysql://… or memory: (default sqlite:keelson.db in the data directory)")
	fs.StringVar(&o.apnsCert, "apns-cert", "", "PEM `file` of the MDM push certificate; without one, Apple devices come when they come")
	fs.StringVar(&o.apnsKey, "apns-key", "", "PEM `file` of its key (default the file of -apns-cert)")
	fs.StringVar(&o.topic, "topic", "", "push `topic` (default that of -apns-cert); without one, no Apple device can enroll")
	fs.StringVar(&o.org, "org", "", "`name` of the organization, shown to people who enroll")
	fs.StringVar(&o.tlsCert, "tls-cert", "", "PEM `file` of a certificate chain to serve with (default self-signed, made at first start)")
	fs.StringVar(&o.tlsKey, "tls-key", "", "PEM `file` of its key (default the file of -tls-cert)")
	fs.StringVar(&o.token, "token", "", "administrator's `token`; better set in the environment (default made at first start)")
	fs.StringVar(&o.user, "user", "", "user `name` with which Windows PCs enroll; without one, none can")
	fs.StringVar(&o.password, "password", "", "its `password`; better set in the environment")
	fs.BoolVar(&o.demo, "demo", false, "add simulated devices and profiles")
	fs.TextVar(&o.logLevel, "log-level", slog.LevelInfo, "what to log: debug, info, warn or error; with -demo, only warn unless set")
	fs.Usage = func() {
		fmt.Fprintln(usage, "A device management server made of Keelson.\n\nFlags; each may be set in the environment, -apns-cert as KEELSON_APNS_CERT:")
		fs.PrintDefaults()
	}
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("%q is not a flag: settings look like -data DIRECTORY", fs.Arg(0))
	}
	if err := fromEnvironment(fs, env); err != nil {
		return nil, err
	}
	if o.demo && !isSet(fs, "log-level") {
		o.logLevel = slog.LevelWarn // so that a newcomer sees the greeting
	}
	return &o, o.check()
}

// fromEnvironment sets the flags that were not given.
func fromEnvironment(fs *flag.FlagSet, env func(string) (string, bool)) error {
	var errs []error
	fs.VisitAll(func(f *flag.Flag) {
		name := "KEELSON_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		v, ok := env(name)
		if !ok || isSet(fs, f.Name) {
			return
		}
		if fs.Set(f.Name, v) != nil {
			errs = append(errs, fmt.Errorf("%s has a value that -%s does not take", name, f.Name)) // it may be a secret
		}
	})
	return errors.Join(errs...)
}

// isSet reports whether a flag was given, or set in the environment.
func isSet(fs *flag.FlagSet, name string) bool {
	set := false
	fs.Visit(func(f *flag.Flag) { set = set || f.Name == name })
	return set
}

func (o *options) check() error {
	switch {
	case o.data == "":
		return errors.New("-data: a directory is needed")
	case o.apnsKey != "" && o.apnsCert == "":
		return errors.New("-apns-key is given without -apns-cert")
	case o.tlsKey != "" && o.tlsCert == "":
		return errors.New("-tls-key is given without -tls-cert")
	case (o.user == "") != (o.password == ""):
		return errors.New("-user and -password belong together")
	case o.demo && (o.apnsCert != "" || o.topic != ""):
		return errors.New("-demo has a push service of its own: leave out -apns-cert and -topic")
	case o.token != "" && len(o.token) < minToken:
		return fmt.Errorf("-token: whoever has it may do everything: at least %d characters", minToken)
	}
	if o.url != "" {
		if u, err := url.Parse(o.url); err != nil || u.Scheme != "https" || u.Host == "" {
			return fmt.Errorf("-url: %q is not of the form https://host or https://host:port", o.url)
		}
	}
	if o.apnsKey == "" {
		o.apnsKey = o.apnsCert
	}
	if o.tlsKey == "" {
		o.tlsKey = o.tlsCert
	}
	return nil
}
