"""Floor 3: real TLS. Contexts, handshakes observed from either end, and the server and client ends themselves.

Nothing here imports pytest; only `server` uses threads.
"""
