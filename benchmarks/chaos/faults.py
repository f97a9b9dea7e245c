"""What can happen to a part, and the order in which it does."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import psutil  # type: ignore[import-untyped]

from benchmarks.chaos.world import World

# The supervisor gives up on a part that dies five times within a minute: that is its promise, not a fault.
DEATHS, WINDOW_S = 3, 65.0
SUPERVISED = ("web", "worker", "agent", "valkey")
KINDS = (
    "kill web", "kill worker", "kill agent", "kill far", "kill valkey", "kill postgres", "kill studio", "kill shim",
    "stop web", "stop worker", "stop agent", "stop far", "stop valkey", "stop postgres", "cut far",
)  # fmt: skip
# What else there is to hurt where steps run in containers.
BOX_KINDS = (
    "kill dock", "kill isle", "kill dock-engine", "kill isle-engine",
    "stop dock", "stop isle", "stop dock-engine", "stop isle-engine", "cut isle",
)  # fmt: skip
# And where there is a far store.
STORE_KINDS = ("kill store", "stop store")
ENGINE = "-engine"


@dataclass
class Fault:
    """One fault: what was done to whom, from when to when (time.time()); `attempt`: the folder of a killed shim."""

    number: int
    kind: str
    began: float = 0.0
    ended: float = 0.0
    attempt: str = ""
    is_whole: bool = False

    @property
    def verb(self) -> str:
        return self.kind.split()[0]

    @property
    def target(self) -> str:
        return self.kind.split()[1]

    def document(self) -> dict[str, Any]:
        return asdict(self)


def draw(seed: int, kills: int, kinds: Sequence[str] = KINDS) -> list[str]:
    """Kinds in random order; each kind as often as the others, as far as the number allows."""
    chance = random.Random(f"{seed} blows")
    drawn: list[str] = []
    while len(drawn) < kills:
        drawn += chance.sample(kinds, len(kinds))
    return drawn[:kills]


@dataclass
class FaultInjector:
    """Injects faults to a world, several at the same time, never two to the same part."""

    world: World
    seed: int
    kinds: list[str]
    done: list[Fault] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.waiting = deque(self.kinds)
        self._chance = random.Random(f"{self.seed} lengths")
        self._lasting: list[tuple[float, Fault]] = []
        self._deaths: dict[str, deque[float]] = {name: deque(maxlen=DEATHS) for name in SUPERVISED}

    @property
    def is_over(self) -> bool:
        return not self.waiting and not self._lasting

    def next(self) -> Fault | None:
        """Inject the first fault that is possible now; None when none is."""
        for kind in list(dict.fromkeys(self.waiting)):
            fault = Fault(len(self.done), kind)
            if self._may(fault) and self._inject(fault):
                self.waiting.remove(kind)
                self.done.append(fault)
                return fault
        return None

    def look(self) -> None:
        """End what has lasted long enough."""
        for until, fault in list(self._lasting):
            if time.monotonic() >= until:
                self._lasting.remove((until, fault))
                self._end(fault)
                fault.ended = time.time()

    def _may(self, fault: Fault) -> bool:
        busy = {each.target for _, each in self._lasting}
        if fault.target in busy or (fault.target == "studio" and busy & {*SUPERVISED, "postgres"}):
            return False
        # A studio needs its database to start, and a server that is away cannot be hurt again.
        if "studio" in busy and fault.target in (*SUPERVISED, "postgres"):
            return False
        if "postgres" in busy and (fault.target == "studio" or fault.kind == "kill web"):
            return False
        deaths = self._deaths.get(fault.target)
        return not (deaths is not None and len(deaths) == DEATHS and time.monotonic() - deaths[0] < WINDOW_S)

    def _inject(self, fault: Fault) -> bool:
        """Whether there was somebody to hit."""
        fault.began = time.time()
        # An engine is killed alone or with the program that holds its containers.
        fault.is_whole = fault.verb == "kill" and fault.target.endswith(ENGINE) and self._chance.random() < 0.5
        lasts = 0.0
        if fault.kind == "kill shim":
            fault.attempt = self._kill_shim()
            done = bool(fault.attempt)
        elif fault.kind == "kill postgres":
            self.world.postgres.kill()
            done, lasts = True, self._chance.uniform(0.2, 4)
        elif fault.kind == "kill store":
            self.world.far_store.kill()
            done, lasts = True, self._chance.uniform(0.2, 4)
        elif fault.kind == "kill studio":
            assert self.world.live.process is not None
            self.world.live.process.kill()
            self.world.live.process.wait()
            done, lasts = True, self._chance.uniform(0.2, 4)
        else:
            done = self._signal(fault, signal.SIGKILL if fault.verb == "kill" else signal.SIGSTOP)
            lasts = self.world.lease_seconds * self._chance.uniform(1.1, 1.5) if fault.verb != "kill" else 0.0
        if done and lasts:
            self._lasting.append((time.monotonic() + lasts, fault))
        elif done:
            fault.ended = time.time()
        if done and fault.target in self._deaths and fault.verb == "kill":
            self._deaths[fault.target].append(time.monotonic())
        return done

    def _signal(self, fault: Fault, number: int) -> bool:
        world, target = self.world, fault.target
        if fault.verb == "cut":
            world.wire(target).cut()
            return True
        if target in ("postgres", "store"):
            (world.postgres if target == "postgres" else world.far_store).signal(number)
            return True
        if target.endswith(ENGINE):
            return world.engine(target.removesuffix(ENGINE)).signal(number, whole=fault.is_whole)
        pid = world.part(target) if target in SUPERVISED else world.agents[target].pid
        if not pid:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
            return True
        return False

    def _end(self, fault: Fault) -> None:
        if fault.kind == "kill postgres":
            self.world.postgres.again()
        elif fault.kind == "kill store":
            self.world.far_store.start()
        elif fault.kind == "kill studio":
            self.world.up()
        elif fault.verb == "cut":
            self.world.wire(fault.target).mend()
        else:
            self._signal(fault, signal.SIGCONT)

    def _kill_shim(self) -> str:
        """A shim that watches a script just now, on any host; the folder of its attempt."""
        found = list(self._shims())
        self._chance.shuffle(found)
        for folder, pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                return folder
        return ""

    def _shims(self) -> Iterator[tuple[str, int]]:
        inside = _shims_in_containers()
        for home in self.world.homes().values():
            for path in sorted((home / "attempts").glob("*/pid.json")):
                with contextlib.suppress(OSError, ValueError):
                    folder, pid = path.parent, json.loads(path.read_text())["pid"]
                    if (folder / "status.json").exists():
                        continue
                    if known := inside.get(str(folder)):
                        yield folder.name, known
                    elif _is_shim(pid, folder.name):
                        yield folder.name, pid


def _shims_in_containers() -> dict[str, int]:
    """Pid by the folder of the attempt, which is its last argument. The engine's init, which names it too, is none."""
    found = {}
    for process in psutil.process_iter(["cmdline"]):
        words: list[str] = process.info["cmdline"] or []
        if len(words) > 2 and words[0] == "python3" and words[-2].endswith("/shim"):
            found[words[-1]] = process.pid
    return found


def _is_shim(pid: int, folder: str) -> bool:
    """It was forked from the zygote, so only what it holds open tells whose it is."""
    with contextlib.suppress(OSError):
        for number in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{pid}/fd/{number}").endswith(f"{folder}/runner.lock"):  # noqa: PTH115
                    return True
    return False
