"""Numbers of JSON text, correctly rounded, for the kernels that read it.

Up to 15 digits or so are one exact operation (Clinger, "How to read floating point numbers accurately", 1990,
section 4); up to 19 digits with a small exponent are a product with a 128-bit power of five (Lemire, "Number parsing
at a gigabyte per second", 2021, sections 5 to 8). What is left is `SLOW`: the caller asks Python's `float`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.kernels._jit import jit, readonly

__all__ = ["FRACTION", "SLOW", "WHOLE", "WRONG", "read_number", "tables"]

WHOLE, FRACTION, SLOW, WRONG = 0, 1, 2, 3
#: Powers of five from 5**-27 to 5**27 are held; within them 128 bits always decide.
_REACH = 27
_ONE, _TEN, _HALF, _LOW = np.uint64(1), np.uint64(10), np.uint64(32), np.uint64(0xFFFFFFFF)
_TOP, _ALL = np.uint64(63), np.uint64(2**64 - 1)
#: Below this, one more digit fits.
_ROOM = np.uint64(10**18)
_EXACT = np.uint64(1 << 53)
_MASK = np.uint64(0x1FF)
_EXTRA_BITS = np.uint64(9)
_FRACTION_BITS, _FRACTION = np.uint64(52), np.uint64((1 << 52) - 1)


def tables() -> tuple[NDArray[np.float64], NDArray[np.uint64]]:
    """Exact powers of ten (23,), and the leading 128 bits of 5**-27 to 5**27 as (55, 2) high and low words."""
    fives = []
    for power in range(-_REACH, _REACH + 1):
        five = 5 ** abs(power)
        if power < 0:
            # Rounded up: the product then is never below the true one.
            bits = (1 << (127 + (five - 1).bit_length())) // five + 1
        else:
            bits = five << (128 - five.bit_length())
        fives.append((bits >> 64, bits & (2**64 - 1)))
    return readonly(10.0 ** np.arange(23), np.float64), readonly(np.array(fives, np.uint64), np.uint64)


@jit
def _product(a: Any, b: Any) -> Any:
    """High and low word of the product of two 64-bit words."""
    a1, a0, b1, b0 = a >> _HALF, a & _LOW, b >> _HALF, b & _LOW
    low = a0 * b0
    middle = a1 * b0 + (low >> _HALF)
    other = a0 * b1 + (middle & _LOW)
    return a1 * b1 + (middle >> _HALF) + (other >> _HALF), (other << _HALF) | (low & _LOW)


@jit
def _rounded(digits: Any, exponent: int, fives: Any) -> float:
    """`digits` times ten to the `exponent`, to the nearest double; `digits` is not 0."""
    shift = 0
    while digits >> _TOP == 0:
        digits = digits << _ONE
        shift += 1
    high, low = _product(digits, fives[exponent + _REACH, 0])
    if high & _MASK == _MASK:
        more, _ = _product(digits, fives[exponent + _REACH, 1])
        if more > _ALL - low:
            high += _ONE
            low = more - (_ALL - low) - _ONE
        else:
            low += more
    drop = (high >> _TOP) + _EXTRA_BITS
    kept = high >> drop
    if low <= _ONE and -4 <= exponent <= 23 and kept & np.uint64(3) == _ONE and kept << drop == high:
        kept -= _ONE  # exactly between two doubles: the even one
    kept = (kept + (kept & _ONE)) >> _ONE
    # floor(exponent * log2(10)) by a ratio that is exact in this range; the double's own exponent, biased.
    scale = np.int64(drop) + 2 - shift + ((exponent * 217706) >> 16) + 1075
    if kept == _EXACT:
        kept, scale = kept >> _ONE, scale + 1
    bits = (np.uint64(scale) << _FRACTION_BITS) | (kept & _FRACTION)
    return np.uint64(bits).view(np.float64)


@jit
def read_number(data: Any, pos: int, stop: int, powers: Any, fives: Any) -> Any:
    """(value, the same as a whole number, position after it, `WHOLE` | `FRACTION` | `SLOW` | `WRONG`)."""
    negative = pos < stop and data[pos] == 45
    if negative:
        pos += 1
    mantissa = np.uint64(0)
    first = pos
    while pos < stop and 48 <= data[pos] <= 57:
        if mantissa < _ROOM:
            mantissa = mantissa * _TEN + np.uint64(data[pos] - 48)
        pos += 1
    digits = pos - first
    exponent = 0
    if digits == 0 or (digits > 1 and data[first] == 48):
        return 0.0, 0, pos, WRONG
    kind = WHOLE
    if pos < stop and data[pos] == 46:
        kind = FRACTION
        pos += 1
        first = pos
        while pos < stop and 48 <= data[pos] <= 57:
            if mantissa < _ROOM:
                mantissa = mantissa * _TEN + np.uint64(data[pos] - 48)
            pos += 1
        if pos == first:
            return 0.0, 0, pos, WRONG
        exponent = first - pos
        digits -= exponent
    if pos < stop and (data[pos] == 101 or data[pos] == 69):
        kind = FRACTION
        pos += 1
        down = pos < stop and data[pos] == 45
        if pos < stop and (data[pos] == 45 or data[pos] == 43):
            pos += 1
        first = pos
        written: Any = 0
        while pos < stop and 48 <= data[pos] <= 57:
            written = min(written * 10 + np.int64(data[pos] - 48), 100000)
            pos += 1
        if pos == first:
            return 0.0, 0, pos, WRONG
        exponent += -written if down else written
    if digits > 18 and not (digits == 19 and kind == FRACTION):
        return 0.0, 0, pos, SLOW
    whole = np.int64(mantissa) if kind == WHOLE else 0
    if mantissa == 0:
        value = 0.0
    elif mantissa < _EXACT and -22 <= exponent <= 22:
        value = np.float64(mantissa)
        value = value / powers[-exponent] if exponent < 0 else value * powers[exponent]
    elif -_REACH <= exponent <= _REACH:
        value = _rounded(mantissa, exponent, fives)
    else:
        return 0.0, 0, pos, SLOW
    if negative:
        whole = -whole
        if kind != WHOLE or whole != 0:  # the whole number -0 is 0
            value = -value
    return value, whole, pos, kind
