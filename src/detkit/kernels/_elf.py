"""Machine code put into memory without LLVM, whose library takes longer to load than many an evaluation.

Only what LLVM makes of a kernel on Linux and x86-64 is known here: an ELF object whose only relocations are whole
64-bit addresses. Anything else is left to LLVM. Source: System V ABI, "Object Files", and its AMD64 supplement.
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import struct
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

__all__ = ["link"]

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_RELOCATION = struct.Struct("<QQq")
_ADDRESS = struct.Struct("<Q")
#: 64 bits, little endian; a relocatable file, for x86-64.
_MAGIC, _RELOCATABLE, _X86_64 = b"\x7fELF\x02\x01", 1, 62
_SYMBOL_TABLE, _RELOCATION_TABLE, _NO_BYTES = 2, 4, 8
_IN_MEMORY = 2
_ABSOLUTE_64 = 1

#: Machine code in use: it stays as long as the process.
_kept: list[mmap.mmap] = []


class _Section(NamedTuple):
    name: int
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int
    entry_size: int

    def content(self, file: bytes) -> bytes:
        return bytes(self.size) if self.kind == _NO_BYTES else file[self.offset : self.offset + self.size]


def link(file: bytes, symbol: str) -> int | None:
    """Address of a function, once its object file lies in memory and can be executed.

    Parameters
    ----------
    file : bytes
        Object file, as LLVM made it for this machine.
    symbol : str
        Name of the function in it.

    Returns
    -------
    int or None
        None where the file holds what is unknown here, or where the system permits no new machine code.
    """
    sections = _sections(file) if sys.platform == "linux" and platform.machine() == "x86_64" else None
    if sections is None:
        return None
    places, size = _layout(sections)
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for index, place in places.items():
        memory[place : place + sections[index].size] = sections[index].content(file)
    symbols = _symbols(file, sections, {index: start + place for index, place in places.items()})
    for section in sections:
        if section.kind == _RELOCATION_TABLE and section.info in places:
            for offset, what, addend in _RELOCATION.iter_unpack(section.content(file)):
                _, address = symbols[what >> 32]
                if what & 0xFFFFFFFF != _ABSOLUTE_64 or address is None:
                    return None
                _ADDRESS.pack_into(memory, places[section.info] + offset, address + addend)
    library = _c_library()
    if library.mprotect(ctypes.c_void_p(start), ctypes.c_size_t(size), mmap.PROT_READ | mmap.PROT_EXEC) != 0:
        return None
    _kept.append(memory)
    return dict(symbols).get(symbol)


def _sections(file: bytes) -> list[_Section] | None:
    """Sections of an object file for x86-64, None for any other file."""
    if len(file) < _HEADER.size:
        return None
    magic, kind, machine, _, _, _, table, _, _, _, _, _, count, _ = _HEADER.unpack_from(file)
    if not magic.startswith(_MAGIC) or kind != _RELOCATABLE or machine != _X86_64:
        return None
    return [_Section(*_SECTION.unpack_from(file, table + index * _SECTION.size)) for index in range(count)]


def _layout(sections: Sequence[_Section]) -> tuple[dict[int, int], int]:
    """Where each section that is needed comes to lie, by its number, and how many bytes that takes, in whole pages."""
    places, end = {}, 0
    for index, section in enumerate(sections):
        if section.flags & _IN_MEMORY:
            alignment = max(section.alignment, 1)
            places[index] = -(-end // alignment) * alignment
            end = places[index] + section.size
    return places, max(-(-end // mmap.PAGESIZE), 1) * mmap.PAGESIZE


def _symbols(file: bytes, sections: Sequence[_Section], addresses: Mapping[int, int]) -> list[tuple[str, int | None]]:
    """Name and address of each symbol; those that the file does not define are the C library's, or None."""
    table = next(section for section in sections if section.kind == _SYMBOL_TABLE)
    names = sections[table.link].content(file)
    found: list[tuple[str, int | None]] = []
    for at, _, _, index, value, _ in _SYMBOL.iter_unpack(table.content(file)):
        name = names[at : names.index(b"\0", at)].decode()
        if index in addresses:
            found.append((name, addresses[index] + value))
        else:
            found.append((name, _foreign(name) if index == 0 and name else None))
    return found


def _foreign(name: str) -> int | None:
    """Address of a function of the C library, such as `memset` or `exp`."""
    function = getattr(_c_library(), name, None)
    return None if function is None else ctypes.cast(function, ctypes.c_void_p).value


@cache
def _c_library() -> Any:
    """The libraries that are in this process already."""
    return ctypes.CDLL(None)
