"""Machine code put into memory without LLVM."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="objects of x86-64 Linux alone are put in memory"
)

#: Two functions and a constant array, one calling a function of the C library, in LLVM's language.
#: `nounwind`, as Numba says of kernels: no tables for exceptions.
SOURCE = """
@table = private unnamed_addr constant [3 x i64] [i64 5, i64 7, i64 11]
declare double @exp(double)
declare i64 @nowhere(i64)

define i64 @pick(i64 %which) nounwind {
  %place = getelementptr [3 x i64], [3 x i64]* @table, i64 0, i64 %which
  %value = load i64, i64* %place
  ret i64 %value
}
define i64 @picked_twice(i64 %which) nounwind noinline {
  %one = call i64 @pick(i64 %which)
  %two = add i64 %one, %one
  ret i64 %two
}
define double @power(double %x) nounwind {
  %y = call double @exp(double %x)
  ret double %y
}
"""
LOST = "define i64 @lost(i64 %x) nounwind {\n %y = call i64 @nowhere(i64 %x)\n ret i64 %y\n}\n"


def objects(source: str) -> bytes:
    import llvmlite.binding as llvm

    from detkit.kernels._native import target_machine

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return target_machine().emit_object(llvm.parse_assembly(source))


def test_functions_constants_and_the_c_library_are_found() -> None:
    import math

    from detkit.kernels._elf import link

    file = objects(SOURCE)
    whole = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)
    pick, twice = whole(link(file, "pick")), whole(link(file, "picked_twice"))
    power = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(link(file, "power"))
    assert [pick(i) for i in range(3)] == [5, 7, 11]
    assert [twice(i) for i in range(3)] == [10, 14, 22]
    assert power(1.5) == math.exp(1.5)


def test_what_is_unknown_is_left_to_llvm() -> None:
    from detkit.kernels._elf import link

    file = objects(SOURCE)
    assert link(file, "no_such_function") is None
    assert link(objects(SOURCE + LOST), "pick") is None, "a function that nobody has"
    assert link(b"", "pick") is None
    assert link(b"\0" * 200, "pick") is None
    other_machine = bytearray(file)
    struct.pack_into("<H", other_machine, 18, 183)
    assert link(bytes(other_machine), "pick") is None


def test_an_evaluation_runs_without_llvm_and_the_same_with_it() -> None:
    """Kernels kept by one process serve the next without LLVM; where the system permits no code, LLVM is asked."""
    code = """
import sys
import numpy as np
from detkit.kernels import _elf, _native
from detkit.kernels.iou import pairwise_iou
boxes = np.arange(12.0).reshape(3, 4)
{before}
print(pairwise_iou(boxes, boxes).tobytes().hex(), "llvmlite" in sys.modules)
"""
    refused = "_native.link = lambda file, symbol: None"
    ran = [
        subprocess.run(
            [sys.executable, "-c", code.format(before=b)],
            env={**os.environ, "NUMBA_DISABLE_JIT": "0"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for b in ("", "", refused)
    ]
    (_, (first, without), (second, asked)) = (text.split() for text in ran)
    assert first == second
    assert (without, asked) == ("False", "True")
