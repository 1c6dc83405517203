// Package local is API Gateway and Lambda on a laptop: it serves the routes of template.yaml by running the same
// handlers with the same JSON events in one process, before a DynamoDB-compatible engine that it starts as a child.
//
// Call sam.Load first; it reads routes, authorizers, CORS and gateway responses from the template and refuses what
// it would not honour. StartEngine brings the table's engine. Make one Pool per function and give them to NewGateway,
// which is an http.Handler. Linux and macOS; on Windows through WSL.
//
// # What the real ones do otherwise
//
// API Gateway:
//   - The stage stands in the URL before the path (/prod/health). Here there is none, and in requestContext.path, as
//     with a custom domain; only methodArn names it.
//   - It throttles per account as well, and by a token bucket whose state lags. Here MethodSettings alone count, at once.
//   - A client can choose requestId; here none can, and extendedRequestId is another one as there.
//   - It keeps the client's spelling of header names in events; Go's server has made them canonical.
//   - It refuses more than 10,240 bytes of request line and headers; here the bound is 64 KB.
//   - It takes many large bodies at a time. Here 32 MB of bodies larger than 64 KB are held at once: others wait for ten
//     seconds, and are then THROTTLED. A request takes at most 30 s to be sent, and 75 s until a function's answer is read.
//   - It adds CloudFront-* and X-Amzn-Trace-Id to the request, x-amzn-RequestId, x-amz-apigw-id and x-amzn-ErrorType to
//     the response, and integrationLatency to requestContext.authorizer.
//   - It gives up on an authorizer or integration after 29 s; here only the function's own timeout counts.
//   - It chooses a gateway response's template by the Accept header; here it is always the one of application/json.
//   - An unknown path with an Authorization header may be answered as INVALID_SIGNATURE; here every unknown path is
//     MISSING_AUTHENTICATION_TOKEN.
//   - It caches authorizer answers, checks identity sources, and knows TOKEN authorizers, usage plans, models and
//     mappings. A template that asks for one of these is refused. Stage variables may stand in URIs; here they only reach
//     the functions.
//   - An API behind it (http_proxy) is sent User-Agent AmazonAPIGateway_<id>, bodies of at most 10 MB, as text unless their
//     type is a binary media type, and has 15 minutes to answer, 5 of which may be idle; here bodies are passed on as they
//     are and a stream may be idle for as long as it likes. Neither switches protocols: no WebSockets.
//   - A policy may have several statements, conditions and wildcards. Here only a policy of the form that latchkey's
//     authorizer makes is accepted, and any other is an AUTHORIZER_CONFIGURATION_ERROR.
//   - In events it sends null for what it does not know, such as requestContext.identity.user or an empty body; here
//     that is an empty text.
//
// Lambda:
//   - It refuses payloads over 6 MB.
//   - An environment is frozen between requests and ended after some idle minutes; here it lives on with its goroutines
//     running, so a goroutine left behind by one request makes progress here and may not there.
//   - A timeout ends the environment at once. Here the goroutine cannot be ended: it is given up, and its answer ignored.
//   - Memory, CPU share and IAM permissions are not limited; all functions see one process environment.
package local
