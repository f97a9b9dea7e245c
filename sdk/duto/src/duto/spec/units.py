"""How sizes, durations, numbers and counts are written for people: one rule, here for Python, in `static/js/words.js` for pages.

Sizes count in powers of 1024 and say so (KiB, MiB, GiB): memory is made in them, the machines of clusters have whole
numbers of them, and so have all limits. Durations are what has passed in full, in at most two units.
"""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Decimal

SIZES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
# A duration's larger and smaller unit, and how many of the smaller one are in the larger one and up to the next.
_SPANS = ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s"))
_SMALL, _LARGE = 1e-4, 1e6


def size_text(size: float) -> str:
    """Bytes: `1.2 KiB`, `300 MiB`. One decimal below a hundred where it says something; ties go up."""
    if size < 0:
        return f"-{size_text(-size)}"
    for power, unit in enumerate(SIZES):
        amount = size / 1024**power
        tenths = math.floor(amount * 10 + 0.5) if power > 0 and amount < 99.95 else 10 * math.floor(amount + 0.5)
        if tenths < 10_240 or unit == SIZES[-1]:
            break
    whole, tenth = divmod(tenths, 10)
    return f"{whole}.{tenth} {unit}" if tenth else f"{whole} {unit}"


def duration_text(seconds: float) -> str:
    """Seconds: `2.0 s`, `41 s`, `4 min 12 s`, `30 min`, `1 d 2 h`. A unit that has not passed in full is not told."""
    milliseconds = max(0, math.floor(seconds * 1000 + 0.5))
    if milliseconds < 10_000:
        return f"{milliseconds // 1000}.{milliseconds // 100 % 10} s"
    whole = milliseconds // 1000
    for size, unit, less, smaller in _SPANS:
        if whole >= size:
            rest = whole % size // less
            return f"{whole // size} {unit} {rest} {smaller}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"


def counted(count: int, one: str, many: str = "") -> str:
    """`1 file`, `2,000 files`; `many` where an s does not make it."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def number_text(value: float) -> str:
    """A measured number: `0.3142`, `12,345`, and `1e-05` as Python prints it. No whole digit is rounded away below a
    million."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    exact, size = Decimal(value), abs(value)
    if size < _SMALL or size >= _LARGE:
        digits, power = f"{_rounded(exact, 3):e}".split("e")
        return f"{_short(digits)}e{int(power):+03}"
    if value == int(value) or size >= 1000:
        return f"{exact.quantize(Decimal(1), ROUND_HALF_UP):,f}"
    return _short(f"{_rounded(exact, 4):f}")


def _rounded(exact: Decimal, digits: int) -> Decimal:
    """To so many digits that say something; ties go away from zero, as a browser rounds."""
    return exact.quantize(Decimal(1).scaleb(exact.adjusted() - digits + 1), ROUND_HALF_UP)


def _short(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text
