"""What a step used, read from the samples of one attempt."""

from __future__ import annotations

from typing import Any

from core import spools
from core.clock import iso
from core.errors import NotFound
from core.storage import artifact_store
from duto_protocol.messages import StepSample
from runs import usage
from runs.models import Attempt
from runs.queries.logs import sealed_key


def samples_of(attempt_id: object) -> str:
    """The name of an attempt's samples beside its log."""
    return f"{attempt_id}.samples"


def usage_document(attempt: Attempt) -> dict[str, Any]:
    """The series of an attempt, what a node of its size has, the most memory that was seen, and the processor time."""
    samples, size = usage.read(_bytes(attempt)), attempt.compute_target
    return {
        "attempt": attempt.number,
        "final": attempt.is_final,
        "removed_at": iso(attempt.log_removed_at),
        "cores": size.cores if size else None,
        "memory": size.memory if size else None,
        "peak_memory": usage.highest_memory(samples, attempt.usage),
        "cpu_seconds": _cpu(samples, attempt),
        "series": [each.as_document() for each in usage.series(samples)],
    }


def _cpu(samples: list[StepSample], attempt: Attempt) -> float | None:
    """Seconds of all cores: the kernel's word at the end, the last sample's until then."""
    seconds = (attempt.usage or {}).get("cpu_seconds")
    return seconds if isinstance(seconds, int | float) else max((sample.cpu for sample in samples), default=None)


def _bytes(attempt: Attempt) -> bytes:
    if not attempt.samples_size or attempt.log_removed_at is not None:
        return b""
    name = samples_of(attempt.pk)
    try:
        with spools.reader(name, lambda: artifact_store(attempt.run.workspace_id).open(sealed_key(name))) as source:
            return source.read(attempt.samples_size)
    except FileNotFoundError:
        try:  # sealed, perhaps since this row was read
            return artifact_store(attempt.run.workspace_id).read(sealed_key(name), 0, attempt.samples_size)
        except NotFound:
            return b""
