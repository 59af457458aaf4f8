"""Certificate authorities, the certificates they issue, and the requests they sign.

Nothing here opens a connection: no ``ssl``, ``socket``, ``threading`` or ``pytest`` may be imported below this package.
"""
