"""Sphinx configuration."""

from __future__ import annotations

from importlib.metadata import version as installed_version

import pytest_mtls

project = "pytest-mtls"
author = "The pytest-mtls authors"
copyright = f"2026, {author}"
version = release = installed_version("pytest-mtls")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"pytest-mtls {version}"

myst_enable_extensions = ["deflist", "fieldlist"]
myst_heading_anchors = 3

# A name in single backticks is a link where it names something of ours, and code where it does not.
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = False

# The package loads its names when they are first used; autodoc documents those that are there.
for name in pytest_mtls.__all__:
    getattr(pytest_mtls, name)
