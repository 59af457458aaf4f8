"""The in-process mutual TLS server, and servers that run as a subprocess."""
