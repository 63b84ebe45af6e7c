package adminapi

import (
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

// noPlatform is the platform of hosts that were made beforehand without one.
const noPlatform = "unknown"

func summaryRoutes() []route {
	return []route{{
		method: get, path: "/summary", id: "getSummary", summary: "Totals of the fleet: hosts by platform and state, profiles by status",
		out: summary{}, status: 200, answer: exampleSummary(), do: (*call).summary,
	}}
}

func (c *call) summary() (reply, error) {
	counts, err := c.tenant.Hosts().Counts(c.r.Context())
	if err != nil {
		return reply{}, err
	}
	ps, err := c.tenant.Profiles().List(c.r.Context(), nil)
	if err != nil {
		return reply{}, err
	}
	s := summary{
		Hosts:    hostTotals{ByPlatform: make(map[mdm.Platform]map[mdm.HostState]int)},
		Profiles: profileTotals{Total: len(ps), ByStatus: make(map[profiles.Status]int)},
	}
	for platform, states := range counts {
		if platform == "" {
			platform = noPlatform
		}
		s.Hosts.ByPlatform[platform] = states
		for _, n := range states {
			s.Hosts.Total += n
		}
	}
	for _, p := range ps {
		for status, n := range p.Counts {
			s.Profiles.ByStatus[status] += n
		}
	}
	return reply{body: s}, nil
}
