"""Measurements, and the gate that reads them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import detkit
from detkit.errors import CannotJudgeError, InputError, UsageError

Model = Callable[..., Path]


@pytest.fixture
def found(model: Model) -> dict[str, object]:
    return detkit.bench(model(), batches=[1, 4], rounds=3, device="cpu")


def test_every_stage_and_batch_is_measured(found: dict[str, object]) -> None:
    assert found["schema"] == "detkit.bench/1"
    rows = found["batches"]
    assert isinstance(rows, list)
    assert [row["batch"] for row in rows] == [1, 4]
    for row in rows:
        assert set(row["stages_ms"]) == {"read", "prepare", "infer", "decode"}
        assert 0 < row["median_ms"] <= row["p95_ms"]
        assert row["median_ms"] <= row["end_to_end_median_ms"]
        assert row["images_per_second"] == pytest.approx(row["batch"] / row["median_ms"] * 1000)
    assert found["latency"]["p95_ms"] == rows[0]["p95_ms"]  # type: ignore[index]
    assert found["device"]["provider"] == "CPUExecutionProvider"  # type: ignore[index]
    assert json.loads(json.dumps(found)) == found


def test_gate_judges_latency(found: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "bench.json").write_text(json.dumps(found))
    result = detkit.load_result(tmp_path / "bench.json")
    assert detkit.gate(result, ["latency.p95_ms<=100000"]).outcome == "pass"
    assert detkit.gate(result, ["latency.p95_ms<=0"]).outcome == "fail"
    with pytest.raises(UsageError, match="unknown metric `AP`"):
        detkit.gate(result, ["AP>=0.4"])
    with pytest.raises(UsageError, match="unknown latency figure `p59_ms`"):
        detkit.gate(result, ["latency.p59_ms<=1"])


def test_gate_compares_with_the_same_machine_only(found: dict[str, object]) -> None:
    from detkit.evaluation.gate import Rule

    slower = {**found, "latency": {**found["latency"], "p95_ms": found["latency"]["p95_ms"] / 2}}  # type: ignore[dict-item, index]
    rule = Rule("latency.p95_ms", max_drop="10%")
    assert detkit.gate(found, [rule], baseline=found).outcome == "pass"
    assert detkit.gate(found, [rule], baseline=slower).outcome == "fail"
    elsewhere = {**found, "device": {**found["device"], "processor": "another"}}  # type: ignore[dict-item]
    report = detkit.gate(found, [rule], baseline=elsewhere)
    assert report.outcome == "undecided"
    assert "processor differs from the baseline's" in report.rows[0].message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"latency": {}}, "latency: is empty"),
        ({"latency": {"p95_ms": "fast"}}, "expected a number"),
        ({"device": 1}, "device"),
    ],
)
def test_half_a_measurement_is_refused(found: dict[str, object], change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        detkit.gate({**found, **change}, ["latency.p95_ms<=1"])


def test_undefined_latency_is_not_passed(found: dict[str, object]) -> None:
    empty = {**found, "latency": {"p95_ms": None}}
    assert detkit.gate(empty, ["latency.p95_ms<=1"]).outcome == "undecided"


def test_what_cannot_be_measured(model: Model, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="one device"):
        detkit.bench(model(), device=("cpu", "cpu"))
    with pytest.raises(UsageError, match="rounds: found 0"):
        detkit.bench(model(), rounds=0)
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(InputError, match="no readable image"):
        detkit.bench(model(), images=tmp_path)
    with pytest.raises(UsageError, match="takes 4 at a time"):
        detkit.bench(model("four"), batches=[1, 4], rounds=1)
    assert issubclass(CannotJudgeError, detkit.DetkitError)
