"""Clusters of copies as one picture to look at: a row each, what stays first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from detkit import files
from detkit.api import _pixels
from detkit.api._artist import with_strip
from detkit.api._canvas import GREY, GROUND, TEXT, Colour
from detkit.api._fonts import Fonts
from detkit.errors import InputError
from detkit.wording import plural

if TYPE_CHECKING:
    from PIL import Image

    from detkit.transforms.dedupe import Candidates, Cluster, Duplicates

__all__ = ["write_cluster_sheet"]

_CELL = (220, 165)
_COLUMNS, _ROWS = 6, 40
_GAP, _FRAME = 8, 3
_KEPT: Colour = (86, 180, 233)
_LEFT_OUT: Colour = (213, 94, 0)


def write_cluster_sheet(found: Duplicates, target: Path, *, overwrite: bool, jobs: int | None = None) -> int:
    """Draw clusters, those that join splits first, then the least alike, which are the ones to look at.

    Parameters
    ----------
    found : Duplicates
    target : Path
        An image file.
    overwrite : bool
    jobs : int, optional
        Threads.

    Returns
    -------
    int
        How many clusters are shown, 40 at most; of a cluster the first six images.
    """
    from PIL import Image

    ranked = sorted(found.clusters, key=lambda c: (not c.is_leak, c.weakest, c.members))[:_ROWS]
    fonts = Fonts()
    cells = [(cluster, member) for cluster in ranked for member in cluster.members[:_COLUMNS]]

    def one(cell: tuple[Cluster, int]) -> Image.Image:
        return _cell(found.candidates, *cell, fonts)

    pictures = iter(list(_pixels.in_threads(one, cells, jobs, None)))
    wide, high = _CELL[0] + 2 * _FRAME + _GAP, _CELL[1] + 2 * _FRAME + 44 + _GAP
    columns = max((min(len(c.members), _COLUMNS) for c in ranked), default=1)
    sheet = Image.new("RGB", (columns * wide + _GAP, max(1, len(ranked)) * high + _GAP), GROUND)
    for row, cluster in enumerate(ranked):
        for column in range(min(len(cluster.members), _COLUMNS)):
            sheet.paste(next(pictures), (_GAP + column * wide, _GAP + row * high))
    with files.atomic_file(target, overwrite=overwrite) as place:
        _pixels.save(sheet, place, quality=90, suffix=target.suffix)
    return len(ranked)


def _cell(table: Candidates, cluster: Cluster, member: int, fonts: Fonts) -> Image.Image:
    from PIL import Image, ImageOps

    stays = member in cluster.kept
    frame = Image.new("RGB", (_CELL[0] + 2 * _FRAME, _CELL[1] + 2 * _FRAME), _KEPT if stays else _LEFT_OUT)
    try:
        picture = ImageOps.contain(_pixels.rgb(_pixels.displayed(str(table.paths[member]))), _CELL)
    except InputError:
        picture = Image.new("RGB", _CELL, GREY)
    ground = Image.new("RGB", _CELL, GROUND)
    ground.paste(picture, ((_CELL[0] - picture.size[0]) // 2, (_CELL[1] - picture.size[1]) // 2))
    frame.paste(ground, (_FRAME, _FRAME))
    split = table.split_name(member)
    likeness = "stays" if stays else f"copy {cluster.kept_for[member][1]:.3f}"
    colour = _LEFT_OUT if cluster.is_leak else TEXT
    name = with_strip(frame, [(table.names[member][-34:], TEXT)], fonts, 12)
    hidden = len(cluster.members) - _COLUMNS
    more = [(f"+{hidden} more", TEXT)] if hidden > 0 and member == cluster.members[_COLUMNS - 1] else []
    words = [(likeness, _KEPT if stays else _LEFT_OUT), (f"{plural(table.boxes[member], 'box', 'boxes')}", TEXT)]
    words += [(split, colour)] if split else []
    return with_strip(name, [*words, *more], fonts, 12)
