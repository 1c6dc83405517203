package smoke

// Assumption is a behaviour of AWS, or a promise of latchkey, that a check rests on. If the check
// differs, the assumption is wrong for the stack.
type Assumption struct{ Name, Text string }

var (
	reaches = Assumption{"reaches",
		"the URL leads through API Gateway to the functions, which reach the table"}
	browsers = Assumption{"browsers",
		"every answer has its CORS headers, those of API Gateway itself included"}
	pages = Assumption{"pages",
		"API Gateway passes pages with their headers, and redirects within the stage"}
	refuses = Assumption{"refuses",
		"a refusal of the authorizer becomes the template's 401, and WWW-Authenticate keeps its name"}
	allHeaders    = Assumption{"all-headers", "the authorizer gets the names of all headers of a request"}
	unknownRoutes = Assumption{"unknown-routes",
		"a route that API Gateway does not have is answered with the template's 404"}
	preflights = Assumption{"preflights", "API Gateway answers a preflight without a key"}
	questions  = Assumption{"questions",
		"a proxy's question reaches the function with its method, and with the slash at the end of its path"}
	passes = Assumption{"passes",
		"API Gateway passes statuses, headers and bodies of the functions unchanged"}
	stage    = Assumption{"stage", "an event names the stage or the base path that the caller's URL has"}
	contexts = Assumption{"context",
		"headers and bodies of API Gateway's answers may come from the authorizer's context"}
	passesLimit = Assumption{"limit-headers", "the functions get the limit from the authorizer's context"}
	everyQuery  = Assumption{"query", "the authorizer gets the query of a request"}
	uncached    = Assumption{"uncached",
		"API Gateway asks the authorizer about each request, and instances learn of a change within Freshness"}
	shares  = Assumption{"one-count", "all instances count in one place, so that a limit is exact"}
	outages = Assumption{"outages",
		"functions that cannot reach the table answer in time, and a failed authorizer becomes the template's 503"}
	forwards = Assumption{"forwards",
		"API Gateway passes method, path, query and headers of a request to BackendUrl"}
	ownHost = Assumption{"own-host",
		"the header Host of a request to BackendUrl is its own, not the client's"}
	drops = Assumption{"drops",
		"API Gateway drops Content-Encoding, so that no backend decodes a body that API Gateway has changed"}
	maps      = Assumption{"maps", "headers that the template maps reach the backend in place of the client's"}
	oneMethod = Assumption{"one-method",
		"the method that the authorizer judges is the method that the backend serves"}
	wholePath = Assumption{"whole-path",
		"the path that the authorizer judges reaches the backend, decoded at most once, with or without a slash at its end"}
	policies = Assumption{"policies",
		"a policy that ends with * admits a request whose ARN is too long or has wildcards"}
	bytesStay = Assumption{"bytes",
		"bodies of the BinaryMediaTypes and texts in UTF-8 reach the backend byte by byte"}
	proves = Assumption{"proves",
		"an assertion of the authorizer reaches the backend whole, and the key set verifies it"}
	chunks     = Assumption{"chunks", "API Gateway passes each part of an answer on when it arrives"}
	throttling = Assumption{"throttling",
		"API Gateway answers requests beyond the stage's rate with the template's 429"}
)
