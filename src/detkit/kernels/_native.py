"""Machine code in memory, and its call: Numba's calling convention, spoken by ctypes.

A compiled function takes the address of its return value, the address of an error record, then its arguments: a
number as it is; an array as owner, Python object (both none here), items, bytes an item, address, shape and strides.
It returns a status, 0 when all went well. Source: Numba developer manual, "Notes on the calling convention" and
`numba.core.datamodel.models.ArrayModel`.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np

from detkit.kernels._elf import link

__all__ = ["Code", "Kind", "Kinds", "Native", "kind_of"]

#: What decides the machine code of an argument: ("array", `dtype.str`, dimensions, writable), or the kind of a number.
Kind = tuple[str, str, int, bool]
Kinds = tuple[Kind, ...]

_BOOL: Kind = ("number", "bool", 0, False)
_INTEGER: Kind = ("number", "int64", 0, False)
_REAL: Kind = ("number", "float64", 0, False)
_NUMBERS = {"bool": ctypes.c_bool, "int64": ctypes.c_int64, "float64": ctypes.c_double}

_engine: Any = None
_engine_lock = Lock()


@dataclass(frozen=True)
class Code:
    """The machine code of one kernel for one kind of arguments.

    Parameters
    ----------
    symbol : str
        Name of the function in the object file.
    returns : str
        "none", "bool", "int64", "float64", or "int64*N" for N integers.
    object_file : bytes
    """

    symbol: str
    returns: str
    object_file: bytes


def kind_of(argument: Any) -> Kind:
    """Which machine code an argument asks for.

    Parameters
    ----------
    argument : ndarray, bool, int or float
        An array is C-contiguous.

    Returns
    -------
    tuple

    Raises
    ------
    TypeError
        Anything else.
    """
    if isinstance(argument, np.ndarray):
        if not argument.flags.c_contiguous:
            raise TypeError("an array for a kernel must be C-contiguous")
        return "array", argument.dtype.str, argument.ndim, argument.flags.writeable
    if isinstance(argument, bool | np.bool_):
        return _BOOL
    if isinstance(argument, int | np.integer):
        return _INTEGER
    if isinstance(argument, float | np.floating):
        return _REAL
    raise TypeError(f"a kernel takes arrays and numbers, not {type(argument).__name__}")


class Native:
    """Machine code that is ready to be called; it runs without the GIL.

    Parameters
    ----------
    code : Code
    kinds : tuple
        Kinds of the arguments it was compiled for.
    """

    def __init__(self, code: Code, kinds: Kinds) -> None:
        kind, _, count = code.returns.partition("*")
        result: Any = _NUMBERS.get(kind, ctypes.c_void_p)
        self._many = bool(count)
        self._result = result * int(count) if count else result
        self._returns = kind != "none"
        taken: list[Any] = [ctypes.c_void_p, ctypes.c_void_p]
        for what, dtype, dimensions, _ in kinds:
            if what == "array":
                taken += [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_ssize_t, ctypes.c_void_p]
                taken += [ctypes.c_ssize_t] * (2 * dimensions)
            else:
                taken.append(_NUMBERS[dtype])
        self._entry = ctypes.CFUNCTYPE(ctypes.c_int32, *taken)(_address(code))

    def __call__(self, arguments: tuple[Any, ...]) -> Any:
        """Run it on arguments of its kinds."""
        result, error = self._result(), ctypes.c_void_p()
        values: list[Any] = [ctypes.addressof(result), ctypes.addressof(error)]
        for argument in arguments:
            if isinstance(argument, np.ndarray):
                data = argument.__array_interface__["data"][0]
                values += (None, None, argument.size, argument.itemsize, data, *argument.shape, *argument.strides)
            else:
                values.append(argument)
        status = self._entry(*values)
        if status != 0:
            raise RuntimeError(f"a kernel ended with status {status}")
        if self._many:
            return tuple(result)
        return result.value if self._returns else None


def _address(code: Code) -> int:
    """Where the function lies, once its object file is linked into this process."""
    return link(code.object_file, code.symbol) or _linked_by_llvm(code)


def _linked_by_llvm(code: Code) -> int:
    import llvmlite.binding as llvm

    global _engine
    with _engine_lock:
        if _engine is None:
            llvm.initialize_native_target()
            llvm.initialize_native_asmprinter()
            _engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target_machine())
        _engine.add_object_file(llvm.ObjectFileRef.from_data(code.object_file))
        _engine.finalize_object()
        address = _engine.get_function_address(code.symbol)
    if not address:
        raise RuntimeError(f"the machine code of a kernel holds no `{code.symbol}`")
    return int(address)


def target_machine() -> Any:
    """The processor at hand, as LLVM is to compile for it: what Numba itself asks for."""
    import llvmlite.binding as llvm

    target = llvm.Target.from_default_triple()
    return target.create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=3,
        reloc="static" if target.name.startswith("x86") else "default",
        codemodel="jitdefault",
        jit=True,
    )
