"""What is in the files that people have: certificates, keys, requests, CRLs, in whatever form; and what is wrong with them.

`reading` makes of a file a list of `Found`; `belonging` says which of them belong together; `rejections` what a peer would
reject a chain for, by rules that name the field, and `verification` by OpenSSL itself; `report` puts it into words and JSON.
A private key is used to find its public half, and then forgotten: no `Found` holds one.
"""
