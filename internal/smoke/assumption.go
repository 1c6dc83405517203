package smoke

// Assumption is a behaviour of AWS, or a promise of latchkey, that a check rests on. If the check
// differs, the assumption is wrong for the stack.
type Assumption struct{ Name, Text string }

var (
	reaches       = Assumption{"reaches", "the URL leads through API Gateway to the functions, which reach the table"}
	browsers      = Assumption{"browsers", "every answer has its CORS headers, those of API Gateway itself included"}
	pages         = Assumption{"pages", "API Gateway passes pages with their headers, and redirects within the stage"}
	refuses       = Assumption{"refuses", "a refusal of the authorizer becomes the template's 401, and WWW-Authenticate keeps its name"}
	allHeaders    = Assumption{"all-headers", "the authorizer gets the names of all headers of a request"}
	unknownRoutes = Assumption{"unknown-routes", "a route that API Gateway does not have is answered with the template's 404"}
	preflights    = Assumption{"preflights", "API Gateway answers a preflight without a key"}
	passes        = Assumption{"passes", "API Gateway passes statuses, headers and bodies of the functions unchanged"}
	stage         = Assumption{"stage", "an event names the stage or the base path that the caller's URL has"}
	contexts      = Assumption{"context", "headers and bodies of API Gateway's answers may come from the authorizer's context"}
	passesLimit   = Assumption{"limit-headers", "the functions get the limit from the authorizer's context"}
	everyQuery    = Assumption{"query", "the authorizer gets the query of a request"}
	uncached      = Assumption{"uncached", "API Gateway asks the authorizer about each request, and instances learn of a change within Freshness"}
	shares        = Assumption{"one-count", "all instances count in one place, so that a limit is exact"}
	outages       = Assumption{"outages", "functions that cannot reach the table answer in time, and a failed authorizer becomes the template's 503"}
	throttling    = Assumption{"throttling", "API Gateway answers requests beyond the stage's rate with the template's 429"}
)
