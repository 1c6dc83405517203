package main

import (
	"strings"
	"testing"
)

// An operator makes a plan, moves a customer to it, suspends the customer, and sells credits.
func TestPlansAndUsersOnTheCommandLine(t *testing.T) {
	s := start(t, t.TempDir(), "FRESHNESS=0")
	admin := []string{"LATCHKEY_URL=" + s.url, "LATCHKEY_KEY=" + s.root}
	run := func(all ...asked) {
		t.Helper()
		for _, a := range all {
			a.run(t, admin...)
		}
	}
	create := func(args string) (id, token string) {
		t.Helper()
		token = strings.TrimSpace(asked{args: "keys create " + args}.run(t, admin...))
		return token[8:24], token
	}
	run(
		asked{args: "plans list", talk: "No plans."},
		asked{args: "plans get pro", code: 1, talk: "No such plan\nlatchkey plans list"},
		asked{args: "users set acme --plan pro", code: 2, talk: "plan "},
		asked{args: "plans put pro --user-limit 1000/1m --user-quota 5000000/month --key-limit 10/1s",
			out: "name\tpro\nkey.limits\t10/1s\nuser.limits\t1000/1m\nuser.quota.requests\t5000000\nuser.quota.period\tmonth"},
		asked{args: "plans put trial --user-limit 3/1m --scopes tts --max-days 30", out: "scopes\ttts\nmaxDays\t30"},
		asked{args: "plans put bad --user-limit 10/1m --user-limit 11/1s", code: 2, talk: "limits"},
		asked{args: "plans list", out: "pro\t10/1s\t1000/1m,5000000/month\tany\t-\t-\t-\ntrial\t-\t3/1m\ttts\t30\t-\t-\n"},
		asked{args: "users get acme", out: "userId\tacme\nsuspended\tfalse\nlimits\t\n"},
		asked{args: "users set acme --plan trial --max-keys 3 --metadata tier=gold", out: "plan\ttrial\nmaxKeys\t3\nmetadata.tier\tgold"},
	)

	// Keys of one user share what the plan says.
	one, first := create("one --user acme --scopes tts")
	_, second := create("two --user acme --scopes tts --limit 100/1m")
	for i, token := range []string{first, first, second, second} {
		want := asked{args: "validate --cost 1", stdin: token, out: "valid\ttrue"}
		if i == 3 {
			want = asked{args: "validate --cost 1", stdin: token, code: 3, out: "code\trate_limited\nlimits\t3/1m\tof the user\t3 used\t0 left"}
		}
		run(want)
	}
	run(
		asked{args: "users get acme", out: "bounds\t3/1m\tof the user\t3 used\t0 left\treset 20"},
		asked{args: "keys explain " + one, code: 3, out: "user.rateLimit\tFAIL", talk: "refused: rate_limited"},
		asked{args: "users usage acme --json", out: `"total":`},
		asked{args: "users stats acme", out: "\ttwo\tsk_live_\n\tone\tsk_live_"},
		asked{args: "users set acme --plan pro", out: "plan\tpro"},
		asked{args: "validate", stdin: first, out: "valid\ttrue\nplan\tpro\nlimits\t10/1s\tof the key\nlimits\t1000/1m\tof the user"},
		asked{args: "users suspend acme", out: "suspended\ttrue"},
		asked{args: "validate", stdin: first, code: 3, out: "code\tuser_suspended"},
		asked{args: "keys explain " + one, code: 3, out: "user\tFAIL\t", talk: "refused: user_suspended"},
		asked{args: "users resume acme", out: "suspended\tfalse\nplan\tpro\nmaxKeys\t3"},
		asked{args: "validate", stdin: first, out: "valid\ttrue"},
	)

	// A key has limits of its own, and a plan of its own.
	many, _ := create("many --user acme --plan trial --limit 10/1s --limit 500/1m --quota 500/lifetime")
	run(
		asked{args: "keys get " + many, out: "rateLimit.requests\t10\nrateLimit.window\t1\nlimits\t500/1m\nquota.period\tlifetime\nplan\ttrial"},
		asked{args: "keys list --user acme", out: "\tmany\tacme\tactive\n\t10/1s,500/1m\t\n\t500/lifetime\ttrial\t"},
		asked{args: "keys update " + many + " --expires 60d", code: 2, talk: "expiresAt"},
		asked{args: "keys update " + many + " --plan missing", code: 2, talk: "plan "},
		asked{args: "keys update " + many + " --limit 20/1m", out: "rateLimit.requests\t20"},
		asked{args: "keys update " + many + " --limit none --plan none --quota none", out: "rateLimit\t-"},
		asked{args: "keys get " + many + " --json", out: `"rateLimit":null`},
		asked{args: "keys credits " + many + " +500", code: 2, talk: "lifetime"},
		asked{args: "keys update " + many + " --quota 10/lifetime", out: "quota.requests\t10"},
		asked{args: "keys credits " + many + " +500", out: "quota.requests\t510\nquota.period\tlifetime"},
		asked{args: "keys credits " + many + " +500 --idempotency-key order-4711-of-2027-01-31", out: "quota.requests\t1010"},
		asked{args: "keys credits " + many + " +500 --idempotency-key order-4711-of-2027-01-31", out: "quota.requests\t1010"},
		asked{args: "keys credits " + many + " -- -1000", out: "quota.requests\t10"},
		asked{args: "keys create four --user acme", code: 0}, // an admin may go beyond the number of keys
		asked{args: "users set acme --quota 1/lifetime", out: "quota.requests\t1"},
		asked{args: "users credits acme +10000", out: "quota.requests\t10001\nquota.period\tlifetime"},
		asked{args: "keys update " + many + " --user team:search", out: "userId\tteam:search"},
		asked{args: "keys list --user team:search", out: many + "\tmany\tteam:search"},
		asked{args: "users audit acme", out: "user#acme\t20\n\tadd_credits\tkey \n\tsuspend\tkey \n\tresume\tkey \n\tset_user\tkey \n" + one + "\t20"},
		asked{args: "plans audit", out: "plan#pro\t20\nplan#trial\t20\n\tset_plan\tkey "},
		asked{args: "keys audit " + many, out: "\ttransfer\tkey "},
	)
	code, _, talk := cli(t, "", nil, "audit", "verify", "--state", s.state)
	if code != 0 {
		t.Errorf("audit verify: exit code %d: %s", code, talk)
	}

	run(asked{args: "plans put pro --key-limit 1000/1s", out: "key.limits\t1000/1s\nuser.limits\t\n"})

	// A caller without admin rights sees its own user and its own plan, and changes neither.
	_, weak := create("weak --user acme --scopes keys:read,keys:write")
	own := []string{"LATCHKEY_URL=" + s.url, "LATCHKEY_KEY=" + weak}
	for _, a := range []asked{
		{args: "users get acme", out: "userId\tacme"}, {args: "plans get pro", out: "name\tpro"},
		{args: "users get other", code: 4}, {args: "plans get trial", code: 1, talk: "No such plan"}, {args: "plans list", code: 4},
		{args: "users set acme --plan trial", code: 4}, {args: "users suspend acme", code: 4}, {args: "users credits acme +1", code: 4},
		{args: "plans put pro --user-limit 9/1s", code: 4}, {args: "keys credits " + one + " +1", code: 4},
		{args: "keys update " + one + " --user other", code: 4}, {args: "keys update " + one + " --plan trial", code: 4},
	} {
		a.run(t, own...)
	}
}
