from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from detkit.kernels import _jit
from detkit.kernels._jit import readonly

WITHOUT = os.environ.get("NUMBA_DISABLE_JIT") == "1"


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


@pytest.mark.skipif(WITHOUT, reason="there is no compiled kernel here")
def test_each_kernel_is_compiled_for_one_signature_only():
    from detkit.kernels import accumulate, iou, nms

    iou.pairwise_iou([[0, 0, 1, 1]], np.zeros((1, 4), np.float32))
    iou.pairwise_iou(np.zeros((2, 8))[:, ::2], [])
    nms.nms([[0, 0, 1, 1]], [1], [1])
    nms.grouped_nms(np.zeros((1, 4)), np.array([0.5]), np.array([3], np.int32))
    for kernel in (iou._matrix, nms._suppress):
        assert len(kernel.signatures) == 1
    assert len(accumulate._accumulate.signatures) <= 1


def test_falls_back_to_no_cache_where_no_folder_is_writable(monkeypatch):
    calls = []

    def njit(**options):
        def compile_(function):
            calls.append(options)
            if options.get("cache"):
                raise RuntimeError("cannot cache function: no locator available")
            return function

        return compile_

    monkeypatch.setattr(_jit, "njit", njit)
    assert _jit.jit(len) is len
    assert [options.get("cache", False) for options in calls] == [True, False]
    assert not any(options.get("fastmath") for options in calls)


def test_readonly_copies_only_where_needed_and_leaves_the_original_writable():
    array = np.arange(4.0)
    view = readonly(array, np.float64)
    assert not view.flags.writeable
    assert array.flags.writeable
    assert np.shares_memory(view, array)
    assert not np.shares_memory(readonly(array[::2], np.float64), array)
    assert readonly([1, 2], np.float64).dtype == np.float64
