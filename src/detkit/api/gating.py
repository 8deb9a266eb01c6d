"""Judge results by rules, and read both from files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detkit import config
from detkit.errors import CannotJudgeError
from detkit.evaluation.gate import GateReport, Rule

if TYPE_CHECKING:
    from detkit.evaluation.result import Evaluation

__all__ = ["Rule", "gate", "load_baseline", "load_result", "load_rules", "rules_for_gate"]


def gate(
    results: Mapping[str, Evaluation | Mapping[str, Any]] | Evaluation,
    rules: Sequence[Any],
    *,
    baseline: Evaluation | Mapping[str, Any] | None = None,
    min_coverage: float | None = None,
) -> GateReport:
    """Judge results by rules.

    Parameters
    ----------
    results : mapping of str to (Evaluation or mapping), or Evaluation
        By label: from `evaluate`, or parsed from result files.
    rules : sequence of (str or Rule)
        Expressions such as `AP>=0.40`, or rules from `load_rules`.
    baseline : Evaluation or mapping, optional
        What `max_drop` rules compare with.
    min_coverage : float, optional
        Least share of truth images that must have predictions.

    Returns
    -------
    GateReport
        `outcome` is `pass`, `fail` or `undecided`.

    Raises
    ------
    UsageError
        No rules, an unknown metric or class.
    InputError
        A mapping that is no evaluation result.
    """
    from detkit.evaluation import gate as judge

    named = results if isinstance(results, Mapping) else {"result": results}
    return judge.gate(
        {label: _plain(result) for label, result in named.items()},
        rules,
        baseline=None if baseline is None else _plain(baseline),
        min_coverage=min_coverage,
    )


def load_rules(path: str | Path) -> list[Any]:
    """Gate rules from pyproject.toml, detkit.toml, a YAML or a JSON file.

    Raises
    ------
    InputError, UsageError
        Unreadable file, or a rule with a wrong field; the message names file, rule and line.
    """
    from detkit.evaluation.gate import rules_from_mapping

    return list(rules_from_mapping(config.load_config(path), path, line_of=lambda index: config.line_of(path, index)))


def load_result(path: str | Path) -> Mapping[str, Any]:
    """A result written by `detkit eval --format json`, checked.

    Raises
    ------
    InputError
        Not there, not JSON, not a result.
    """
    from detkit.evaluation.gate import validate_result

    return validate_result(config.load_json(path), path)


def rules_for_gate(path: Path | None, has_expressions: bool) -> list[Any]:
    """Rules from a file, or from the nearest configuration when neither a file nor an expression is given.

    Parameters
    ----------
    path : Path, optional
    has_expressions : bool
        Whether rules are given as expressions too.

    Returns
    -------
    list of Rule
    """
    if path is None and not has_expressions:
        path = config.find_config(Path.cwd())
    return load_rules(path) if path is not None else []


def load_baseline(path: Path) -> Mapping[str, Any]:
    """An earlier result; a missing file leaves nothing to compare with.

    Raises
    ------
    CannotJudgeError
        There is no such file.
    InputError
        The file is no result.
    """
    if not path.exists():
        raise CannotJudgeError(f"{path}: the baseline is missing", hint="write one: detkit eval ... --format json -o")
    return load_result(path)


def _plain(result: Any) -> Mapping[str, Any]:
    return result.to_dict() if hasattr(result, "to_dict") else result  # type: ignore[no-any-return]
