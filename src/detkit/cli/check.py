"""`detkit check`: faults of a labelled dataset, with codes, and a copy in which they are mended."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from detkit.cli import _console, _datasets, _options, _reports
from detkit.cli._write import check_outputs, deliver
from detkit.errors import UsageError
from detkit.wording import plural

if TYPE_CHECKING:
    from collections.abc import Mapping

    from detkit.api.checking import Mending

__all__ = ["check"]

_FORMATS = ("text", "json", "github", "sarif", "html", "markdown")
_UNREADABLE = 2


def check(
    source: _datasets.Source,
    select: Annotated[
        str | None, typer.Option("--select", help="Only these checks: DK2, DK203 or partly-outside, comma between.")
    ] = None,
    ignore: Annotated[
        str | None, typer.Option("--ignore", help="Leave these checks out; written as for --select.")
    ] = None,
    format: Annotated[str, typer.Option("--format", help=f"{', '.join(_FORMATS)}.")] = "text",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this file instead of stdout; with --fix the copy.")
    ] = None,
    report: _reports.ReportOption = None,
    fix: Annotated[bool, typer.Option("--fix", help="Write a copy without the faults that can safely go.")] = False,
    in_place: Annotated[
        bool, typer.Option("--in-place", help="With --fix: mend the files themselves; an undo bundle keeps the old.")
    ] = False,
    undo: Annotated[
        bool, typer.Option("--undo", help="SOURCE is an undo bundle: put the old files back, byte for byte.")
    ] = False,
    unsafe_fixes: Annotated[
        bool, typer.Option("--unsafe-fixes", help="Fix more: boxes that cannot be used go, twins are joined.")
    ] = False,
    to: _datasets.To = None,
    place_images: _datasets.PlaceImages = None,
    dry_run: _datasets.DryRun = False,
    overwrite: _options.Overwrite = False,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", help="Result of an earlier run: only what is new counts.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings fail, too.")] = False,
    exit_zero: Annotated[bool, typer.Option("--exit-zero", help="Exit 0 whatever is found.")] = False,
    max_per_code: Annotated[
        int | None, typer.Option("--max-per-code", min=0, help="List at most so many of a code; 0 lists all.")
    ] = None,
    statistics: Annotated[bool, typer.Option("--statistics", help="Only counts.")] = False,
    images: _options.ImagesDir = None,
    decode: Annotated[bool, typer.Option("--decode", help="Decode the pixels of every image, too.")] = False,
    predictions: Annotated[
        Path | None, typer.Option("--predictions", help="Of a good model: names labels that are likely wrong.")
    ] = None,
    predictions_format: _options.PredictionsFormat = "auto",
    source_format: _options.FromFormat = "auto",
    split: _options.Split = None,
    image_sizes: _options.ImageSizesOption = None,
    names: _options.NamesOption = None,
    voc_offset: _options.VocOffset = 1,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="Threads that read image headers.")] = 4,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Remember no image headers between runs.")] = False,
) -> None:
    """Check a labelled dataset: errors exit 1, warnings only with --strict.

    Example: detkit check data.yaml --select DK2,DK5
    """
    from detkit import api

    if undo:
        return _undone(source, others=any((fix, unsafe_fixes, in_place, dry_run, output, to, report, baseline)))
    copying = fix and not in_place
    fixing = {"--unsafe-fixes": unsafe_fixes, "--dry-run": dry_run, "--in-place": in_place, "--to": to}
    finding = {"--baseline": baseline, "--predictions": predictions}
    _check_request(format, output, fix, {**fixing, "--place-images": place_images}, finding)
    inputs = (source, baseline, predictions, names)
    reports = _reports.parse(
        report, known=_FORMATS, inputs=inputs, outputs=() if copying else (output,), overwrite=overwrite
    )
    check_outputs(None if copying else output, inputs=inputs, overwrite=overwrite)
    settings = api.check_settings(
        select=_prefixes(select, "--select"),
        ignore=_prefixes(ignore, "--ignore"),
        limit=None if fix or not _may_cut(format, reports, max_per_code) else max_per_code or 1000,
        decode=decode or None,
        cache=False if no_cache else None,
        jobs=jobs,
    )
    reading: dict[str, Any] = {
        "split": _options.part(split),
        "images_dir": images,
        "image_sizes": _options.image_sizes(image_sizes),
        "names": _options.names(names),
        "voc_offset": voc_offset,
    }
    shared = (source, source_format, settings, reading)
    with _console.working("checking"):
        if fix:
            where = {"to": to, "place_images": place_images, "overwrite": overwrite, "dry_run": dry_run}
            content, code = _mended(shared, None if in_place else output, unsafe_fixes, strict, where)
        else:
            content, code = _checked(shared, strict, baseline, (predictions, predictions_format))
    _show(content, format, None if copying else output, reports, (max_per_code, statistics, overwrite))
    raise typer.Exit(code if code == _UNREADABLE or not exit_zero else 0)


def _check_request(
    format: str, output: Path | None, fix: bool, fixing: Mapping[str, object], finding: Mapping[str, object]
) -> None:
    """Refuse options that do not go together: those of a fix without one, and those of findings beside one."""
    _options.one_of(format, "--format", *_FORMATS)
    in_place = fixing["--in-place"]
    if fix and output is None and not in_place:
        hint = "detkit check SRC --fix -o FIXED; or mend the files themselves with --in-place"
        raise UsageError("--fix writes a copy: name it with -o", hint=hint)
    if not fix and any(fixing.values()):
        raise UsageError(f"{next(name for name, given in fixing.items() if given)} goes with --fix only")
    if fix and any(finding.values()):
        raise UsageError(f"{next(name for name, given in finding.items() if given)} does not go with --fix")
    if in_place and fixing["--to"]:
        raise UsageError("--in-place keeps the format: it does not go with --to", hint="write a copy with -o")
    if in_place and fixing["--place-images"]:
        raise UsageError("--in-place keeps images where they are: it does not go with --place-images")


def _undone(bundle: Path, *, others: bool) -> None:
    from detkit.api import checking

    if others:
        raise UsageError("--undo goes alone: detkit check --undo BUNDLE")
    done = checking.undo(bundle)
    if done.restored:
        _console.out("".join(f"put back {file}\n" for file in done.restored))
    count = f"{plural(len(done.restored), 'file')} put back, {len(done.untouched)} were as before"
    _console.status(f"{count}; {bundle} may be deleted")


def _prefixes(text: str | None, flag: str) -> tuple[str, ...] | None:
    found = _options.listed(text, flag)
    return None if found is None else tuple(found)


def _may_cut(format: str, reports: tuple[_reports.Report, ...], max_per_code: int | None) -> bool:
    """Whether findings beyond some may be counted only: JSON, which may be a baseline, is whole unless asked."""
    is_whole = "json" in (format, *(report.kind for report in reports))
    return max_per_code != 0 and not (is_whole and max_per_code is None)


def _checked(
    shared: tuple[Path, str, Any, dict[str, Any]],
    strict: bool,
    baseline: Path | None,
    predictions: tuple[Path | None, str],
) -> tuple[Mapping[str, Any], int]:
    from detkit import api

    source, source_format, settings, reading = shared
    result = api.check(
        source,
        settings,
        format=source_format,
        baseline=baseline,
        predictions=predictions[0],
        predictions_format=predictions[1],
        **reading,
    )
    code = _UNREADABLE if not result.is_readable else int(result.failed(strict=strict))
    return result.to_dict(), code


def _mended(
    shared: tuple[Path, str, Any, dict[str, Any]],
    target: Path | None,
    unsafe: bool,
    strict: bool,
    where: dict[str, Any],
) -> tuple[Mapping[str, Any], int]:
    """The code is that of what is mended, the copy or (without a target) the source: 1 while an error is left in it."""
    from detkit.api import checking

    source, source_format, settings, reading = shared
    if target is None:
        done = checking.mend_in_place(
            source,
            settings,
            unsafe=unsafe,
            format=source_format,
            dry_run=where["dry_run"],
            read_options=reading,
        )
        return done.to_dict(), _code(done, strict)
    placing = _options.one_of(where.pop("place_images"), "--place-images", "link", "copy", "leave")
    done = checking.mend(
        source,
        target,
        settings,
        unsafe=unsafe,
        format=source_format,
        read_options=reading,
        write_options={"place_images": placing},
        **where,
    )
    return done.to_dict(), _code(done, strict)


def _code(done: Mending, strict: bool) -> int:
    judged = done.before if done.after is None else done.after
    return int(judged.failed(strict=strict))


def _show(
    content: Mapping[str, Any],
    format: str,
    output: Path | None,
    reports: tuple[_reports.Report, ...],
    how: tuple[int | None, bool, bool],
) -> None:
    from detkit.reports import findings

    shown, statistics, overwrite = how
    options = findings.Options(shown, statistics)
    deliver(findings.render(content, format, options), output, overwrite=overwrite)
    _reports.write(reports, lambda kind: findings.render(content, kind, options), overwrite=overwrite)
