"""Compile a kernel: the one place that needs Numba at work."""

from __future__ import annotations

from typing import Any

from detkit.kernels._native import Code, Kind, Kinds, target_machine

__all__ = ["compile_kernel"]


def compile_kernel(dispatcher: Any, kinds: Kinds) -> Code:
    """Machine code of a kernel for one kind of arguments.

    Parameters
    ----------
    dispatcher : numba dispatcher
        Of the function to compile.
    kinds : tuple
        Kinds of its arguments.

    Returns
    -------
    Code

    Raises
    ------
    numba.core.errors.NumbaError
        The function is beyond what kernels may do: it allocates, or Numba cannot type it.
    """
    import llvmlite.binding as llvm

    signature = tuple(map(_type_of, kinds))
    dispatcher.compile(signature)
    compiled = dispatcher.overloads[signature]
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = llvm.parse_assembly(dispatcher.inspect_llvm(signature))
    foreign = [f.name for f in module.functions if f.is_declaration and not f.name.startswith("llvm.")]
    if any(name.startswith(("NRT_", "numba_", "Py")) for name in foreign):
        raise RuntimeError(f"kernel `{dispatcher.py_func.__name__}` needs Numba at run time: {', '.join(foreign)}")
    machine_code = target_machine().emit_object(module)
    return Code(compiled.fndesc.llvm_func_name, _returns(compiled.signature.return_type), machine_code)


def _type_of(kind: Kind) -> Any:
    from numba import from_dtype, types

    what, dtype, dimensions, writable = kind
    if what == "array":
        import numpy as np

        return types.Array(from_dtype(np.dtype(dtype)), dimensions, "C", readonly=not writable)
    return {"bool": types.boolean, "int64": types.int64, "float64": types.float64}[dtype]


def _returns(kind: Any) -> str:
    from numba import types

    if isinstance(kind, types.UniTuple) and kind.dtype == types.int64:
        return f"int64*{kind.count}"
    names = {types.none: "none", types.boolean: "bool", types.int64: "int64", types.float64: "float64"}
    if kind not in names:
        raise RuntimeError(f"a kernel returns nothing, a number or integers, not {kind}")
    return names[kind]
