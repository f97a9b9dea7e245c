"""What a step uses, as its agent samples it: a file of lines beside the log."""

from __future__ import annotations

from runs.queries.usage import samples_of
from runs.services.results.line_files import LineFile

# Two days of samples of a step with one device; agents sample old steps seldom.
CAP = 4 * 1024 * 1024
SAMPLES = LineFile(
    "samples_size",
    samples_of,
    CAP,
    "samples_cap",
    "usage",
    "There are enough samples of this step; what follows is dropped.",
)
append, seal = SAMPLES.append, SAMPLES.seal
