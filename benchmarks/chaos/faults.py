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
ENGINE = "-engine"


@dataclass
class Blow:
    """One deed: what was done to whom, from when to when (time.time()); `attempt`: the folder of a killed shim."""

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
class Blows:
    """Deals blows to a world, several at the same time, never two to the same part."""

    world: World
    seed: int
    kinds: list[str]
    dealt: list[Blow] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.waiting = deque(self.kinds)
        self._chance = random.Random(f"{self.seed} lengths")
        self._lasting: list[tuple[float, Blow]] = []
        self._deaths: dict[str, deque[float]] = {name: deque(maxlen=DEATHS) for name in SUPERVISED}

    @property
    def is_over(self) -> bool:
        return not self.waiting and not self._lasting

    def next(self) -> Blow | None:
        """Deal the first blow that is possible now; None when none is."""
        for kind in list(dict.fromkeys(self.waiting)):
            blow = Blow(len(self.dealt), kind)
            if self._may(blow) and self._deal(blow):
                self.waiting.remove(kind)
                self.dealt.append(blow)
                return blow
        return None

    def look(self) -> None:
        """End what has lasted long enough."""
        for until, blow in list(self._lasting):
            if time.monotonic() >= until:
                self._lasting.remove((until, blow))
                self._end(blow)
                blow.ended = time.time()

    def end_all(self) -> None:
        for entry in list(self._lasting):
            self._lasting.remove(entry)
            self._end(entry[1])
            entry[1].ended = time.time()

    def _may(self, blow: Blow) -> bool:
        busy = {each.target for _, each in self._lasting}
        if blow.target in busy or (blow.target == "studio" and busy & {*SUPERVISED, "postgres"}):
            return False
        # A studio needs its database to start, and a server that is away cannot be hurt again.
        if "studio" in busy and blow.target in (*SUPERVISED, "postgres"):
            return False
        if "postgres" in busy and (blow.target == "studio" or blow.kind == "kill web"):
            return False
        deaths = self._deaths.get(blow.target)
        return not (deaths is not None and len(deaths) == DEATHS and time.monotonic() - deaths[0] < WINDOW_S)

    def _deal(self, blow: Blow) -> bool:
        """Whether there was somebody to hit."""
        blow.began = time.time()
        # An engine is killed alone or with the program that holds its containers.
        blow.is_whole = blow.verb == "kill" and blow.target.endswith(ENGINE) and self._chance.random() < 0.5
        lasts = 0.0
        if blow.kind == "kill shim":
            blow.attempt = self._kill_shim()
            done = bool(blow.attempt)
        elif blow.kind == "kill postgres":
            self.world.postgres.kill()
            done, lasts = True, self._chance.uniform(0.2, 4)
        elif blow.kind == "kill studio":
            assert self.world.live.process is not None
            self.world.live.process.kill()
            self.world.live.process.wait()
            done, lasts = True, self._chance.uniform(0.2, 4)
        else:
            done = self._signal(blow, signal.SIGKILL if blow.verb == "kill" else signal.SIGSTOP)
            lasts = self.world.lease_seconds * self._chance.uniform(1.1, 1.5) if blow.verb != "kill" else 0.0
        if done and lasts:
            self._lasting.append((time.monotonic() + lasts, blow))
        elif done:
            blow.ended = time.time()
        if done and blow.target in self._deaths and blow.verb == "kill":
            self._deaths[blow.target].append(time.monotonic())
        return done

    def _signal(self, blow: Blow, number: int) -> bool:
        world, target = self.world, blow.target
        if blow.verb == "cut":
            world.wire(target).cut()
            return True
        if target == "postgres":
            world.postgres.signal(number)
            return True
        if target.endswith(ENGINE):
            return world.engine(target.removesuffix(ENGINE)).signal(number, whole=blow.is_whole)
        pid = world.part(target) if target in SUPERVISED else world.agents[target].pid
        if not pid:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
            return True
        return False

    def _end(self, blow: Blow) -> None:
        if blow.kind == "kill postgres":
            self.world.postgres.again()
        elif blow.kind == "kill studio":
            self.world.up()
        elif blow.verb == "cut":
            self.world.wire(blow.target).mend()
        else:
            self._signal(blow, signal.SIGCONT)

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
