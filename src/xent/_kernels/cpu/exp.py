"""exp of our own: it vectorises, and takes no difference.

exp(x - top) = 2**(n - shift)·exp(r)·exp(-s), where x = n·log 2 + r and top = shift·log 2 + s. The last factor is the
same for a whole tile, so it is left out here and put back with the other constants. So x - top, whose rounding would
cost up to 64 ULP, is never formed: r is x less a whole multiple of log 2, which is exact to the last bits where |x| is
moderate. Where the maximum is large, x - top is exact for every x that matters, and is taken for x.

exp(r) = 1 + r + r²·P(r), P the polynomial of least relative error on |r| <= log(2)/2 (tools/polynomials.py makes it).
Adding 1.5·2**23 (2**52) rounds to a whole number, which then lies in the last bits of the sum; with the exponent's
offset added too, they are those of the power of two.

Source of the reduction: Cody & Waite 1980, Software Manual for the Elementary Functions.
"""

from typing import Any

from xent._kernels.cpu.lanes import as_float, bits_as, dtype_of, times_plus

LOG2E = 1.4426950408889634
MAGIC_32, MAGIC_64 = 1.5 * 2.0**23, 1.5 * 2.0**52
HIGH_32, LOW_32 = 0.693359375, -2.12194440054690583e-4  # log 2; a whole number below 2**14 times the first is exact
P_32 = (
    0.0013814598646664034453, 0.0083687168797281399469, 0.041668388045313996659, 0.16666520631709496887,
    0.49999993447796486827,
)  # fmt: skip
HIGH_64, LOW_64 = 0.693147180369123816490, 1.90821492927058770002e-10
P_64 = (
    2.5000061602835666699e-8, 2.7630248379211443975e-7, 2.7557586373840163694e-6, 0.000024801493098906550659,
    0.00019841269506578687653, 0.0013888888943630112946, 0.0083333333334944616641, 0.04166666666653015859,
    0.16666666666666412523, 0.50000000000000106271,
)  # fmt: skip


def exp(x: Any, bias: Any) -> Any:
    """e to the power x, times 2**bias, of lanes, where that is a normal number below 2**127 (2**1023); NaN of NaN.

    bias is a whole number, float64 or the lanes' dtype.

    Error   0.9 ULP for float32, |x| <= 1000, 0.95 for float64, |x| <= 3000, where the machine multiplies and adds with
            one rounding; elsewhere 1.25 and 0.95: tests/kernels/test_exp.py.
    """
    if dtype_of(x) == "float32":
        return _exp(x, bias, (MAGIC_32, HIGH_32, LOW_32, P_32, "float32", "int32", 23))
    return _exp(x, bias, (MAGIC_64, HIGH_64, LOW_64, P_64, "float64", "int64", 52))


def _exp(x: Any, bias: Any, constants: tuple[Any, ...]) -> Any:
    """The same, by the constants of a dtype."""
    magic, high, low, polynomial, dtype, whole, mantissa = constants
    magic = as_float(bias + (magic + (127.0 if dtype == "float32" else 1023.0)), dtype)  # an exponent's offset
    shifted = times_plus(x, LOG2E, magic)
    n = shifted - magic
    r = times_plus(n, -low, times_plus(n, -high, x))
    p = times_plus(r, polynomial[0], polynomial[1])
    for coefficient in polynomial[2:]:
        p = times_plus(p, r, coefficient)
    exact = dtype == "float64"  # more exact, by one addition
    p = times_plus(p, r * r, r) + 1.0 if exact else times_plus(times_plus(p, r, 1.0), r, 1.0)
    return p * bits_as(bits_as(shifted, whole) << mantissa, dtype)  # a product: a NaN stays one, whatever its bits
