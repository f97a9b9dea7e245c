"""What the supervisor may ask of any launcher. Every call may be repeated safely."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from duto.spec.sentences import Said
from duto_agent.launchers.resource_usage import Processes, Sample
from duto_agent.worded import Worded


@dataclass(frozen=True)
class AttemptKey:
    """An attempt and its fencing number; together they name one directory and one execution."""

    attempt: str
    epoch: int

    @property
    def folder(self) -> str:
        return f"{self.attempt}-{self.epoch}"

    @classmethod
    def of_folder(cls, name: str) -> AttemptKey | None:
        attempt, dash, epoch = name.rpartition("-")
        return cls(attempt, int(epoch)) if dash and attempt and epoch.isdigit() else None


@dataclass(frozen=True)
class Bind:
    """A file or folder of the host that the step sees at another place, read-only unless told otherwise."""

    source: Path
    target: Path
    read_only: bool = True


@dataclass(frozen=True)
class Reservation:
    """What the node of an attempt holds of this host: shares of cores, bytes of memory, devices by UUID."""

    cores: float | None = None
    memory: int | None = None
    gpus: tuple[str, ...] = ()


@dataclass(frozen=True)
class Launch:
    """Everything that a launcher needs to know to run one attempt.

    Paths are those of the host; a launcher with a sandbox shows the attempt's directory and each bind at the
    same path inside, so that arguments and variables need no translation.
    """

    key: AttemptKey
    argv: tuple[str, ...]
    cwd: Path
    env: dict[str, str]
    python: str = ""  # of its environment, where it is not the program that `argv` begins with
    grace_seconds: float = 10.0
    timeout_seconds: float | None = None
    log_cap: int = 1 << 30
    masks: tuple[str, ...] = ()  # what the log may not show
    ranks: tuple[int, ...] = ()  # processes of the script that each have a log of their own
    limits: dict[str, int] = field(default_factory=dict)
    reserved: Reservation = field(default_factory=Reservation)
    binds: tuple[Bind, ...] = ()
    # Of containers alone: the image, who may be reached, and what the cluster's owner relaxed.
    image: str = ""
    group: str = ""  # attempts of one run share what is made for the run, such as its network
    network: str = "open"
    options: dict[str, Any] = field(default_factory=dict)


class LaunchFailed(Worded):
    """It cannot be started as asked; one sentence for people, and whose fault it is (`causes`)."""

    def __init__(self, message: Said, code: str = "environment") -> None:
        super().__init__(message)
        self.code = code


State = Literal["none", "pending", "running", "exited", "lost"]


@dataclass(frozen=True)
class Probe:
    """What is known now: `none` was never started, `pending` waits for its start at whoever gives it a place, `lost` ran and
    left no verdict (what is known in its place may be there)."""

    state: State
    verdict: dict[str, Any] | None = None
    # Why it is pending, in a word of whoever makes it wait.
    reason: str = ""
    # Which it is of those that wait there (0: unknown), and when it is expected to begin, in seconds since 1970 (0: unknown).
    position: int = 0
    start: int = 0


class Launcher(Protocol):
    """A process, a container, a job: where a step lives."""

    def directory(self, key: AttemptKey) -> Path:
        """The attempt's directory on this host."""

    def ensure(self, launch: Launch) -> None:
        """Start it if it never started, otherwise adopt it. Raises LaunchFailed, DiskFull, EngineAway, OSError."""

    def studio_for(self, network: str, studio: str) -> str:
        """The studio's address as a step behind this network policy reaches it."""

    def probe(self, key: AttemptKey) -> Probe:
        """Its state; never blocks."""

    def signal(self, key: AttemptKey, grace_seconds: float) -> None:
        """Ask for its end: TERM to the tree, patience, KILL."""

    def stats(self, key: AttemptKey, processes: Processes) -> Sample | None:
        """What it uses, by a walk over the host's processes of this moment; None when it does not run."""

    def collect(self, key: AttemptKey) -> Probe:
        """Its last word, once nothing of it runs any more; kills what a lost shim left behind."""

    def cleanup(self, key: AttemptKey) -> None:
        """Forget it and everything it left on this host."""

    def discover(self) -> list[AttemptKey]:
        """The attempts that this host knows of, for adoption."""
