// Go's net/http: `go run client.go 1|2 URL KEY CA DIRECT`.
package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
)

var client *http.Client

func ask(method, url, key string, body []byte) (*http.Response, []byte) {
	request, err := http.NewRequest(method, url, bytes.NewReader(body))
	hold(err == nil, err)
	request.Header.Set("Authorization", "Bearer "+key)
	answer, err := client.Do(request)
	hold(err == nil, err)
	content, err := io.ReadAll(answer.Body)
	hold(err == nil, err)
	answer.Body.Close()
	return answer, content
}

func hold(true_ bool, what ...any) {
	if !true_ {
		log.Fatalln(what...)
	}
}

func main() {
	version, url, key := os.Args[1], os.Args[2], os.Args[3]
	pem, err := os.ReadFile(os.Args[4])
	hold(err == nil, err)
	roots := x509.NewCertPool()
	hold(roots.AppendCertsFromPEM(pem), "no certificate")
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: version == "2"}
	if version == "1" {
		transport.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	}
	client = &http.Client{Transport: transport}
	allowed := func(method, url string, body []byte) string {
		answer, content := ask(method, url, key, body)
		hold(answer.StatusCode == 200, answer.Status, string(content[:min(len(content), 200)]))
		hold(fmt.Sprint(answer.ProtoMajor) == version, answer.Proto)
		return string(content)
	}
	body := make([]byte, 16<<20)
	for at := range body {
		body[at] = byte(at)
	}
	for time := 0; time < 3; time++ {
		hold(strings.Contains(allowed("GET", url+"/who", nil), `"name": "client"`), "who")
	}
	sum := allowed("POST", url+"/sum", body)
	hold(sum == fmt.Sprintf(`{"length": %d, "sha256": "%x"}`, len(body), sha256.Sum256(body)), sum)
	hold(len(allowed("GET", fmt.Sprintf("%s/zeros?%d", url, len(body)), nil)) == len(body), "zeros")
	last := "A"
	if strings.HasSuffix(key, "A") {
		last = "B"
	}
	refused, content := ask("POST", os.Args[5]+"/sum", key[:len(key)-1]+last, body)
	hold(refused.StatusCode == 401 && strings.Contains(string(content), `"invalid_key"`), refused.Status, string(content))
	allowed("GET", os.Args[5]+"/who", nil)
}
