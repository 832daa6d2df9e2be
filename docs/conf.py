"""Build the documentation site: `make docs` writes build/docs, which is read without a network."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import supremix

project, author, release = "supremix", "The supremix authors", supremix.__version__
copyright = author
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "pages", "mathml"]
exclude_patterns = ["_ext"]
html_theme, html_title = "furo", f"supremix {release}"
html_static_path: list[str] = []
html_copy_source = html_show_sphinx = html_show_copyright = False
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
napoleon_use_ivar = True


def plain(app, what, name, obj, options, lines) -> None:
    """Let the bars of docstrings, as in |y_i − y_j|, stand for themselves."""
    lines[:] = [line.replace("|", r"\|") for line in lines]


def setup(app) -> None:
    """Register what docstrings need."""
    app.connect("autodoc-process-docstring", plain)
