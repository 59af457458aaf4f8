"""Whether a client rejects bad servers: a program in any language, or a callable of Python, against servers of ours."""
