package reference

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"latchkey/internal/docs/bill"
)

// Costs returns the page of costs: the bill of a month, what parameters add, and the prices.
// templateText is template.yaml, in which the metrics that alarms watch are counted.
func Costs(prices bill.Prices, templateText []byte) (string, error) {
	always, logged, err := watchedMetrics(templateText)
	if err != nil {
		return "", err
	}
	full := bill.Monitoring{Metrics: bill.AllMetrics, Alarms: always, Dashboards: 1}
	w := new(writer)
	months(w, prices, full)
	w.heading(2, "What the parameters add")
	w.paragraph("In dollars, to a bill without it. The first three are choices of one parameter.")
	w.printf("\n| parameter | a month | for each million requests | why |\n|---|---|---|---|\n")
	for _, m := range []struct {
		choice, why string
		monitoring  bill.Monitoring
	}{
		{"`Monitoring=full`",
			fmt.Sprintf("%d metrics, %d metrics that alarms watch, a dashboard", bill.AllMetrics, always), full},
		{"`Monitoring=alarms`", fmt.Sprintf("%d metrics, %d metrics that alarms watch", bill.AlarmMetrics, always),
			bill.Monitoring{Metrics: bill.AlarmMetrics, Alarms: always}},
		{"`Monitoring=off`", "nothing", bill.Monitoring{}},
	} {
		w.printf("| %s | %s | 0 | %s |\n", m.choice, dollars(prices.CloudWatch(m.monitoring)), m.why)
	}
	for _, a := range prices.Additions(logged) {
		w.printf("| %s | %s | %s | %s |\n", a.Choice, dollars(a.Month), dollars(a.ByMillion), a.Why)
	}
	w.heading(2, "The prices")
	listed(w, prices)
	return w.String(), nil
}

// listed writes the prices, with a row for each tier.
func listed(w *writer, prices bill.Prices) {
	w.paragraph(fmt.Sprintf("List prices of %s of %s, without the free tier, taxes and data transfer. "+
		"The page of a service has today's.", prices.Region, prices.Date))
	w.printf("\n| service | what | above | dollars | for each |\n|---|---|---|---|---|\n")
	all := slices.SortedFunc(maps.Values(prices.Prices), func(a, b bill.Price) int {
		return cmp.Or(strings.Compare(a.Service, b.Service), strings.Compare(a.Name, b.Name))
	})
	for _, p := range all {
		var above int64
		for _, tier := range p.Tiers {
			amount := strconv.FormatFloat(float64(tier.MicroDollars)/1e6, 'f', -1, 64)
			w.printf("| [%s] | %s | %s | %s | %s |\n", p.Service, p.Name, grouped(above), amount, grouped(p.Per))
			above = tier.UpTo
		}
	}
	w.printf("\n")
	for _, service := range slices.Sorted(maps.Keys(prices.Services)) {
		w.printf("[%s]: %s\n", service, prices.Services[service])
	}
}

func months(w *writer, prices bill.Prices, full bill.Monitoring) {
	var header, rule string
	var all []bill.Month
	for _, l := range bill.Loads() {
		header += fmt.Sprintf(" %s requests |", grouped(l.Requests))
		rule += "---|"
		all = append(all, prices.Month(l, full))
	}
	w.heading(2, "The bill of a month")
	w.paragraph("In dollars. Busy keys have 10 requests a second, which one instance judges. " +
		"Quiet keys have one request a second or fewer.")
	w.printf("\n| a month |%s\n|---|%s\n", header, rule)
	for _, row := range []struct {
		name string
		of   func(bill.Month) int64
	}{
		{"REST API", func(m bill.Month) int64 { return m.REST }},
		{"Lambda", func(m bill.Month) int64 { return m.Lambda }},
		{"DynamoDB, busy keys", func(m bill.Month) int64 { return m.Busy }},
		{"DynamoDB, quiet keys", func(m bill.Month) int64 { return m.Quiet }},
		{"logs of refusals", func(m bill.Month) int64 { return m.Refusals }},
		{"metrics, alarms, dashboard", func(m bill.Month) int64 { return m.Monitoring }},
		{"secret", func(m bill.Month) int64 { return m.Secret }},
		{"**total, busy keys**", func(m bill.Month) int64 { return m.Total(m.Busy) }},
		{"**total, quiet keys**", func(m bill.Month) int64 { return m.Total(m.Quiet) }},
		{"an HTTP API in place of the REST API", func(m bill.Month) int64 { return m.HTTP }},
	} {
		w.printf("| %s |", row.name)
		for _, m := range all {
			w.printf(" %s |", dollars(row.of(m)))
		}
		w.printf("\n")
	}
}

// watchedMetrics returns how many metrics the template's alarms watch, and how many more those that
// exist with an access log and a backend.
func watchedMetrics(templateText []byte) (always, logged int64, err error) {
	var t struct {
		Resources map[string]struct {
			Type       string `yaml:"Type"`
			Condition  string `yaml:"Condition"`
			Properties struct {
				MetricName yaml.Node `yaml:"MetricName"`
				Metrics    []struct {
					MetricStat yaml.Node `yaml:"MetricStat"`
				} `yaml:"Metrics"`
			} `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(templateText, &t); err != nil {
		return 0, 0, fmt.Errorf("read the template: %w", err)
	}
	for _, r := range t.Resources {
		if r.Type != "AWS::CloudWatch::Alarm" {
			continue
		}
		var n int64
		if !r.Properties.MetricName.IsZero() {
			n = 1
		}
		for _, m := range r.Properties.Metrics {
			if !m.MetricStat.IsZero() {
				n++
			}
		}
		if r.Condition == "HasAlarms" {
			always += n
		} else {
			logged += n
		}
	}
	return always, logged, nil
}

// dollars writes micro-dollars as dollars: with cents below 100, and otherwise without.
func dollars(micro int64) string {
	cents := (micro + 5_000) / 10_000
	switch {
	case micro == 0:
		return "0"
	case cents == 0:
		return "under 0.01"
	case cents < 10_000:
		return fmt.Sprintf("%d.%02d", cents/100, cents%100)
	}
	return grouped((micro + 500_000) / 1_000_000)
}

// grouped writes a number with commas between groups of three digits.
func grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}
