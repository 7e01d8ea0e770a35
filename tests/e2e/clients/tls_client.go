// A TLS client of Go's own crypto: one POST, status printed.
//
//	tls_client URL CA.pem
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
)

func main() {
	pem, err := os.ReadFile(os.Args[2])
	if err != nil {
		panic(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	body := []byte(`{"model":"gpt-5-mini","messages":[]}`)
	reply, err := client.Post(os.Args[1], "application/json", bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	defer reply.Body.Close()
	io.Copy(io.Discard, reply.Body)
	fmt.Println(reply.StatusCode)
}
