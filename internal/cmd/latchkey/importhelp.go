package main

const importHelp = `Writes keys to the table itself, as init does. FILE is - for standard input.
Clients go on using the keys that they have. A key file has lines such as

  # key_id:api_key[:requests_per_minute][:expiry]
  customer-7:sk_live_0123456789abcdef0123456789abcdef
  customer-7:another-key-of-theirs
  customer-8:sk_live_fedcba9876543210fedcba9876543210:600:2027-01-31T12:00:00Z

Lines with one key_id are tokens of one key and share its limit. The first of
them sets the limit. key_id is also the key's owner (userId) and its name. An
expiry without a zone is UTC, and a date alone is its first moment.

A file whose first line is a JSON object must have one on each line. userId and
either sha256 or key are required; the fields are named as in the API:

  {"sha256":"<64 hexadecimal digits>","userId":"u1","scopes":["tts"]}
  {"key":"an-old-key-of-ours","userId":"u1","id":"customer-7","name":"prod",
   "publicKey":"pk_…","environment":"live","description":"","metadata":{},
   "rateLimit":{"requests":100,"window":60},"unlimited":false,
   "quota":{"requests":10000,"period":"month"},"expiresAt":"2027-01-31",
   "notBefore":"2026-01-31","enabled":true,"allowedCidrs":["192.0.2.0/24"]}

(each on one line). user_id is userId, and so on; null is as if the field were
not there. A sha256 may also be base64, or hexadecimal digits after \x.

Other forms must be named with --format:

  csv      a header with the same names: key or sha256, userId, name, scopes,
           requestsPerMinute, enabled, expiresAt and others
  kong     declarative YAML or JSON, or JSON of the Admin API
  apisix   apisix.yaml, YAML of ADC, or JSON of the Admin API
  litellm  JSON of LiteLLM_VerificationToken, or of /key/list with full objects
  unkey    JSON of the table of keys, with its hashes

A restriction of a key that cannot be kept here is an error of that key. To
import the key without it, name the field or the plugin with --ignore.

Check the scopes: an empty list means no scopes here, while some services take
it for all. --scopes sets the scopes of lines without any: --scopes '*' means
all. It does not include the right to manage keys.

The file is judged before the first key is written. Nothing is written if it has
the form of something else or if more than half of its lines are wrong: password
hashes, masked keys and placeholders are no keys. Otherwise each wrong line is
reported with its number, and all others are imported. Importing a file again
is safe, and continues an interrupted import. Changes made to a key meanwhile
stay; a deleted key is created again.`

const importExample = `  latchkey import --dry-run keys.txt
  latchkey import keys.txt --default-limit 100/1m --scopes tts,stt
  latchkey import kong.yaml --format kong --scopes tts --ignore acl
  psql -Atf keys.sql | latchkey import - --format jsonl --stack latchkey`
