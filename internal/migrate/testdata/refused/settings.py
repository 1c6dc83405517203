import os

API_KEYS = {
    "alice": "c8uo2u04r8xtxNwzysh8oa6RAWOX4KW6",
    "bob": os.environ["BOB_KEY"],
}
