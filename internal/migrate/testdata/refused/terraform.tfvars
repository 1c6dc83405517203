api_key = "6pU3IGp4gag8dFYYSKnSVofWkj1qbBzN"
url     = "https://api.example.org"
