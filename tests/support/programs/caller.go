// A GET by net/http: client URL ADDRESS:PORT CA CERT KEY [insecure]
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
)

func main() {
	url, address := os.Args[1], os.Args[2]
	trusted := x509.NewCertPool()
	pem, err := os.ReadFile(os.Args[3])
	check(err)
	trusted.AppendCertsFromPEM(pem)
	own, err := tls.LoadX509KeyPair(os.Args[4], os.Args[5])
	check(err)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{
			RootCAs:            trusted,
			Certificates:       []tls.Certificate{own},
			InsecureSkipVerify: len(os.Args) > 6,
		},
		// Where the host is, as an entry of the file hosts would say it.
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}
	answer, err := (&http.Client{Transport: transport}).Get(url)
	check(err)
	_, err = io.Copy(os.Stdout, answer.Body)
	check(err)
}

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
