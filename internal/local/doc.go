// Package local is API Gateway and Lambda on one machine. It serves the routes of template.yaml by
// running the same handlers with the same JSON events, in one process.
//
//   - [sam.Load] reads the template, and refuses what the local stack would serve otherwise than AWS.
//   - [engine.Keep] runs a DynamoDB-compatible engine for the table.
//   - [NewPool] runs a function, one for each function of the template.
//   - [NewGateway] makes an http.Handler of the template and the pools. [Serve] serves it.
//
// The package runs on Linux and macOS, and on Windows through WSL.
//
// # Differences between the local stack and AWS
//
// Requests to API Gateway:
//   - API Gateway has the stage before the path (/prod/health), in the URL and in requestContext.path.
//     The local stack has it in neither, as with a custom domain. Only methodArn names the stage.
//   - API Gateway also throttles each account, and its count of requests lags behind. The local stack
//     applies only MethodSettings, at once.
//   - API Gateway accepts at most 10,240 bytes of request line and headers, the local stack 64 KB.
//   - API Gateway handles many large bodies at a time. The local stack holds at most 32 MB of bodies
//     that are larger than 64 KB. Further ones wait for ten seconds and are then THROTTLED. A request
//     may take 30 s to arrive, and 75 s until a function's answer is read.
//   - An unknown path with an Authorization header may be INVALID_SIGNATURE on API Gateway. On the local
//     stack every unknown path is MISSING_AUTHENTICATION_TOKEN.
//
// Events and answers of API Gateway:
//   - A client of API Gateway can choose requestId. On the local stack no client can.
//     extendedRequestId is another ID on both.
//   - Events of API Gateway have header names as the client spelled them. Go's server has changed them
//     to their canonical form.
//   - API Gateway sends null for a value that it does not have, such as requestContext.identity.user or
//     the body of a request without one. The local stack leaves the member out, or sends an empty text.
//   - API Gateway adds CloudFront-* and X-Amzn-Trace-Id to the request. It adds x-amzn-RequestId,
//     x-amz-apigw-id and x-amzn-ErrorType to the response, and integrationLatency to
//     requestContext.authorizer.
//   - API Gateway waits 29 s for an authorizer or a function. The local stack waits for the timeout of
//     the function.
//   - API Gateway chooses the template of a gateway response by the Accept header. The local stack
//     always uses the one of application/json.
//   - A policy may have several statements, conditions and wildcards. The local stack accepts only the
//     form that latchkey's authorizer makes. Any other is an AUTHORIZER_CONFIGURATION_ERROR.
//   - API Gateway can cache authorizer answers, check identity sources, and use TOKEN authorizers, usage
//     plans, models and mappings. The local stack refuses a template with one of these. Stage variables
//     may occur in URIs of API Gateway; the local stack only passes them to the functions.
//   - An API behind API Gateway (http_proxy) receives bodies of at most 10 MB, as text unless their type
//     is a binary media type. It has 15 minutes to answer, and may be idle for 5 minutes. The local stack
//     passes bodies on unchanged, and a stream may be idle for any time. Neither supports WebSockets.
//   - API Gateway lets a client's header Connection pass to such an API, and the local stack drops it.
//   - AWS does not document every change of paths and queries. The manual lists the doubtful ones in its
//     section "What API Gateway changes".
//
// Lambda:
//   - Lambda refuses payloads over 6 MB.
//   - Lambda freezes an instance between requests and ends it after some idle minutes. On the local
//     stack an instance keeps running, so a goroutine that a request leaves behind makes progress.
//   - A timeout ends an instance of Lambda at once. The local stack abandons its goroutine, which cannot
//     be ended, and ignores its answer.
//   - The local stack limits neither memory, CPU share nor IAM permissions, and all functions share the
//     variables of one process.
package local
