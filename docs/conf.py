"""Sphinx settings of the documentation: MyST pages in the Furo theme."""

import logging
from importlib import metadata

project = "django_jobqueue"
author = "The django_jobqueue authors"
copyright = f"2026, {author}"
release = version = metadata.version("django-jobqueue")

extensions = ["myst_parser", "sphinxcontrib.mermaid"]
exclude_patterns = ["_build"]

# A section may still be without pages. Sphinx gives this warning no type to suppress it by.
logging.getLogger("sphinx.sphinx.directives.other").addFilter(
    lambda record: getattr(record, "subtype", None) != "empty_glob"
)

myst_enable_extensions = ["colon_fence", "deflist"]
myst_fence_as_directive = ["mermaid"]  # ```mermaid, as code hosts show it too
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"{project} {release}"
