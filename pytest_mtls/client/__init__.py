"""The client end of a handshake: where a server is, what is presented to it, and the probe."""
