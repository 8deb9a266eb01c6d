"""Starting the program, and the first evaluation after an installation."""

from speed.cell import METRICS, Cell, Data, Tool, metrics_of

_OWN = ("detkit",)
_EVAL = ("{scripts}/detkit", "eval", "--format", "json", "{truth}", "{predictions}")

CELLS = (
    Cell(
        "startup",
        "starting the program",
        (
            Tool("`python -c pass`", _OWN, ("{python}", "-c", "pass")),
            Tool('`python -c "import typer, rich"`', _OWN, ("{python}", "-c", "import typer, rich")),
            Tool("`detkit --help`", _OWN, ("{scripts}/detkit", "--help")),
        ),
    ),
    Cell(
        "first-eval",
        "`detkit eval` of 100 real images, and the first one ever: empty kernel cache",
        (
            Tool("with kernels in the cache", _OWN, _EVAL, metrics_of(METRICS["bbox"])),
            Tool("with an empty cache", _OWN, _EVAL, metrics_of(METRICS["bbox"]), empty_cache=True),
        ),
        Data({"truth": "instances.json", "predictions": "bbox_results.json"}, "coco14_100"),
        "with kernels in the cache",
    ),
)
