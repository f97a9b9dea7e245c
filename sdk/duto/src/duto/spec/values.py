"""The parts of a graph as values: parameters, steps, what they read and write."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, FrozenSet, Mapping, Optional, Tuple, Union

SCHEMA = 1
INPUT_MODES = ("mount", "download", "direct")
OUTPUT_MODES = ("mount", "upload")
# Outputs that name a dataset instead of holding files, each with the kind of the dataset.
LINK_KINDS = {"file_link": "file", "tabular_link": "tabular"}
OUTPUT_KINDS = ("pipeline_data", "file_dataset", *LINK_KINDS)


@dataclass(frozen=True)
class Parameter:
    """A declared parameter of the pipeline; `default` is of `type`, one of `parameters.TYPES`.

    `choices` are all values that it takes, `minimum` and `maximum` the least and the most; of a list they are about each
    of its elements. `help` says to people what it is for. The values of a `secret` are encrypted, and it has no default.
    `declarations.declared` makes one that is checked.
    """

    name: str
    type: str
    default: Any
    choices: Optional[Tuple[Any, ...]] = None
    minimum: Any = None
    maximum: Any = None
    help: str = ""
    secret: bool = False


@dataclass(frozen=True)
class Input:
    """What a step reads, from exactly one source: another step's output (`step`, `output`), a `dataset`
    version id, a `path` on a `datastore`, or the dataset or data path that a `parameter` names."""

    name: str
    mode: str = "mount"
    path_on_compute: Optional[str] = None
    step: Optional[str] = None
    output: Optional[str] = None
    dataset: Optional[str] = None
    datastore: Optional[str] = None
    path: Optional[str] = None
    parameter: Optional[str] = None
    tabular: Optional[Mapping[str, Any]] = None

    @property
    def source(self) -> str:
        """Which source: step, dataset, datastore or parameter."""
        for kind in ("step", "dataset", "datastore", "parameter"):
            if getattr(self, kind) is not None:
                return kind
        raise ValueError(f"input {self.name} has no source")


@dataclass(frozen=True)
class Output:
    """What a step writes. `pipeline_data`: the path must not exist unless `is_directory`; `file_dataset`: a
    folder that exists; `file_link`, `tabular_link`: a file that names a dataset of that kind (`duto.spec.links`). `register`: `{"name", "description", "tags"}` of a dataset to register when the step
    completes. `source_globs`: patterns of `duto.spec.globs`; of a folder only files of one of them are kept, all where
    there are none."""

    name: str
    kind: str = "pipeline_data"
    datastore: Optional[str] = None
    mode: str = "mount"
    is_directory: Optional[bool] = None
    path_on_compute: Optional[str] = None
    overwrite: Optional[bool] = None
    destination: Optional[str] = None
    register: Optional[Mapping[str, Any]] = None
    source_globs: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Distribution:
    """Several processes of one step on its one node. `type` is one of `distribution.TYPES`; each number may be
    `{"parameter": name}`. `parameter_servers`, of the type `tensorflow` alone, come beside the `processes`, its workers."""

    type: str
    processes: Any = 1
    parameter_servers: Any = 0

    @property
    def counts(self) -> Mapping[str, Any]:
        """The numbers by their names in the document."""
        return {"processes": self.processes, "parameter_servers": self.parameter_servers}


@dataclass(frozen=True)
class Step:
    """One step of the graph. What its `kind` makes of `script`, `arguments` and `settings` says `duto.spec.kinds`.
    `environment` is `{"name", "version"}` of a registered one or a definition. With a `distribution` each of its processes
    runs what the step runs.

    `timeout_seconds` is for one attempt's script, without its time in the queue. `retries`: how many more
    attempts there are after one that failed, None for the policy of its cause; `retry_delay_seconds` is
    waited before each. None of the three is part of the step's identity.
    """

    id: str
    name: str
    script: str
    snapshot: Optional[str] = None
    compute: Optional[str] = None
    kind: str = "python_script"
    arguments: Tuple[Any, ...] = ()
    environment: Optional[Mapping[str, Any]] = None
    inputs: Tuple[Input, ...] = ()
    outputs: Tuple[Output, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    environment_variables: Mapping[str, str] = field(default_factory=dict)
    run_after: Tuple[str, ...] = ()
    allow_reuse: bool = True
    hash_paths: Optional[Tuple[str, ...]] = None
    version: Optional[str] = None
    node_count: Union[int, Mapping[str, Any]] = 1
    distribution: Optional[Distribution] = None
    timeout_seconds: Optional[float] = None
    retries: Optional[int] = None
    retry_delay_seconds: Optional[float] = None

    def input(self, name: str) -> Input:
        """The input of this name. Raises `KeyError`."""
        return {each.name: each for each in self.inputs}[name]

    def output(self, name: str) -> Output:
        """The output of this name. Raises `KeyError`."""
        return {each.name: each for each in self.outputs}[name]

    @property
    def parents(self) -> FrozenSet[str]:
        """Ids of the steps that must be over before this one: by data and by `run_after`."""
        return frozenset(each.step for each in self.inputs if each.step is not None) | frozenset(self.run_after)


@dataclass(frozen=True)
class Parts:
    """What a graph consists of. `pipeline_outputs` maps a name to `(step id, output name)`."""

    steps: Tuple[Step, ...]
    parameters: Tuple[Parameter, ...] = ()
    description: str = ""
    continue_on_step_failure: bool = False
    pipeline_outputs: Mapping[str, Tuple[str, str]] = field(default_factory=dict)
