"""What the studio says of a step that is to be started here (`GET runs/{id}/launch/`), read once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Tuple

from duto.exceptions import UserErrorException


@dataclass(frozen=True)
class File:
    """A file of the code or of an input; `address` is where its bytes are, below the workspace's."""

    path: str
    size: int
    digest: Optional[str]
    address: str
    executable: bool = False


@dataclass(frozen=True)
class Input:
    """What the step reads under a name: files, or a dataset that its script opens itself (`direct`)."""

    name: str
    mode: str
    path_on_compute: Optional[str]
    is_file: bool
    file_name: Optional[str]
    dataset: Optional[str]
    partition_format: Optional[str]
    origin: str
    files: Tuple[File, ...]

    @property
    def size(self) -> int:
        return sum(each.size for each in self.files)


@dataclass(frozen=True)
class Output:
    """What the step writes under a name."""

    name: str
    kind: str
    is_directory: bool
    path_on_compute: Optional[str]


@dataclass(frozen=True)
class Environment:
    """The Python of the step: its version and its exact packages, or an interpreter of the host that it ran on."""

    name: str
    version: Optional[int]
    is_user_managed: bool
    python: Optional[str]
    lock: str
    definition: Mapping[str, Any]
    image: Optional[str]
    variables: Mapping[str, str]
    withheld: Tuple[str, ...]
    r: Optional[Mapping[str, Any]]

    @property
    def is_conda(self) -> bool:
        return self.lock.startswith("@EXPLICIT")

    @property
    def minor(self) -> str:
        """`3.11` of `3.11.9`; empty where no version is known."""
        return ".".join((self.python or "").split(".")[:2])


@dataclass(frozen=True)
class Launch:
    """All of it."""

    run: str
    root: str
    reused_by: Optional[str]
    step: str
    experiment: str
    status: str
    kind: str
    script: str
    arguments: List[Any]
    params: Dict[str, str]
    settings: Dict[str, Any]
    snapshot: str
    code: Tuple[File, ...]
    environment: Environment
    inputs: Tuple[Input, ...]
    outputs: Tuple[Output, ...]
    variables: Dict[str, str]
    distribution: Optional[Mapping[str, Any]]
    # Names of parameters whose values are secrets: in texts of the above a mark stands for each.
    secrets: Tuple[str, ...] = ()

    @property
    def processes(self) -> int:
        """How many processes of its script the studio starts."""
        spread = self.distribution or {}
        return int(spread.get("processes") or 1) + int(spread.get("parameter_servers") or 0)


def read(found: Any) -> Launch:
    """The step of this document. Raises `UserErrorException` for one of a studio that says something else."""
    try:
        return Launch(
            run=str(found["run"]),
            root=str(found["root"]),
            reused_by=found["reused_by"],
            step=str(found["step"]),
            experiment=str(found["experiment"]),
            status=str(found["status"]),
            kind=str(found["kind"]),
            script=str(found["script"]),
            arguments=list(found["arguments"]),
            params=dict(found["params"]),
            settings=dict(found["settings"]),
            snapshot=str(found["snapshot"]["digest"]),
            code=_files(found["snapshot"]["files"]),
            environment=_environment(found["environment"]),
            inputs=tuple(map(_input, found["inputs"])),
            outputs=tuple(map(_output, found["outputs"])),
            variables=dict(found["variables"]),
            distribution=found["distribution"],
            secrets=tuple(found["secrets"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UserErrorException(
            f"The studio describes the step in another way than this SDK reads ({error!r}). Install the SDK of the studio: "
            "the page Settings says how."
        ) from error


def _files(found: Any) -> Tuple[File, ...]:
    return tuple(
        File(each["path"], int(each["size"]), each["digest"], each["address"], bool(each.get("executable")))
        for each in found
    )


def _input(found: Mapping[str, Any]) -> Input:
    return Input(
        found["name"],
        found["mode"],
        found["path_on_compute"],
        bool(found["is_file"]),
        found["file_name"],
        found["dataset"],
        found["partition_format"],
        found["origin"],
        _files(found["files"]),
    )


def _output(found: Mapping[str, Any]) -> Output:
    return Output(found["name"], found["kind"], bool(found["is_directory"]), found["path_on_compute"])


def _environment(found: Mapping[str, Any]) -> Environment:
    return Environment(
        found["name"],
        found["version"],
        bool(found["user_managed"]),
        found["python"],
        found["lock"] or "",
        found["definition"],
        found["image"],
        found["variables"],
        tuple(found["withheld"]),
        found["r"],
    )
