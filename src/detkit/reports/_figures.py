"""What the plots of results and of statistics share: colours, names, spans, and files that appear together."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from detkit import files
from detkit.errors import MissingExtraError
from detkit.reports._table import shortened
from detkit.wording import printable

__all__ = ["COLOURS", "NAMED", "Plot", "grid_of_classes", "name_of", "size_of_grid", "write_figures"]

_DPI = 150
#: Okabe and Ito 2008, Color universal design, without black, and without the yellow that white ground swallows.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
#: After matplotlib's own font those of these that the system has, for names in other scripts.
_FONTS = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "PingFang SC", "Hiragino Sans", "Microsoft YaHei", "WenQuanYi Zen Hei"),
    *("Malgun Gothic", "Noto Sans Arabic", "Noto Sans Devanagari", "Noto Sans Thai", "Noto Emoji", "Arial Unicode MS"),
)
#: Classes that a plot can name.
NAMED = 40
#: Characters of a name: a longer one would leave no room for the plot.
_NAME = 28

#: How axes are drawn, and (width, height) of the figure in inches.
Plot = tuple[Callable[[Any], None], tuple[float, float]]


def write_figures(plots: Mapping[str, Plot], folder: Path, *, overwrite: bool = False) -> list[Path]:
    """Paths of the plots written: one .png and one .svg for each.

    Parameters
    ----------
    plots : mapping of str to Plot
        By file name without suffix.
    folder : Path
    overwrite : bool

    Returns
    -------
    list of Path

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    OutputError
        A file exists.
    """
    try:
        import matplotlib as mpl
        from matplotlib import font_manager, rcsetup
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "report") from error
    targets = {name: [folder / f"{name}{suffix}" for suffix in (".png", ".svg")] for name in plots}
    for target in (path for pair in targets.values() for path in pair):
        files.refuse_existing(target, overwrite=overwrite)
    known = {font.name for font in font_manager.fontManager.ttflist}
    settings: Any = {
        "font.family": ["DejaVu Sans", *(name for name in _FONTS if name in known)],
        "svg.hashsalt": "detkit",
        "svg.fonttype": "none",
        "axes.prop_cycle": rcsetup.cycler("color", COLOURS),
        "axes.axisbelow": True,
        "axes.titlesize": "medium",
    }
    written = []
    # The same figures give the same bytes: no date, and ids of SVG parts from a fixed salt.
    # All of them appear when the last one is drawn: a full disk leaves none.
    with ExitStack() as stack, mpl.rc_context(settings), warnings.catch_warnings():
        # A letter no font has is drawn as a frame: nothing a user could mend here.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        for name, (plot, size) in plots.items():
            figure = Figure(figsize=size, layout="constrained")
            plot(figure.add_subplot())
            for target in targets[name]:
                metadata = {"Software": None} if target.suffix == ".png" else {"Date": None}
                place = stack.enter_context(files.atomic_file(target, overwrite=overwrite))
                figure.savefig(place, format=target.suffix[1:], dpi=_DPI, metadata=metadata)
                written.append(target)
    return written


def name_of(text: str) -> str:
    """A class name as plain text that leaves room for the plot: matplotlib reads dollar signs as formulas."""
    return shortened(printable(text), _NAME).replace("$", r"\$")


def grid_of_classes(axes: Any, names: Sequence[str]) -> None:
    """Names of classes at the rows and the columns of a matrix."""
    labels = [name_of(name) for name in names]
    axes.set_xticks(range(len(labels)), labels, rotation=90, fontsize=7)
    axes.set_yticks(range(len(labels)), labels, fontsize=7)


def size_of_grid(names: Sequence[str]) -> tuple[float, float]:
    """Inches in which every name at a matrix can be read."""
    cells, text = 0.17 * len(names), 0.06 * max(len(name_of(name)) for name in names)
    return max(5.2, cells + text + 1.8), max(4.0, cells + text + 0.9)
