"""From the spec's names to the strings that a script sees: arguments, placeholders, variables. Pure."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from duto.spec.sentences import Said, said
from duto_agent.worded import Worded

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "LOKY_MAX_CPU_COUNT")


class Unbound(Worded):
    """An argument names something that the step does not have."""


@dataclass
class Bound:
    """What each name of a step stands for: a path, or the id of a dataset in direct mode."""

    inputs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    modes: dict[str, str] = field(default_factory=dict)
    file_outputs: list[str] = field(default_factory=list)
    warnings: list[Said] = field(default_factory=list)
    # Folders and files of this host that links of mounted inputs lead to: a launcher with a sandbox shows them read-only.
    roots: list[str] = field(default_factory=list)

    @property
    def places(self) -> dict[str, str]:
        return {**self.inputs, **self.outputs}


def arguments(given: list[Any], bound: Bound, params: Mapping[str, Any]) -> list[str]:
    """The command line: bindings by name, numbers as Python writes them, placeholders inside strings."""
    return [_argument(value, bound, params) for value in given]


def _argument(value: Any, bound: Bound, params: Mapping[str, Any]) -> str:
    if isinstance(value, str):
        return substitute(value, bound)
    if not isinstance(value, dict):
        return "" if value is None else str(value)
    for kind, known, unknown in (
        ("input", bound.inputs, "unbound_input"),
        ("output", bound.outputs, "unbound_output"),
        ("parameter", params, "unbound_parameter"),
    ):
        if kind in value:
            if value[kind] not in known:
                raise Unbound(said(unknown, name=value[kind]))
            return str(known[value[kind]])
    raise Unbound(said("unknown_argument", value=repr(value)))


def substitute(text: str, bound: Bound) -> str:
    """Replace the placeholders of data by paths, wherever in the text they stand."""
    if "AZUREML_DATAREFERENCE_" not in text and ":" not in text:
        return text
    for prefix, known in (
        (r"\$\{AZUREML_DATAREFERENCE_(%s)\}", bound.places),
        (r"\$AZUREML_DATAREFERENCE_(%s)", bound.places),
        (r"DatasetOutputConfig:(%s)", bound.outputs),
        (r"DatasetConsumptionConfig:(%s)", bound.inputs),
    ):
        if known:
            # The longest name first: `data` must not eat the head of `data_test`.
            names = "|".join(re.escape(name) for name in sorted(known, key=len, reverse=True))
            text = re.sub(prefix % names, partial(_known, known), text)
    return text


def _known(known: Mapping[str, str], found: re.Match[str]) -> str:
    return known[found[1]]


def variables(spec: Mapping[str, Any], bound: Bound) -> dict[str, str]:
    """The variables that depend on what was bound; those of the studio stand in the spec."""
    found: dict[str, str] = {}
    for name, place in bound.places.items():
        found[f"AZUREML_DATAREFERENCE_{name}"] = place
        found[name] = place
    if bound.modes:
        pairs = ",".join(f"{name}:{mode}" for name, mode in bound.modes.items())
        found["AZUREML_DATASET_ENVIRONMENT_VARS"] = pairs
    if bound.file_outputs:
        found["AZUREML_DATASET_FILE_OUTPUTS"] = ";".join(bound.file_outputs)
    for name, value in (spec.get("params") or {}).items():
        found[f"AML_PARAMETER_{name}"] = substitute(str(value), bound)
    return found


def base_variables(folders: Mapping[str, str], bin_folder: str | None, cores: int | None = None) -> dict[str, str]:
    """The clean ground: nothing of the agent's own environment passes."""
    path = [bin_folder] if bin_folder else []
    count = str(cores or os.cpu_count() or 1)
    return {
        "PATH": ":".join([*path, "/usr/local/bin", "/usr/bin", "/bin"]),
        "LANG": "C.UTF-8",
        "USER": "duto",
        "LOGNAME": "duto",
        "PYTHONUNBUFFERED": "1",
        "MPLBACKEND": "agg",
        **folders,
        **dict.fromkeys(THREADS, count),
    }
