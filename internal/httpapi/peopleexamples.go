package httpapi

import "latchkey/internal/api"

const examplePlan = "pro"

// peopleExamples returns the examples for users, plans and credits: 1,000 requests a minute and five
// million a month for each customer, and ten a second for each key.
func peopleExamples() map[string]example {
	const millions = 5_000_000
	second, minute := []api.Line{{Amount: 10, Window: 1}}, []api.Line{{Amount: 1000, Window: 60}}
	monthly := api.QuotaInput{Requests: millions, Period: "month"}
	idle := api.Integer(90)
	putPlan := api.PlanRequest{
		Key: &api.BoundsInput{Limits: &second}, User: &api.BoundsInput{Limits: &minute, Quota: &monthly}, IdleDays: &idle,
	}
	plan := api.Plan{
		Name: examplePlan, Scopes: []string{}, Key: api.Bounds{Limits: second},
		User: api.Bounds{Limits: minute, Quota: &monthly}, IdleDays: int64(idle),
	}

	name, customer := examplePlan, map[string]string{"customer": "4711"}
	user := api.User{
		UserID: exampleUser, Plan: examplePlan, Limits: []api.Line{}, Scopes: []string{}, Metadata: customer,
	}
	bounded := user
	bounded.Bounds = []api.Bound{
		{Of: "user", Amount: 1000, Window: 60, Used: 1, Remaining: 999, Reset: exampleReset},
		{Of: "user", Amount: millions, Period: "month", Used: 1, Remaining: millions - 1, Reset: 1796083200},
	}
	credits := user
	credits.Quota = &api.QuotaInput{Requests: 1500, Period: "lifetime"}
	key := exampleRecord()
	key.Quota = &api.Quota{Requests: 1500, Period: "lifetime"}
	add := api.CreditsRequest{Add: 500}
	return map[string]example{
		"list-plans": {nil, api.PlansResponse{Data: []api.Plan{plan}}},
		"get-plan":   {nil, plan},
		"put-plan":   {putPlan, plan},
		"list-users": {nil, api.UsersResponse{Data: []api.Owner{
			{UserID: exampleUser, Keys: 3, Active: 2, LastUsedAt: api.NotNull(exampleNow)},
		}}},
		"get-user":         {nil, bounded},
		"plan-stats":       {nil, api.PlanStatsResponse{Data: []api.User{bounded}}},
		"put-user":         {api.UserRequest{Plan: &name, Metadata: &customer}, user},
		"update-user":      {api.UserPatch{Plan: api.Set(name)}, user},
		"add-user-credits": {add, credits},
		"add-key-credits":  {add, key},
	}
}
