curl -H 'X-API-Key: sk_live_8a1285822184aaf4614dc90792f3246e' https://api.example.org/v1/things
curl -H 'Authorization: Bearer sk_live_e72fd40663e78da1070796e656984517' https://api.example.org/v1
