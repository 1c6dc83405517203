"""Writes the state that one version of latchkey leaves in its table: see README.md.

usage: python3 make.py LATCHKEY OUT.json     (in the folder of that version's sources)
"""
import atexit
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

latchkey, out = os.path.abspath(sys.argv[1]), sys.argv[2]
state = tempfile.mkdtemp()
env = dict(os.environ, STATE=state, PORT="0", MAX_KEYS_PER_USER="50")
stack = subprocess.Popen([latchkey, "dev"], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
atexit.register(lambda: (stack.send_signal(signal.SIGINT), stack.wait(30)))
base = next(found.group() for line in stack.stdout if (found := re.search(r"http://127\.0\.0\.1:\d+", line)))
root = open(state + "/root-key").read().strip()
endpoint = open(state + "/endpoint").read().strip()


def call(method, path, body=None, key=None, headers={}):
    headers = {"content-type": "application/json", **headers}
    if key:
        headers["Authorization"] = "Bearer " + key
    data = json.dumps(body).encode() if body is not None else None
    try:
        with urllib.request.urlopen(urllib.request.Request(base + path, data, headers, method=method), timeout=20) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.loads(refusal.read() or b"null")


keys = {}


def use(label, token, times):
    for _ in range(times):
        status, answer = call("GET", "/api/v1/whoami", None, token)
        if status != 200:
            print(label, "is not admitted:", status, answer)
    return answer.get("keyId") or answer.get("id")


def put(path, body):
    status, answer = call("PUT", "/api/v1/" + path, body, root)
    if status != 200:
        print(path, "is not put:", status, answer)
    return status == 200


def create(label, body, spend=0):
    status, answer = call("POST", "/api/v1/api-keys", {"userId": "u1", "name": label, **body}, root)
    if status != 201:
        print(label, "is not made:", status, answer)
        return None
    keys[label] = {"id": answer["id"], "token": answer["key"], "spent": spend}
    if spend:
        use(label, answer["key"], spend)
    return answer["id"]


def rotate(label):
    status, answer = call("POST", "/api/v1/api-keys/" + keys[label]["id"] + "/rotate", {"gracePeriod": 2592000}, root)
    if status != 200:
        print(label, "is not rotated:", status)
        return
    keys[label].update(previous=keys[label]["token"], token=answer["key"])


def bring(label, line, token, spend):
    done = subprocess.run([latchkey, "import", "-", "--state", state], input=line + "\n", capture_output=True, text=True, env=env)
    if done.returncode:
        print(label, "is not imported:", done.stderr[:100])
        return False
    keys[label] = {"token": token, "spent": spend}
    status, answer = call("POST", "/api/v1/api-keys/validate", {"apiKey": token})
    keys[label]["id"] = answer["keyId"]
    if spend:
        use(label, token, spend)
    return True


create("plain", {"scopes": ["tts"], "rateLimit": {"requests": 5, "window": 10}}, 3)
create("hour", {"rateLimit": {"requests": 10, "window": 3600}}, 4)
create("quota", {"rateLimit": {"requests": 100, "window": 60}, "quota": {"requests": 50, "period": "month"}}, 2)
create("hot", {"rateLimit": {"requests": 1000000, "window": 60}}, 12)
create("unlimited", {"unlimited": True}, 1)
create("full", {"description": "all fields", "scopes": ["a", "b:*"], "allowedCidrs": ["127.0.0.0/8", "10.0.0.0/8"],
                "metadata": {"team": "x"}, "expiresInDays": 300, "rateLimit": {"requests": 1000, "window": 60}}, 1)
if id := create("disabled", {}):
    call("PATCH", "/api/v1/api-keys/" + id, {"enabled": False}, root)
if id := create("revoked", {}, 1):
    status, answer = call("POST", "/api/v1/api-keys/" + id + "/revoke", {"reason": "laptop was stolen"}, root)
    keys["revoked"]["reason"] = answer.get("revocationReason", "")
if id := create("changed", {"rateLimit": {"requests": 7, "window": 60}}, 1):
    call("PATCH", "/api/v1/api-keys/" + id, {"rateLimit": {"requests": 9, "window": 120}}, root)
    use("changed", keys["changed"]["token"], 1)
    keys["changed"]["spent"] = 2
if id := create("deleted", {}, 1):
    call("DELETE", "/api/v1/api-keys/" + id, None, root)
if create("rotated", {}, 1):
    rotate("rotated")
call("POST", "/api/v1/api-keys", {"userId": "u1", "name": "once"}, root, {"Idempotency-Key": "0123456789abcdef-once"})
if bring("imported", "customer-7:f83Kd02mQz7Lw1xKc0TyVb97:50", "f83Kd02mQz7Lw1xKc0TyVb97", 1):
    hashed = {"sha256": hashlib.sha256(b"h05Mf24oSb9Ny3zMe2VaXd19").hexdigest(), "userId": "u2", "scopes": ["tts"]}
    bring("hashed", json.dumps(hashed), "h05Mf24oSb9Ny3zMe2VaXd19", 0)
    pair = {"key": "i16Ng35pTc0Oz4aNf3WbYe20", "publicKey": "pk_old_public_0009", "userId": "u3"}
    bring("pair", json.dumps(pair), "i16Ng35pTc0Oz4aNf3WbYe20", 0)
    bring("imported and rotated", "customer-8:g94Le13nRa8Mx2yLd1UzWc08:50", "g94Le13nRa8Mx2yLd1UzWc08", 1)
    rotate("imported and rotated")
# A version with shards bounds a limit of one second by what one item of the table counts.
if any(put("plans/pro", {"scopes": ["tts", "keys:*"],
                         "key": {"limits": [{"amount": 1000, "window": 1}], "quota": {"requests": 100000, "period": "day"}},
                         "user": {"limits": [{"amount": most, "window": 1}, {"amount": 20000, "window": 3600}],
                                  "quota": {"requests": 1000000, "period": "month"}},
                         "maxDays": 400, "defaultDays": 300, "idleDays": 100}) for most in (2000, 1000)):
    put("plans/basic", {"user": {"quota": {"requests": 500000, "period": "lifetime"}}})
    put("users/u1", {"limits": [{"amount": 5000, "window": 60}], "maxKeys": 90, "metadata": {"team": "x"}})
    put("users/u4", {"plan": "basic"})
    put("users/u4", {"plan": "pro", "scopes": ["tts"], "quota": {"requests": 400000, "period": "lifetime"}})
    create("planned", {"userId": "u4"}, 3)
    create("own plan", {"plan": "basic", "limits": [{"amount": 300, "window": 1}, {"amount": 4000, "window": 3600}],
                        "quota": {"requests": 100000, "period": "lifetime"}}, 2)
    create("suspended", {"userId": "u5"}, 1)
    put("users/u5", {"suspended": True})
    call("POST", "/api/v1/api-keys/" + keys["own plan"]["id"] + "/credits", {"add": 500}, root)
    maker = create("maker", {"userId": "u6", "scopes": ["keys:write"], "rateLimit": {"requests": 50, "window": 60}}, 1)
    status, answer = call("POST", "/api/v1/api-keys", {"name": "made"}, keys["maker"]["token"])
    if status != 201:
        print("a key is not made by a key:", status, answer)
    else:
        keys["made"] = {"id": answer["id"], "token": answer["key"], "spent": 1}
        use("made", answer["key"], 1)

written = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
scan = urllib.request.Request(endpoint, b'{"TableName":"latchkey"}', {
    "X-Amz-Target": "DynamoDB_20120810.Scan", "Content-Type": "application/x-amz-json-1.0",
    "X-Amz-Date": time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()),
    "Authorization": "AWS4-HMAC-SHA256 Credential=local/20261130/us-east-1/dynamodb/aws4_request, SignedHeaders=host;x-amz-date, Signature=0000000000000000000000000000000000000000000000000000000000000000"})
with urllib.request.urlopen(scan) as answer:
    items = json.loads(answer.read())["Items"]
items.sort(key=lambda item: (item["pk"]["S"], item["sk"]["S"]))
head = json.dumps({"written": written, "secret": json.load(open(state + "/secret.json")), "keys": keys}, indent=1)
lines = ",\n".join("  " + json.dumps(item, separators=(",", ":"), sort_keys=True) for item in items)
with open(out, "w") as file:
    file.write(head[:-2] + ',\n "items": [\n' + lines + "\n ]\n}\n")
print(out, len(items), "items")
