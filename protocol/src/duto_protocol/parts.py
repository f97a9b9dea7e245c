"""The parts in which a file goes to a far store."""

from __future__ import annotations

from duto_protocol.messages import PARTS_MOST

LEAST = 8 << 20


def part_size_of(size: int) -> int:
    """How large the parts of a file are, in bytes: 8 MiB, or more where there would be too many."""
    return max(LEAST, -(-size // PARTS_MOST))


def sizes_of(size: int, part_size: int) -> list[int]:
    """The sizes of all parts in their order; a file without a byte has none."""
    whole, rest = divmod(size, part_size)
    return [part_size] * whole + ([rest] if rest else [])
