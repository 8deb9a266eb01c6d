"""`detkit demo`: the whole pipeline on the bundled dataset of drawn shapes."""

from __future__ import annotations

import shlex
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from detkit import files
from detkit.cli import _console
from detkit.errors import InputError, MissingExtraError
from detkit.wording import plural

if TYPE_CHECKING:
    from detkit.evaluation.gate import GateReport

__all__ = ["demo"]

_RULES = ("AP>=0.50", "AP50>=0.70", "worst_class.AP50>=0.50", "recall@score=0.3>=0.60")
_MAX_DROP = 0.02


def demo(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Keep what is made in this new folder.")] = None,
) -> None:
    """Convert, score, gate and compare the bundled dataset of 60 drawn images; needs no network.

    Example: detkit demo
    """
    started = time.perf_counter()
    source = demo_folder()
    with _kept(output) as place:
        _describe(source)
        _convert(source, place)
        code = max(_score(source, place).exit_code, _detect(source, place))
    _console.out(f"\ndemo done in {time.perf_counter() - started:.1f} s")
    _console.hint("score your own: detkit eval TRUTH PREDICTIONS")
    raise typer.Exit(code)


@contextmanager
def _kept(output: Path | None) -> Iterator[Path]:
    """The folder asked for, which appears whole, or one that goes when the block ends."""
    if output is None:
        with tempfile.TemporaryDirectory(prefix="detkit-demo-") as scratch:
            yield Path(scratch)
        return
    with files.atomic_folder(output, overwrite=False) as place:
        yield place


def _describe(source: Path) -> None:
    from detkit import api, reports

    _step(f"detkit stats {_typed(source, 'data.yaml')}")
    _console.out(reports.render_stats(api.stats(source / "data.yaml")))


def _convert(source: Path, place: Path) -> None:
    from detkit import api

    for target, to in (("as-coco", "coco"), ("as-voc", "voc")):
        _step(f"detkit convert {_typed(source, 'data.yaml')} {target} --to {to}")
        done = api.convert(source / "data.yaml", place / target, to)
        lost = "; ".join(map(str, done.losses)) or "nothing lost"
        counts = f"{plural(done.images, 'image')}, {plural(done.boxes, 'box', 'boxes')}"
        _console.out(f"{counts}, {done.source_format} to {to}: {lost}\n")


def _score(source: Path, place: Path) -> GateReport:
    from detkit import api, reports

    demands = " ".join(f"--require '{rule}'" for rule in _RULES)
    truth = _typed(source, "coco")
    scored = f"detkit eval {truth} {_typed(source, 'predictions/yolo')}"
    _step(f"{scored} {demands}")
    result = api.evaluate(source / "coco", source / "predictions" / "yolo")
    verdict = api.gate(result, _RULES)
    _console.out(reports.render("text", result, verdict))
    _step(f"detkit eval as-voc {_typed(source, 'predictions/voc')} --protocol voc2012")
    voc = api.evaluate(place / "as-voc", source / "predictions" / "voc", protocol="voc2012")
    _console.out(f"mAP = {voc.metrics['mAP']:.4f}\n")
    _step(f"{scored} --format json -o result.json")
    _step(f"detkit eval {truth} {_typed(source, 'predictions/coco_worse.json')} --format json -o worse.json")
    _step(f"echo 'rules: [{{metric: AP, max_drop: {_MAX_DROP}}}]' > rules.yaml")
    _step("detkit gate worse.json --baseline result.json --rules rules.yaml")
    worse = api.evaluate(source / "coco", source / "predictions" / "coco_worse.json")
    judged = api.gate(worse, [api.Rule("AP", max_drop=_MAX_DROP)], baseline=result)
    _console.out(reports.render_gate(judged))
    return verdict


def _detect(source: Path, place: Path) -> int:
    """Exit code of the bundled detector's verdict: predict, suppress, score; 0 where onnxruntime is not installed.

    Figures are shown with two digits: the last bits of a network's answer are the processor's own.
    """
    from detkit import api

    images, truth = source / "images" / "val", source / "coco" / "instances_val.json"
    names = [_typed(source, name) for name in ("model/shapes.onnx", "images/val", "coco/instances_val.json")]
    _step(f"detkit predict {names[0]} {names[1]} --truth {names[2]} -o found.json")
    try:
        found = api.predict(source / "model" / "shapes.onnx", images, place / "found.json", truth=truth)
    except MissingExtraError as error:
        _console.out(f"left out: {error}")
        return 0
    _console.out(f"{plural(found.images, 'image')} on {found.device}, recognised as {found.model['family']}\n")
    _step("detkit nms found.json -o kept.json --iou-threshold 0.5 --score-threshold 0.05")
    kept = api.nms(place / "found.json", iou_threshold=0.5, score_threshold=0.05)
    api.write(kept, place / "kept.json")
    _step(f"detkit eval {_typed(source, 'coco')} kept.json --require 'AP>=0.60'")
    result = api.evaluate(source / "coco", place / "kept.json")
    verdict = api.gate(result, ["AP>=0.60"])
    _console.out(f"AP = {result.metrics['AP']:.2f}, AP50 = {result.metrics['AP50']:.2f}: {verdict.outcome}")
    return verdict.exit_code


def demo_folder() -> Path:
    """The demo dataset: carried in the installed package, or beside it in a checkout."""
    for folder in (resources.files("detkit") / "_demo", Path(__file__).parents[3] / "fixtures" / "demo"):
        if (Path(str(folder)) / "data.yaml").is_file():
            return Path(str(folder))
    raise InputError("the demo dataset is not in this installation", hint="install detkit anew from where it came from")


def _typed(source: Path, name: str) -> str:
    """A file of the demo dataset as it is typed here: the commands that are shown run as they are."""
    here, folder = Path.cwd(), source
    if Path(source.name).exists() and Path(source.name).samefile(source):
        folder = Path(source.name)
    elif source.is_relative_to(here):
        folder = source.relative_to(here)
    return shlex.quote(str(folder / name))


def _step(command: str) -> None:
    _console.out(f"$ {command}")
