"""Kernels: compiled once, kept under names of what they say, called without Numba, the same without the JIT."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from detkit.kernels import _jit, _store
from detkit.kernels._jit import Kernel, jit, readonly
from detkit.kernels._native import Code

WITHOUT = os.environ.get("NUMBA_DISABLE_JIT") == "1"
compiled_only = pytest.mark.skipif(WITHOUT, reason="there is no compiled kernel here")


@pytest.mark.skipif(WITHOUT, reason="this is the run without the JIT")
def test_the_same_tests_pass_without_the_jit():
    """What the kernels compute is what their source says, compiled or not."""
    folder = Path(__file__).resolve().parent
    done = subprocess.run(
        [sys.executable, "-m", "pytest", str(folder), "-q", "-p", "no:cacheprovider", "-p", "no:xdist"],
        cwd=folder.parents[2],
        env={k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")} | {"NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) > 40


@pytest.mark.skipif(not WITHOUT, reason="only in the run without the JIT")
def test_without_the_jit_kernels_are_plain_functions():
    from types import FunctionType

    from detkit.kernels.iou import box_iou

    assert isinstance(box_iou, FunctionType)


@compiled_only
def test_each_kernel_is_compiled_for_one_signature_only():
    from detkit.kernels import accumulate, iou, nms

    iou.pairwise_iou([[0, 0, 1, 1]], np.zeros((1, 4), np.float32))
    iou.pairwise_iou(np.zeros((2, 8))[:, ::2], [])
    nms.nms([[0, 0, 1, 1]], [1], [1])
    nms.grouped_nms(np.zeros((1, 4)), np.array([0.5]), np.array([3], np.int32))
    for kernel in (iou._matrix, nms._suppress):
        assert len(kernel.signatures) == 1
    assert len(accumulate._accumulate.signatures) <= 1


def _sum(values: Any, times: int, factor: float, negative: bool, out: Any) -> int:
    total = 0.0
    for i in range(values.shape[0]):
        for k in range(values.shape[1]):
            total += values[i, k] * times * factor
    out[0] = -total if negative else total
    return values.shape[0] * values.shape[1]


@compiled_only
def test_arguments_and_results_are_those_of_the_python_function(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    kernel = Kernel(_sum)
    values, ours, theirs = np.arange(6.0).reshape(2, 3), np.zeros(1), np.zeros(1)
    for negative in (False, np.True_):
        for times, factor in ((3, 0.5), (np.int64(-2), np.float64(1.5))):
            assert kernel(values, times, factor, negative, ours) == _sum(values, times, factor, negative, theirs)
            assert ours[0] == theirs[0]
    assert kernel(np.zeros((0, 3)), 1, 1.0, False, ours) == 0
    assert kernel.compiled == 1


@compiled_only
def test_kept_machine_code_is_found_again_and_numba_is_not_imported(tmp_path):
    """A second process, also from another folder of sources (a reinstall), compiles nothing and needs no Numba."""
    script = (
        "import sys; import numpy as np; from detkit.kernels import iou; "
        "box = np.array([[0.0, 0, 2, 2]]); print(iou.pairwise_iou(box, box)[0, 0], iou._matrix.compiled, "
        "'numba' in sys.modules)"
    )
    source = Path(_jit.__file__).parents[2]
    copy = tmp_path / "reinstalled"
    shutil.copytree(source / "detkit", copy / "detkit", ignore=shutil.ignore_patterns("__pycache__"))
    text = (copy / "detkit/kernels/iou.py").read_text(encoding="utf-8")
    (copy / "detkit/kernels/iou.py").write_text("# A line more: nothing else.\n" + text, encoding="utf-8")
    found = []
    for place in (source, source, copy):
        environment = os.environ | {"PYTHONPATH": str(place), "NUMBA_CACHE_DIR": str(tmp_path / "kept")}
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=120, cwd=tmp_path
        )
        found.append(done.stdout.split() or done.stderr)
    assert found == [["1.0", "1", "True"], ["1.0", "0", "False"], ["1.0", "0", "False"]]


@compiled_only
@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "text"])
def test_damaged_machine_code_counts_as_absent(tmp_path, monkeypatch, damage):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    _store.save("name", Code("symbol", "none", b"machine code"))
    assert _store.load("name") == Code("symbol", "none", b"machine code")
    (file,) = tmp_path.rglob("*.kernel")
    content = file.read_bytes()
    changed = {"truncated": content[:-3], "flipped": content[:-1] + b"X", "empty": b"", "text": b"[]\nmachine code"}
    file.write_bytes(changed[damage])
    assert _store.load("name") is None
    _store.save("name", Code("symbol", "none", b"machine code"))
    assert _store.load("name") is not None
    assert [f.name for f in file.parent.iterdir()] == [file.name]


@compiled_only
def test_what_a_kernel_says_names_its_machine_code_not_where_it_stands():
    def made(text: str) -> str:
        space: dict[str, Any] = {"__name__": "place.of", "Kernel": Kernel, "LIMIT": 3}
        exec(compile(text, "file.py", "exec"), space)
        return str(Kernel(space["f"])._name(()))

    inner = "g = Kernel(lambda x: x + {})\n"
    same = made(inner.format(1) + "def f(a):\n    return g(a) + LIMIT\n")
    assert made("\n\n# moved\n" + inner.format(1) + "def f(a):\n    # said\n    return g(a) + LIMIT\n") == same
    assert made(inner.format(2) + "def f(a):\n    return g(a) + LIMIT\n") != same, "a kernel that it calls changed"
    assert made(inner.format(1) + "def f(a):\n    return g(a) - LIMIT\n") != same
    assert made(inner.format(1) + "LIMIT = 4\ndef f(a):\n    return g(a) + LIMIT\n") != same


@compiled_only
def test_a_kernel_may_not_allocate(tmp_path, monkeypatch):
    from numba.core.errors import NumbaError

    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))

    def allocates(out):
        out[0] = np.empty(3)[0]

    with pytest.raises((NumbaError, RuntimeError)):
        Kernel(allocates)(np.zeros(1))


@compiled_only
@pytest.mark.parametrize("argument", [np.zeros((4, 4))[:, ::2], "text", None])
def test_other_arguments_are_refused(argument):
    with pytest.raises(TypeError, match=r"C-contiguous|arrays and numbers"):
        Kernel(_sum)(argument)


@compiled_only
def test_threads_share_one_compilation(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    kernel, outs = Kernel(_sum), [np.zeros(1) for _ in range(4)]
    threads = [Thread(target=kernel, args=(np.ones((2, 2)), 1, 1.0, False, out)) for out in outs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (kernel.compiled, [out[0] for out in outs]) == (1, [4.0] * 4)


def test_nothing_is_computed_faster_than_ieee_allows():
    assert "fastmath" not in _jit._OPTIONS
    assert jit(_sum) is _sum if WITHOUT else isinstance(jit(_sum), Kernel)


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file" / "below"))
    _store.save("name", Code("symbol", "none", b"x"))
    assert _store.load("name") is None
    assert not _store.can_write()


def test_readonly_copies_only_where_needed_and_leaves_the_original_writable():
    array = np.arange(4.0)
    view = readonly(array, np.float64)
    assert not view.flags.writeable
    assert array.flags.writeable
    assert np.shares_memory(view, array)
    assert not np.shares_memory(readonly(array[::2], np.float64), array)
    assert readonly([1, 2], np.float64).dtype == np.float64
