"""How kernels are compiled, kept and called: no GIL, no allocation, IEEE arithmetic untouched.

Numba compiles a kernel once; the machine code is kept under a name made of everything it depends on (sources,
compiler, processor), so that a reinstall, another checkout or a restored CI cache finds it again. A process that
finds all its kernels there never imports Numba, which with its first kernel takes longer than many an evaluation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from threading import Lock
from types import CodeType
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detkit.kernels import _store
from detkit.kernels._native import Kinds, Native, kind_of

__all__ = ["Kernel", "jit", "readonly"]

F = TypeVar("F", bound=Callable[..., Any])

#: `_nrt=False`: no kernel allocates, so none needs Numba's runtime. No fastmath: matches are decided by these numbers.
#: `forceinline`: a call hands over seven words for each array, which costs more than most of what kernels call.
_OPTIONS: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "_nrt": False,
    "forceinline": True,
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}


class Kernel:
    """A function of arrays and numbers that is compiled on its first call.

    Array arguments are C-contiguous; what they hold, their dimensions and whether they may be written to decide
    which machine code runs. It returns nothing, a number, or several integers.

    Parameters
    ----------
    function : callable
        Plain Python that Numba can compile; it allocates nothing and raises nothing.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.py_func = function
        self.__name__ = function.__name__
        self.__doc__ = function.__doc__
        self.__module__ = function.__module__
        self._native: dict[Kinds, Native] = {}
        self._lock = Lock()
        self._dispatcher: Any = None
        #: How often this process had to compile, because no machine code was kept.
        self.compiled = 0

    def __call__(self, *arguments: Any) -> Any:
        """Run the machine code for these arguments, with the GIL released."""
        kinds = tuple(map(kind_of, arguments))
        native = self._native.get(kinds)
        return (native or self._bring(kinds))(arguments)

    @property
    def signatures(self) -> list[Kinds]:
        """The kinds of arguments this process has called it with."""
        return list(self._native)

    @property
    def _numba_type_(self) -> Any:
        """What Numba sees where another kernel calls this one."""
        from numba import types

        return types.Dispatcher(self._numba())

    def _numba(self) -> Any:
        from numba import njit

        if self._dispatcher is None:
            self._dispatcher = njit(**_OPTIONS)(self.py_func)
        return self._dispatcher

    def _bring(self, kinds: Kinds) -> Native:
        """The machine code from memory, from the folder of kept kernels, or compiled now."""
        with self._lock:
            if kinds not in self._native:
                name = self._name(kinds)
                found = _store.load(name)
                if found is None:
                    from detkit.kernels._compile import compile_kernel

                    found = compile_kernel(self._numba(), kinds)
                    self.compiled += 1
                    _store.save(name, found)
                self._native[kinds] = Native(found, kinds)
            return self._native[kinds]

    def _name(self, kinds: Kinds) -> str:
        """Name of its machine code: the kernel's own, and a digest of all that decides it."""
        says = repr((_OPTIONS, _meaning(self.py_func), kinds)).encode()
        return f"{self.__module__.rpartition('.')[2]}.{self.__name__}-{hashlib.sha256(says).hexdigest()[:16]}"


def _meaning(function: Any) -> list[object]:
    """What a function computes: its byte code, the kernels it calls and the constants it reads, not where it stands."""
    found: list[object] = []
    for code in _code_objects(function.__code__):
        found += [code.co_code.hex(), code.co_names, code.co_varnames]
        found += [constant for constant in code.co_consts if not isinstance(constant, CodeType)]
        for name in code.co_names:
            value = function.__globals__.get(name)
            if isinstance(value, Kernel):
                found.append(_meaning(value.py_func))
            elif isinstance(value, int | float | tuple | str | np.generic):
                found.append(value)
            elif isinstance(value, np.ndarray):
                found.append((value.dtype.str, value.shape, value.tobytes()))
    return found


def _code_objects(code: CodeType) -> list[CodeType]:
    inner = [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return [code, *(found for one in inner for found in _code_objects(one))]


def jit(function: F) -> F:
    """The function as a kernel, or as it is where `NUMBA_DISABLE_JIT` is set.

    Parameters
    ----------
    function : callable

    Returns
    -------
    Kernel or callable
    """
    return function if _store.jit_is_off() else cast(F, Kernel(function))


def readonly(array: ArrayLike, dtype: Any) -> NDArray[Any]:
    """Contiguous and read-only view of an array, copied only where needed."""
    out = np.ascontiguousarray(array, dtype=dtype).view()
    out.flags.writeable = False
    return out
