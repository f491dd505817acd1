"""Configuration of the documentation; build it with ``python -m sphinx -W -b html docs OUT``."""

import sys
from importlib import metadata
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent / "gallery")]
from estimator_table import members  # noqa: E402
from map_scraper import FOLDER, map_scraper  # noqa: E402

project = "sklode"
author = "the sklode developers"
copyright = "the sklode developers"
try:
    release = metadata.version("sklode")
except metadata.PackageNotFoundError:
    release = "0.1.0"
version = release

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",  # copies MathJax to the pages: readers need no network
    "numpydoc",
    "estimator_table",
    "sphinx_gallery.gen_gallery",
]
mathjax_path = "mathjax/tex-chtml.js"
mathjax3_config = {"options": {"enableMenu": False}}  # the menu loads speech from elsewhere
exclude_patterns = ["_build", "gallery"]
templates_path = ["_templates"]
default_role = "code"

autosummary_context = {"members_of": members}  # for _templates
suppress_warnings = ["config.cache"]  # of that function, which cannot be pickled
autodoc_member_order = "bysource"
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

GALLERY = [  # in the order of its page
    "first_model",
    "map_of_errors",
    "decay",
    "toy_gas",
    "binding_curves",
    "molecule_above_slab",
    "far_field",
    "charge_dimers",
    "forces_ion_pairs",
    "dimer_classes",
    "exfoliation",
    "forces_exfoliation",
    "side_chains",
    "forces_liquids",
    "charge_transfer",
]


def place(file):
    """Where an example stands on the page of the gallery."""
    return GALLERY.index(Path(file).stem) if Path(file).stem in GALLERY else -1  # not an example


sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "generated/gallery",
    "subsection_order": ["gallery/first", "gallery/models", "gallery/real"],
    "within_subsection_order": place,
    "filename_pattern": r"\.py$",  # all are run: the long ones draw stored numbers
    "ignore_pattern": r"^(gallery|freeze)\.py$",
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("sklode",),
    "image_scrapers": ("matplotlib", map_scraper),
    "reset_modules": ("matplotlib",),
    "image_srcset": ["2x"],
    "remove_config_comments": True,
    "write_computation_times": False,
    "show_signature": False,
    "min_reported_time": 60,
    "abort_on_example_error": True,
}

html_theme = "furo"
html_title = "sklode"
html_static_path = ["_static"]
html_css_files = ["sklode.css"]
html_extra_path = [str(FOLDER)]
html_copy_source = False
html_show_sphinx = False
pygments_style = "friendly"
pygments_dark_style = "native"
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1a5fb4", "color-brand-content": "#1a5fb4"},
    "dark_css_variables": {"color-brand-primary": "#7fb4f0", "color-brand-content": "#7fb4f0"},
}
