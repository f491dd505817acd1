"""A page with a map of structures that any browser shows, without a network or a server."""

import html
from importlib.resources import files

_SCRIPTS = ("chemiscope.min.js", "chemiscope-sphinx.js")  # the second lays out the panels
_STYLE = "chemiscope-sphinx.css"
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>{style}</style>
{scripts}
</head>
<body>
<div id="map-error-display" class="chemiscope-sphinx-error"><p></p></div>
<div id="map-warning-display" class="chemiscope-sphinx-warning"><p></p></div>
<div id="map"></div>
<script>
fetchDataset = async () => ({data});
loadChemiscopeSphinx("map", "", "default", 4000);
</script>
</body>
</html>
"""


def map_page(data: str, title: str) -> str:
    """The page, with the program of chemiscope and the data in it.

    Parameters
    ----------
    data : str
        Input of chemiscope, as JSON.
    title : str
        Of the page.

    Returns
    -------
    str
        HTML, of some megabytes.
    """
    folder = files("chemiscope") / "sphinx" / "static"
    programs = [(folder / name).read_text(encoding="utf-8") for name in _SCRIPTS]
    return _PAGE.format(
        title=html.escape(title),
        style=(folder / _STYLE).read_text(encoding="utf-8"),
        scripts="\n".join(f"<script>{program}</script>" for program in programs),
        data=data.replace("</", "<\\/"),  # a name in the data must not end the script
    )
