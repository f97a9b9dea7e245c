"""Runs a step in a container of its own, with the shim as its entry point.

The attempt's directory is the same folder inside and outside, so all that a step says travels through files and
nothing through the engine. Truth in this order: the verdict that the shim sealed, what the engine knows, nothing. Script
and shim are one user: of what it could write in the shim's place nothing else is believed.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from duto.spec.sentences import Said, said
from duto_agent.disk_space import full, is_mentioned_in
from duto_agent.engine.client import Engine, EngineRefused, Facts, ImageFacts
from duto_agent.engine.errors import EngineAway
from duto_agent.files import put_away, write_json
from duto_agent.launchers.base import AttemptKey, Bind, Launch, LaunchFailed, Probe
from duto_agent.launchers.container import UID, ContainerSetting, config_of, relaxed, script_variables
from duto_agent.launchers.exit_events import ExitEvents, discard
from duto_agent.launchers.networks import Networks
from duto_agent.launchers.ownership import NOTES, hand_over, prepare, undo_swaps, writable
from duto_agent.launchers.relay import Relay
from duto_agent.launchers.resource_usage import Processes, Sample, is_in_group
from duto_agent.launchers.seals import Seals
from duto_agent.launchers.shim_state import ask_to_end, order_of, probe_files

log = logging.getLogger("duto.agent")
SHIM = Path(__file__).resolve().parent.parent / "shim"
ENDING_S = 10.0
TIDY_S = 2.0
BEGINS_S = 3.0
DEAF_S = 8.0  # what a shim may take for the kill after its patience, before the container itself is killed
LOOK_S = 0.5
FAULTY_S = 30.0  # how long an engine may answer with faults of its own before a step is given up for it
NEVER = "0001-01-01"  # the engine's time of what has not happened
# The engine's words at the start of a container, and ours.
STARTS = (
    ("could not select device driver", "no_gpu_runtime"),
    ("executable file not found", "no_python"),
    ("no such file or directory", "not_in_image"),
)


class DockerLauncher:
    """Implements Launcher with one container per attempt, named after it; installation and host are its labels."""

    def __init__(
        self,
        attempts: Path,
        engine: Engine,
        installation: str,
        host: str,
        studio: str,
        notify_address: str | None,
        folders: Sequence[Path] = (),
    ) -> None:
        self.attempts, self.engine, self.notify_address, self.folders = attempts, engine, notify_address, folders
        self.labels = {"duto.installation": installation, "duto.host": host}
        self.prefix = f"duto-{installation[:12]}"
        relay = Relay(attempts.parent / "relay", studio)
        self.seals = Seals(attempts.parent / "seals.key")
        self.networks = Networks(engine, relay, f"{self.prefix}-{host}", self.labels)
        # As root the agent gives each step a user that owns nothing else; any other agent can only be itself.
        self.user = UID if os.geteuid() == 0 else os.geteuid()
        self._images: dict[str, ImageFacts] = {}
        self._looked: dict[AttemptKey, tuple[float, Probe]] = {}
        self._unresponsive_after: dict[AttemptKey, float] = {}
        self._exit_events = ExitEvents()
        # What this launcher has started: an engine that is away afterwards says nothing against it.
        self._begun: set[AttemptKey] = set()
        # When the engine first had a fault of its own over a step that waits for its start.
        self._refused_at: dict[AttemptKey, float] = {}
        # What could not be put away, because the engine did not answer.
        self.left: set[AttemptKey] = set()

    def directory(self, key: AttemptKey) -> Path:
        return self.attempts / key.folder

    def _left(self, key: AttemptKey) -> Probe:
        """What the step's shim has left. Raises OSError."""
        return probe_files(self.directory(key) / NOTES, lambda verdict: self.seals.is_on(key, verdict))

    def name(self, key: AttemptKey) -> str:
        """The container's name, by which nobody makes it twice."""
        return f"{self.prefix}-{key.folder}"

    def ensure(self, launch: Launch) -> None:
        if self._left(launch.key).state != "none":
            return
        try:
            self._ensure(launch)
            self._looked.pop(launch.key, None)
            self._begun.add(launch.key)
            self._refused_at.pop(launch.key, None)
        except EngineRefused as refused:
            if is_mentioned_in(str(refused)):
                raise full(said("step_container"), self.engine.folder) from refused
            if self._may_pass(launch.key, refused):
                raise EngineAway(said("engine_fault", error=str(refused))) from refused
            raise LaunchFailed(_explain(str(refused))) from refused

    def _may_pass(self, key: AttemptKey, refused: EngineRefused) -> bool:
        """Whether it is worth while to ask again: for a while after the first fault, if the order is not to blame."""
        first = self._refused_at.setdefault(key, time.monotonic())
        if is_hopeless(refused) or time.monotonic() - first > FAULTY_S:
            self._refused_at.pop(key)
            return False
        return True

    def studio_for(self, network: str, studio: str) -> str:
        return self.networks.studio_for(network, studio)

    def probe(self, key: AttemptKey) -> Probe:
        probe = self._left(key)
        if probe.state == "running":
            self._kill_unresponsive(key)
        return probe if probe.state in ("running", "exited") else self._ask(key, probe)

    def signal(self, key: AttemptKey, grace_seconds: float) -> None:
        """The shim ends the tree. A step whose shim does not is ended with its container."""
        try:
            ask_to_end(self.directory(key), grace_seconds)
        except OSError:  # the script put something in its place
            grace_seconds = -DEAF_S
        self._unresponsive_after.setdefault(key, time.monotonic() + grace_seconds + DEAF_S)

    def stats(self, key: AttemptKey, processes: Processes) -> Sample | None:
        try:
            found = self.engine.inspect(self.name(key)) or {}
        except (EngineAway, EngineRefused):
            return None
        first, container = int((found.get("State") or {}).get("Pid") or 0), str(found.get("Id") or "")
        # Numbers of processes mean something else where the engine is another machine's: the group is the proof.
        return processes.sample(first, container) if first and container and is_in_group(first, container) else None

    def collect(self, key: AttemptKey) -> Probe:
        probe = self._collect(key)
        undo_swaps(self.directory(key))
        return probe

    def _collect(self, key: AttemptKey) -> Probe:
        """A verdict may be there before the last process is gone."""
        name, faulty_until = self.name(key), float("inf")
        while True:
            try:
                found = self.engine.inspect(name)
                if found is not None and not self._has_ended(key, found):
                    self.engine.kill(name)
                    continue
                return self.probe(key)
            except (EngineAway, EngineRefused) as error:
                log.warning("%s waits for the engine: %s", key.folder, error)
                if isinstance(error, EngineRefused):  # it answers, and cannot: the files must be believed some day
                    faulty_until = min(faulty_until, time.monotonic() + FAULTY_S)
                if time.monotonic() > faulty_until:
                    return self.probe(key)
                time.sleep(1.0)

    def cleanup(self, key: AttemptKey) -> None:
        try:
            self.engine.ended_within(self.name(key), TIDY_S)  # its processes have, but the engine may be tidying up
            self.engine.remove(self.name(key))
        except (EngineAway, EngineRefused) as error:  # the directory stays, so that a next agent finds it again too
            log.warning("the container of %s is still there: %s", key.folder, error)
            self.left.add(key)
            return
        put_away(self.directory(key))
        self._looked.pop(key, None)
        self._unresponsive_after.pop(key, None)
        self._begun.discard(key)
        self._refused_at.pop(key, None)

    def discover(self) -> list[AttemptKey]:
        """By directory: a start waits for no engine."""
        names = sorted(path.name for path in self.attempts.iterdir()) if self.attempts.is_dir() else []
        return [key for key in map(AttemptKey.of_folder, names) if key is not None]

    def tidy(self) -> None:
        """Put away what is left, and by label the containers whose directory is gone; others' are never looked at.

        One that the engine cannot remove holds up no other: the next round tries it again. Raises EngineAway,
        EngineRefused.
        """
        for key in list(self.left):
            self.left.discard(key)
            self.cleanup(key)
        for each in self.engine.containers({**self.labels, "duto.kind": "step"}):
            folder = f"{each['Labels'].get('duto.attempt')}-{each['Labels'].get('duto.epoch')}"
            if not (self.attempts / folder).exists():
                log.warning("the container of %s has no directory and is removed", folder)
                try:
                    self.engine.remove(each["Id"])
                except EngineRefused as refused:
                    log.warning("the container of %s is still there: %s", folder, refused)

    def _ensure(self, launch: Launch) -> None:
        given, name = relaxed(launch.options), self.name(launch.key)
        user = given.user or f"{self.user}:{self.user if self.user == UID else os.getegid()}"
        prepare(self.directory(launch.key))
        image, refused = self._image(launch.image), None
        for _ in range(3):  # its network or itself was removed meanwhile, or the engine was killed amid it
            network = self.networks.join(launch.group or launch.key.attempt, launch.network, image.id)
            place = self._place(launch, image, network, user)
            if not self.engine.create(name, config_of(launch, given, place)):
                found = self.engine.inspect(name)
                if found is None:
                    continue
                if has_never_run(found["State"]):  # the engine was killed amid its start
                    self.engine.remove(name)
                    continue
                if found["State"]["Status"] != "created":
                    return  # it ran, or runs: a second start would run the script again
            self._order(launch, image, int(user.partition(":")[0]))
            try:
                self.engine.start(name)
                return
            except EngineRefused as error:
                if is_hopeless(error):
                    self.engine.remove(name)
                    raise
                if is_of_network(error):
                    self.networks.recheck(network)
                elif self._begins(launch.key):
                    return
                refused = error
                discard(self.engine, name)
        raise refused or LaunchFailed(said("removed_again"))

    def _begins(self, key: AttemptKey) -> bool:
        """Whether a start that the engine takes for a failure leads to a shim; its lock keeps a second one from running."""
        until = time.monotonic() + BEGINS_S
        while self._left(key).state == "none":
            if time.monotonic() > until:
                return False
            time.sleep(LOOK_S / 10)
        return True

    def _image(self, name: str) -> ImageFacts:
        found = self._images.get(name) or self.engine.image(name)
        if found is None:
            raise LaunchFailed(said("image_not_here", name=name))
        self._images[name] = found
        return found

    def _place(self, launch: Launch, image: ImageFacts, network: str, user: str) -> ContainerSetting:
        directory, key = self.directory(launch.key), launch.key
        labels = {
            "duto.kind": "step", "duto.attempt": key.attempt, "duto.epoch": str(key.epoch),
            "duto.network": network.partition(":")[2],
        }  # fmt: skip
        # By permission where it can be: the whole then stays one file system, in which files can be renamed.
        is_others = int(user.partition(":")[0]) not in (0, os.geteuid())
        binds = [Bind(directory, directory, read_only=False)] if is_others else writable(directory)
        binds += [*(Bind(each, each, read_only=False) for each in self.folders), Bind(SHIM, SHIM), *launch.binds]
        if self.notify_address:  # the folder, not the socket: an agent that starts again makes another one
            binds.append(Bind(Path(self.notify_address).parent, Path(self.notify_address).parent))
        return ContainerSetting(
            image=image.id,
            entrypoint=("python3", "-I", "-S", str(SHIM), str(directory), str(directory / NOTES)),
            labels=self.labels | labels,
            binds=tuple({bind.target: bind for bind in binds}.values()),
            network=network,
            user=user,
            cores=int(self.engine.info().get("NCPU") or 1),
            seal=self.seals.key(key),
        )

    def _order(self, launch: Launch, image: ImageFacts, user: int) -> None:
        """What the shim reads, and whose the files are. Only for a container that never started."""
        directory = self.directory(launch.key)
        order = order_of(replace(launch, env=script_variables(launch.env, image.env)), self.notify_address)
        order["cgroup"] = _own_group(self.engine.info())
        write_json(directory / "launch.json", order)
        if os.geteuid() == 0:
            hand_over(directory, user)

    def _ask(self, key: AttemptKey, known: Probe) -> Probe:
        """What the engine knows of a step of which the files say nothing, or that its shim is gone."""
        before = self._looked.get(key)
        if before is not None and time.monotonic() - before[0] < LOOK_S:
            return before[1]
        try:
            found = self.engine.inspect(self.name(key))
        except (EngineAway, EngineRefused):
            found, known = None, Probe("running") if known.state == "lost" or key in self._begun else known
        after = self._left(key)  # it may have begun or ended while we asked
        if after.state in ("running", "exited"):
            return after
        probe = known if found is None else _of_state(found["State"], known)
        self._looked[key] = (time.monotonic(), probe)
        return probe

    def _has_ended(self, key: AttemptKey, found: Facts) -> bool:
        """With a verdict the kernel's word is enough; without one the engine's own is what we are after."""
        first = int((found.get("State") or {}).get("Pid") or 0)
        if first and self._left(key).state == "exited":
            heard = self._exit_events.within(first, str(found["Id"]), ENDING_S)
            if heard is not None:
                return heard
        return self.engine.ended_within(self.name(key), ENDING_S)

    def _kill_unresponsive(self, key: AttemptKey) -> None:
        if time.monotonic() > self._unresponsive_after.get(key, float("inf")):
            self._unresponsive_after[key] = time.monotonic() + DEAF_S
            try:
                self.engine.kill(self.name(key))
            except (EngineAway, EngineRefused) as error:
                log.warning("%s does not end: %s", key.folder, error)


def _of_state(state: Mapping[str, Any], known: Probe) -> Probe:
    """From the engine's words on a container whose shim left no verdict."""
    status = state.get("Status")
    if status == "created" or has_never_run(state):
        return Probe("none")
    if status in ("running", "paused", "restarting"):
        return Probe("running")
    if state.get("OOMKilled"):
        return Probe("exited", _killed(state))
    return Probe("lost") if known.state in ("none", "lost") else known


def has_never_run(state: Mapping[str, Any]) -> bool:
    """It is over without a beginning, so that its script is not run twice by a new one."""
    return state.get("Status") in ("exited", "dead") and str(state.get("StartedAt") or "").startswith(NEVER)


def _killed(state: Mapping[str, Any]) -> dict[str, Any]:
    """The verdict on a container that the kernel ended whole for want of memory, its shim included."""
    return {
        "exit_code": None, "signal": 9, "oom_kills": 1, "oom_scope": "step", "left_over": 0,
        "started_at": state.get("StartedAt"), "finished_at": state.get("FinishedAt"),
    }  # fmt: skip


def _own_group(info: Facts) -> dict[str, Any]:
    """Where the shim reads its container's own control group; there is nothing to join."""
    root, second = "/sys/fs/cgroup", str(info.get("CgroupVersion") or "1") == "2"
    names = (
        ("memory.events", "memory.peak")
        if second
        else ("memory/memory.oom_control", "memory/memory.max_usage_in_bytes")
    )
    return {"join": [], "leave": [], "oom": f"{root}/{names[0]}", "peak": f"{root}/{names[1]}", "limit": None}


def is_hopeless(refused: EngineRefused) -> bool:
    """Whether another container of the same image and options would be refused in the same words.

    400 is the engine's own word for an order that is wrong.
    """
    return refused.status == 400 or any(words in str(refused) for words in (STARTS[0][0], "No such image"))


def is_of_network(refused: EngineRefused) -> bool:
    return "cannot join network" in str(refused) or "No such container" in str(refused)


def _explain(words: str) -> Said:
    name = next((name for sign, name in STARTS if sign in words), "container_not_started")
    return said(name, error=words[:300])
