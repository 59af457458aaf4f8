// net/http as a server that requires client certificates, answers 204, and reads its files again on SIGHUP; those that it
// cannot use leave the last good ones in force: rotating GetCertificate|GetConfigForClient CERT KEY CA ADDRESS
//
// By GetCertificate only key and certificate are new, since that is all that the hook gives; by GetConfigForClient the CAs of
// the clients are new, too.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
)

func load(cert, key, ca string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	clients := x509.NewCertPool()
	if !clients.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("no CA in %s", ca)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{pair},
		ClientCAs:    clients,
		ClientAuth:   tls.RequireAndVerifyClientCert,
		NextProtos:   []string{"h2", "http/1.1"},
	}, nil
}

func main() {
	hook, cert, key, ca, address := os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5]
	first, err := load(cert, key, ca)
	if err != nil {
		log.Fatal(err)
	}
	var current atomic.Value
	current.Store(first)
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGHUP)
	go func() {
		for range told {
			if config, err := load(cert, key, ca); err == nil {
				current.Store(config)
			} else {
				log.Print("the files cannot be used yet: ", err)
			}
		}
	}()
	config := first.Clone()
	config.Certificates = nil
	config.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return &current.Load().(*tls.Config).Certificates[0], nil
	}
	if hook == "GetConfigForClient" {
		config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return current.Load().(*tls.Config), nil
		}
	}
	server := http.Server{
		Addr:      address,
		TLSConfig: config,
		ErrorLog:  log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(answer http.ResponseWriter, _ *http.Request) {
			answer.WriteHeader(http.StatusNoContent)
		}),
	}
	log.Fatal(server.ListenAndServeTLS("", ""))
}
