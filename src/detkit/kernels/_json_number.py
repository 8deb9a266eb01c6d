"""Numbers of JSON text, correctly rounded, for the kernels that read it.

Up to 15 digits or so are one exact operation (Clinger, "How to read floating point numbers accurately", 1990,
section 4); up to 19 digits with a small exponent are a product with a 128-bit power of five (Lemire, "Number parsing
at a gigabyte per second", 2021, sections 5 to 8). What is left is `SLOW`: the caller asks Python's `float`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.kernels._bytes import byte_at, word_at
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
#: Eight bytes at once.
_ZEROS, _SEVEN_BITS = np.uint64(0x3030303030303030), np.uint64(0x7F7F7F7F7F7F7F7F)
_TO_HIGH, _HIGH_BITS, _LOW_BITS = (
    np.uint64(0x7676767676767676),
    np.uint64(0x8080808080808080),
    np.uint64(0x0101010101010101),
)
_BYTES, _PAIRS = np.uint64(0x00FF00FF00FF00FF), np.uint64(0x0000FFFF0000FFFF)
_TENS = np.array([10**power for power in range(9)], np.uint64)
_SHORT = 48
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
def _digits(values: Any) -> Any:
    """How many digits eight bytes begin with, which are given less (exclusive or) `0`."""
    others = (((values & _SEVEN_BITS) + _TO_HIGH) | values) & _HIGH_BITS
    if others == 0:
        return 8
    ones = (others - _ONE) & ~others & _LOW_BITS
    ones += ones >> np.uint64(32)
    ones += ones >> np.uint64(16)
    ones += ones >> np.uint64(8)
    return np.int64(ones & np.uint64(15)) - 1


@jit
def _written(values: Any, count: int) -> Any:
    """The number that the first `count` of these digits write, 1 to 8 of them."""
    ones = values << np.uint64(64 - 8 * count)
    pairs = (ones & _BYTES) * _TEN + ((ones >> np.uint64(8)) & _BYTES)
    fours = (pairs & _PAIRS) * np.uint64(100) + ((pairs >> np.uint64(16)) & _PAIRS)
    return (fours & _LOW) * np.uint64(10000) + (fours >> np.uint64(32))


@jit
def _value(mantissa: Any, exponent: int, powers: Any, fives: Any) -> Any:
    """(value, whether it is): `mantissa` times ten to the `exponent`, to the nearest double."""
    if mantissa == 0:
        return 0.0, True
    if mantissa < _EXACT and -22 <= exponent <= 22:
        value = np.float64(mantissa)
        return (value / powers[-exponent] if exponent < 0 else value * powers[exponent]), True
    if -_REACH <= exponent <= _REACH:
        return _rounded(mantissa, exponent, fives), True
    return 0.0, False


@jit
def _any_number(data: Any, pos: int, stop: int, powers: Any, fives: Any) -> Any:
    """As `read_number`, digit by digit."""
    negative = pos < stop and byte_at(data, pos) == 45
    if negative:
        pos += 1
    mantissa = np.uint64(0)
    first = pos
    while pos < stop and 48 <= byte_at(data, pos) <= 57:
        if mantissa < _ROOM:
            mantissa = mantissa * _TEN + np.uint64(byte_at(data, pos) - 48)
        pos += 1
    digits = pos - first
    exponent = 0
    if digits == 0 or (digits > 1 and byte_at(data, first) == 48):
        return 0.0, 0, pos, WRONG
    kind = WHOLE
    if pos < stop and byte_at(data, pos) == 46:
        kind = FRACTION
        pos += 1
        first = pos
        while pos < stop and 48 <= byte_at(data, pos) <= 57:
            if mantissa < _ROOM:
                mantissa = mantissa * _TEN + np.uint64(byte_at(data, pos) - 48)
            pos += 1
        if pos == first:
            return 0.0, 0, pos, WRONG
        exponent = first - pos
        digits -= exponent
    if pos < stop and (byte_at(data, pos) == 101 or byte_at(data, pos) == 69):
        kind = FRACTION
        pos += 1
        down = pos < stop and byte_at(data, pos) == 45
        if pos < stop and (byte_at(data, pos) == 45 or byte_at(data, pos) == 43):
            pos += 1
        first = pos
        written: Any = 0
        while pos < stop and 48 <= byte_at(data, pos) <= 57:
            written = min(written * 10 + np.int64(byte_at(data, pos) - 48), 100000)
            pos += 1
        if pos == first:
            return 0.0, 0, pos, WRONG
        exponent += -written if down else written
    if digits > 18 and not (digits == 19 and kind == FRACTION):
        return 0.0, 0, pos, SLOW
    whole = np.int64(mantissa) if kind == WHOLE else 0
    value, is_known = _value(mantissa, exponent, powers, fives)
    if not is_known:
        return 0.0, 0, pos, SLOW
    if negative:
        whole = -whole
        if kind != WHOLE or whole != 0:  # the whole number -0 is 0
            value = -value
    return value, whole, pos, kind


@jit
def read_number(data: Any, pos: int, stop: int, powers: Any, fives: Any) -> Any:
    """(value, the same as a whole number, position after it, `WHOLE` | `FRACTION` | `SLOW` | `WRONG`).

    What nearly every number is, up to 7 digits with up to 16 behind the point, is read eight digits at a time.
    """
    if pos + _SHORT > stop:
        return _any_number(data, pos, stop, powers, fives)
    start = pos
    negative = byte_at(data, pos) == 45
    pos += int(negative)
    values = word_at(data, pos) ^ _ZEROS
    count = _digits(values)
    if count == 0 or count == 8 or (count > 1 and byte_at(data, pos) == 48):
        return _any_number(data, start, stop, powers, fives)
    mantissa = _written(values, count)
    pos += count
    kind = WHOLE
    decimals = 0
    if byte_at(data, pos) == 46:
        kind = FRACTION
        pos += 1
        values = word_at(data, pos) ^ _ZEROS
        decimals = _digits(values)
        if decimals == 0:
            return 0.0, 0, pos, WRONG
        mantissa = mantissa * _TENS[np.uint64(decimals)] + _written(values, decimals)
        if decimals == 8:
            values = word_at(data, pos + 8) ^ _ZEROS
            more = _digits(values)
            if more > 0 and count + more <= 10:
                mantissa = mantissa * _TENS[np.uint64(more)] + _written(values, more)
            decimals += more
        pos += decimals
    after = byte_at(data, pos)
    if count + decimals > 18 or (decimals == 16 and 48 <= after <= 57) or after == 101 or after == 69:
        return _any_number(data, start, stop, powers, fives)
    value, _ = _value(mantissa, -decimals, powers, fives)
    whole = np.int64(mantissa) if kind == WHOLE else 0
    if negative:
        whole = -whole
        if kind != WHOLE or whole != 0:  # the whole number -0 is 0
            value = -value
    return value, whole, pos, kind
