"""Pictures that commands write."""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from ..outputs.files import check_place, whole_file
from .printing import say

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FORMATS = (".png", ".pdf", ".svg", ".jpg")


def need_matplotlib(way_out: str = "") -> None:
    """Refuse pictures that cannot be drawn, before the work."""
    if importlib.util.find_spec("matplotlib") is None:
        other = f", or {way_out}" if way_out else ""
        raise ImportError(f'pictures need matplotlib: pip install "sklode[plot]"{other}.')


def check_picture(path: Path, option: str) -> None:
    """Refuse places and names of pictures that do not serve, before the work."""
    if path.suffix not in _FORMATS:
        raise ValueError(f"{option} {path}: must end in one of {', '.join(_FORMATS)}.")
    check_place(path, option)


def write_picture(figure: "Figure", path: Path) -> None:
    """Write a picture in the format that its name tells."""
    with whole_file(path) as unfinished:
        figure.savefig(unfinished, format=path.suffix.removeprefix("."), dpi=150)
    say(f"Written: {path}")
