"""The official client of OpenAI's API before a stack: url, good key, limited key."""

import sys
import time

import openai

url, good, limited = sys.argv[1:]


def client(key, retries=0):
    return openai.OpenAI(api_key=key, base_url=url + "/v1", max_retries=retries)


def chat(c, **more):
    return c.chat.completions.create(model="m", messages=[{"role": "user", "content": "hello"}], **more)


def refused(kind, status, code, call):
    try:
        call()
    except kind as e:
        assert e.status_code == status and e.code == code and e.type and e.message, (e.status_code, e.code, e.type, e.message)
        return e
    raise AssertionError(f"nothing was raised where {kind.__name__} was due")


assert chat(client(good)).choices[0].message.content == "hello to you"
assert "".join(p.choices[0].delta.content or "" for p in chat(client(good), stream=True)) == "one two three"
assert [m.id for m in client(good).models.list()] == ["m"]

e = refused(openai.AuthenticationError, 401, "invalid_api_key", lambda: chat(client("sk-this-is-a-wrong-key-of-mine")))
assert e.param == "authorization" and e.type == "invalid_request_error", (e.param, e.type)
refused(openai.AuthenticationError, 401, "invalid_api_key", lambda: chat(client("wrong")))

chat(client(limited))
e = refused(openai.RateLimitError, 429, "rate_limit_exceeded", lambda: chat(client(limited)))
wait = int(e.response.headers["retry-after"])
assert 1 <= wait <= 12 and e.response.headers["x-ratelimit-limit"] == "1", e.response.headers

# It waits for as long as it is told to, and no longer, and is let in.
begun = time.monotonic()
chat(client(limited, retries=1))
waited = time.monotonic() - begun
assert wait - 1 <= waited <= wait + 3, (wait, waited)

refused(openai.NotFoundError, 404, "not_found", lambda: openai.OpenAI(api_key=good, base_url=url + "/api/v1", max_retries=0).post("/whoami", cast_to=object))
print("done")
