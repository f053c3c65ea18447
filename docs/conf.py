"""Settings of the documentation: Sphinx, MyST and furo; docstrings by autodoc, through _ext/house.py."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import xent

project = "xent"
author = copyright = "The xent developers"  # noqa: A001 -- Sphinx's own name
release = version = xent.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "house"]
exclude_patterns = ["_build", "_ext"]
nitpicky = True  # a reference that leads nowhere is a warning, and a warning is an error
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say more: shape, dtype, unit

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_title = f"xent {release}"
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
pygments_style, pygments_dark_style = "friendly", "github-dark"
