"""The command line: ``pytest-mtls COMMAND``, the same as ``python -m pytest_mtls COMMAND``.

A command is a file here that defines a `Command`, and a row of the table in `pytest_mtls.commands.table`. A command
imports what it needs when it runs, so that ``--help`` costs nothing. It prints its result, and raises an `MtlsError` for a
mistake of the user's, which `pytest_mtls.commands.main` tells in one line.
"""
