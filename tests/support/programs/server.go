// net/http as a server that requires client certificates and answers 204:
// server CERT KEY CA ADDRESS required|optional
package main

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net/http"
	"os"
)

func main() {
	clients := x509.NewCertPool()
	pem, err := os.ReadFile(os.Args[3])
	if err != nil || !clients.AppendCertsFromPEM(pem) {
		log.Fatal("no CA in ", os.Args[3], ": ", err)
	}
	auth := tls.RequireAndVerifyClientCert
	if os.Args[5] == "optional" {
		auth = tls.VerifyClientCertIfGiven
	}
	server := http.Server{
		Addr:      os.Args[4],
		TLSConfig: &tls.Config{ClientCAs: clients, ClientAuth: auth},
		ErrorLog:  log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(answer http.ResponseWriter, _ *http.Request) {
			answer.WriteHeader(http.StatusNoContent)
		}),
	}
	log.Fatal(server.ListenAndServeTLS(os.Args[1], os.Args[2]))
}
