"""float16 and bfloat16 in lanes, by integer operations: not every machine converts them, and none both.

Kernels see float16 as int16 and bfloat16 as uint16: the same bits, and a type that says which of the two it is.
"""

from typing import Any

from xent._kernels.cpu.lanes import bits_as, narrowed, where, widened

HALVES = ("int16", "uint16")  # float16, bfloat16
LEAST_NORMAL_16 = 0x38800000  # bits of 2**-14 as float32
OVERFLOW_16 = 0x477FF000  # of 65520: from here on float16 is infinite
INFINITE_32, INFINITE_16 = 0x7F800000, 0x7C00


def load_float(lanes: Any, pad: float = 0.0) -> Any:
    """Elements as float32 or float64; `pad` beyond the end, which for halves has to be 0 or -inf."""
    if lanes.dtype == "int16":
        return from_float16(lanes.load(-0x400 if pad else 0))
    if lanes.dtype == "uint16":
        return from_bfloat16(lanes.load(0xFF80 if pad else 0))
    return lanes.load(pad)


def store_float(lanes: Any, value: Any, *, past_the_cache: bool = False) -> None:
    """Store float32 or float64 lanes, rounded once to the array's dtype."""
    if lanes.dtype == "int16":
        value = to_float16(value)
    elif lanes.dtype == "uint16":
        value = to_bfloat16(value)
    lanes.store(value, past_the_cache=past_the_cache)


def from_float16(bits: Any) -> Any:
    """float32 of float16 bits, exact: the exponent's offset is multiplied in, so subnormals need no case."""
    whole = widened(bits, "int32")
    magnitude = (whole & 0x7FFF) << 13
    finite = bits_as(bits_as(magnitude, "float32") * 2.0**112, "int32")
    found = where(magnitude < (INFINITE_16 << 13), finite, magnitude | INFINITE_32)
    return bits_as(found | ((whole & 0x8000) << 16), "float32")


def to_float16(x: Any) -> Any:
    """float16 bits of float32, to nearest even; a NaN stays one."""
    bits = bits_as(x, "int32")
    magnitude = bits & 0x7FFFFFFF
    subnormal = bits_as(bits_as(magnitude, "float32") + 0.5, "int32") - 0x3F000000  # units of 2**-24, the last bits
    normal = (magnitude + 0xFFF + ((magnitude >> 13) & 1) - (112 << 23)) >> 13
    found = where(magnitude < LEAST_NORMAL_16, subnormal, normal)
    found = where(magnitude < OVERFLOW_16, found, INFINITE_16)
    found = where(magnitude > INFINITE_32, 0x7E00, found)
    return narrowed(found | ((bits >> 16) & 0x8000), "int16")


def from_bfloat16(bits: Any) -> Any:
    """float32 of bfloat16 bits, exact."""
    return bits_as(widened(bits, "int32") << 16, "float32")


def to_bfloat16(x: Any) -> Any:
    """bfloat16 bits of float32, to nearest even; a NaN stays one."""
    bits = bits_as(x, "int32")
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    found = where((bits & 0x7FFFFFFF) > INFINITE_32, 0x7FC0, rounded)
    return narrowed(found, "uint16")
