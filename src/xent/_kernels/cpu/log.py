"""log1p of our own, for arguments >= 0: it vectorises over rows.

With u = 1 + r = m·2**k, m in [√½, √2), s = (m - 1)/(m + 1) and z = s²: log m = 2s + s·z·Q(z), Q the polynomial of least
relative error (tools/polynomials.py makes it); what rounding u lost of r is put back as lost/u.

Source of the reduction: Tang 1990, doi:10.1145/98267.98294.
"""

from typing import Any

from xent._kernels.cpu.exp import HIGH_64, LOW_64
from xent._kernels.cpu.lanes import as_float, bits_as

SQRT_HALF = 0x3FE6A09E667F3BCD  # the bits of √½
Q = (
    0.14796261337454053058, 0.15314021098646062795, 0.18183565408185636623, 0.22222198553763646912,
    0.28571428742562409057, 0.39999999999413962276, 0.66666666666667345087,
)  # fmt: skip


def log1p(r: Any) -> Any:
    """log(1 + r) of float64 lanes r >= 0; not for infinity or NaN.

    Error   0.8 ULP: tests/kernels/test_exp.py.
    """
    u = r + 1.0
    lost = r - (u - 1.0)
    bits = bits_as(u, "int64")
    k = (bits - SQRT_HALF) >> 52
    f = bits_as(bits - (k << 52), "float64") - 1.0
    s = f / (f + 2.0)
    z = s * s
    q = z * Q[0] + Q[1]
    for coefficient in Q[2:]:
        q = q * z + coefficient
    half = f * f * 0.5
    n = as_float(k, "float64")
    return n * HIGH_64 + (f - (half - (s * (half + z * q) + (n * LOW_64 + lost / u))))
