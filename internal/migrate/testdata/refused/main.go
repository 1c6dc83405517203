package main

// TODO: remove-this-before-release
var keys = map[string]string{
	"alice": "GE0Sj2NuulUV2vRmQAd0a3oKwaYWqMc5",
}
