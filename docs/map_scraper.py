"""Shows the pages that examples of the gallery write with ``sklode.plotting.explore``."""

import os
import shutil
from pathlib import Path

FOLDER = Path(__file__).parent / "generated" / "maps"  # is copied to the root of the pages
FOLDER.mkdir(parents=True, exist_ok=True)
FRAME = """
.. raw:: html

    <iframe src="{source}" title="A map of structures" class="structure-map"></iframe>
"""


def map_scraper(block, block_vars, gallery_conf):
    """Called by Sphinx-Gallery after each piece of code: moves new pages to where readers are."""
    page = Path(block_vars["target_file"]).parent.relative_to(gallery_conf["src_dir"])
    rst = ""
    for path in sorted(Path(block_vars["src_file"]).parent.glob("*.html")):
        shutil.move(path, FOLDER / path.name)
        rst += FRAME.format(source=Path(os.path.relpath(path.name, page)).as_posix())
    return rst
