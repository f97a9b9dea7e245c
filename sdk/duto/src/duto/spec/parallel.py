"""The settings of a parallel step: what they may be, and what mini-batches are cut by. Pure.

The SDK checks them when a step is made, the studio when a graph comes in, the step's own driver when its run has begun,
since parameters may hold some of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from duto.spec import readers

KIND = "parallel_run"
APPEND_ROW, SUMMARY_ONLY = "append_row", "summary_only"
ACTIONS = (APPEND_ROW, SUMMARY_ONLY)
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
ROWS_FILE = "parallel_run_step.txt"
FILES_DEFAULT, BYTES_DEFAULT = 10, 1 << 20
_UNITS = {"": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}
_SIZE = re.compile(r"(\d+)\s*(kb|mb|gb)?", re.I)
# A pipeline's parameter may hold these, so that a published pipeline is tuned without being published again.
TUNABLE = (
    "mini_batch_size",
    "node_count",
    "process_count_per_node",
    "logging_level",
    "run_invocation_timeout",
    "run_max_try",
    "error_threshold",
    "allowed_failed_count",
    "allowed_failed_percent",
)
# What a result does not depend on: another value neither runs a step again nor throws finished mini-batches away.
UNRELATED = ("node_count", "process_count_per_node", "logging_level", "run_invocation_timeout", "run_max_try")


@dataclass(frozen=True)
class BatchSize:
    """How much a mini-batch holds: a number, and whether it was given with a unit of bytes."""

    amount: int
    has_unit: bool

    @property
    def bytes(self) -> int:
        """Bytes of a mini-batch of rows: a number without a unit counts them as well."""
        return self.amount


@dataclass(frozen=True)
class Settings:
    """The settings of a parallel step. `inputs` are cut into mini-batches, the step's others are its side inputs; `output`
    holds the file of rows. None of `mini_batch_size` and `process_count_per_node` leaves them to the driver."""

    inputs: Tuple[str, ...]
    output: Optional[str] = None
    output_action: str = APPEND_ROW
    error_threshold: int = -1
    mini_batch_size: Optional[BatchSize] = None
    partition_keys: Tuple[str, ...] = ()
    node_count: int = 1
    process_count_per_node: Optional[int] = None
    run_invocation_timeout: float = 60
    run_max_try: int = 3
    append_row_file_name: str = ROWS_FILE
    allowed_failed_count: Optional[int] = None
    allowed_failed_percent: Optional[float] = None
    logging_level: str = "INFO"


def batch_size(value: Any) -> BatchSize:
    """A size as programs give it: `10`, `"10"`, `"10KB"`. Raises `ValueError`."""
    found = _SIZE.fullmatch(str(value).strip()) if not isinstance(value, (bool, float)) else None
    if found is None or not int(found[1]):
        raise ValueError(
            f"{value!r} is no size of a mini-batch: give a number above 0, for files how many, for rows their bytes, or "
            "bytes with a unit, such as '10KB' or '1MB'."
        )
    unit = (found[2] or "").upper()
    return BatchSize(int(found[1]) * _UNITS[unit], bool(unit))


def _percent(value: Any) -> float:
    number = readers.number(value)
    if number is None or not 0 <= number <= 100:
        raise ValueError(f"{value!r} is no percentage between 0 and 100.")
    return number


def _file_name(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or "/" in value or "\\" in value or value in (".", ".."):
        raise ValueError(f"{value!r} is no name of a file: it lies in the step's output itself.")
    return value


def _level(value: Any) -> str:
    return readers.one_of(
        LEVELS, lambda text: {"WARN": "WARNING", "FATAL": "CRITICAL"}.get(text.upper(), text.upper())
    )(value)


_MOST = 2**31 - 1
READERS: Dict[str, Callable[[Any], Any]] = {
    "inputs": readers.names,
    "output": readers.name,
    "output_action": readers.one_of(ACTIONS, str.lower),
    "error_threshold": readers.whole(-1, _MOST),
    "mini_batch_size": batch_size,
    "partition_keys": readers.names,
    "node_count": readers.whole(1, 10_000),
    "process_count_per_node": readers.whole(1, 10_000),
    "run_invocation_timeout": readers.above_zero("seconds"),
    "run_max_try": readers.whole(1, _MOST),
    "append_row_file_name": _file_name,
    "allowed_failed_count": readers.whole(0, _MOST),
    "allowed_failed_percent": _percent,
    "logging_level": _level,
}


def settings_of(document: Mapping[str, Any]) -> Settings:
    """The settings of a document in which parameters have their values. Raises `ValueError` that names all that is wrong."""
    found, wrong = _read(document)
    wrong += _together(found)
    if wrong:
        raise ValueError(" ".join(wrong))
    return Settings(**found)


def problems_of(document: Mapping[str, Any], parameters: Mapping[str, Any]) -> List[str]:
    """What is wrong with the settings of a graph, each as a sentence. `parameters` are the values that are known of
    parameters; settings that another one holds are looked at when the step runs."""
    known: Dict[str, Any] = {}
    wrong: List[str] = []
    for name, value in document.items():
        if not isinstance(value, Mapping):
            known[name] = value
        elif name not in TUNABLE:
            wrong.append(f"{name} cannot be a parameter; only {', '.join(TUNABLE)} can.")
        elif value.get("parameter") in parameters:
            known[name] = parameters[value["parameter"]]
    found, more = _read(known)
    return wrong + more + _together(found)


def _read(document: Mapping[str, Any]) -> Tuple[Dict[str, Any], List[str]]:
    found: Dict[str, Any] = {}
    wrong: List[str] = []
    for name, value in document.items():
        if name not in READERS:
            wrong.append(f"there is no setting {name!r} of a parallel step.")
        elif value is not None:
            try:
                found[name] = READERS[name](value)
            except ValueError as error:
                wrong.append(f"{name}={error}")
    return found, wrong


def _together(found: Mapping[str, Any]) -> List[str]:
    wrong = []
    if not found.get("inputs"):
        wrong.append("it has no input that is to be cut into mini-batches.")
    if found.get("partition_keys") and found.get("mini_batch_size"):
        wrong.append("partition_keys and mini_batch_size both say what a mini-batch holds: give one of them.")
    if found.get("output_action", APPEND_ROW) == APPEND_ROW and not found.get("output"):
        wrong.append("output_action='append_row' writes a file of rows into an output: give the step one.")
    return wrong
