// net/http as a client: client CERT KEY CA. A port and a host come on standard input, a line each; every request goes to that
// port of 127.0.0.1 by a connection of its own, and prints "accepted" or "refused" and why.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
)

func main() {
	servers := x509.NewCertPool()
	pem, err := os.ReadFile(os.Args[3])
	if err != nil || !servers.AppendCertsFromPEM(pem) {
		log.Fatal("no CA in ", os.Args[3], ": ", err)
	}
	own, err := tls.LoadX509KeyPair(os.Args[1], os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		transport := &http.Transport{
			DisableKeepAlives: true,
			TLSClientConfig:   &tls.Config{RootCAs: servers, Certificates: []tls.Certificate{own}},
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+words[0])
			},
		}
		answer, err := (&http.Client{Transport: transport}).Get("https://" + words[1] + ":" + words[0] + "/")
		if err != nil {
			fmt.Println("refused", strings.ReplaceAll(err.Error(), "\n", " "))
			continue
		}
		answer.Body.Close()
		fmt.Println("accepted")
	}
}
