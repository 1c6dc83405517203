package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"latchkey/internal/api"
	"latchkey/internal/client"
)

func Example() {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != api.WhoamiPath {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"error":{"message":"No such API key","type":"invalid_request_error",`+
				`"param":"id","code":"not_found"}}`)
			return
		}
		_, _ = io.WriteString(w, `{"userId":"u1","scopes":["tts"]}`)
	}))
	defer service.Close()

	c, err := client.New(service.URL, "the-key-of-a-caller")
	if err != nil {
		fmt.Println(err)
		return
	}
	answer, err := c.Do(context.Background(), http.MethodGet, api.WhoamiPath, nil, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	var whoami api.WhoamiResponse
	if err := json.Unmarshal(answer, &whoami); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(whoami.UserID, whoami.Scopes)

	_, err = c.Do(context.Background(), http.MethodGet, api.KeysPath+"/fbvIj5lD1wYRMsd9", nil, nil)
	var refused *client.Error
	if errors.As(err, &refused) {
		fmt.Println(refused.Status, refused.Code, refused.Message)
	}
	// Output:
	// u1 [tts]
	// 404 not_found No such API key
}
