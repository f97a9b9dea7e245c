"""One script from its spawn to its verdict."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import resource
import select
import signal
import subprocess
import time
from typing import Any

from duto_agent.shim import group, tree
from duto_agent.shim.log import BELL_GAP_S, AgentNotifier, Log
from duto_agent.shim.masks import MaskRequests, Masks
from duto_agent.shim.rank_logs import RankLogs
from duto_agent.shim.verdict import SEAL, decode, iso, last_frame, leave, reserve, seal_of, write_json

BUSY, DONE = 75, 76
CHUNK = 1 << 18
POLL_S = 0.1
# A script that floods wakes us for each line; two milliseconds of rest turn that into large reads.
FLOOD_GAP_S, FLOOD_REST_S = 0.001, 0.002
DRAIN_S, LEFT_BEHIND_GRACE_S, WALLS_S, KILL_S = 0.1, 0.5, 0.25, 5.0
F_SETPIPE_SZ = 1031
WEIGH_S = 1.0
LOCK_TRIES = 20
# A sandbox shows the whole system, and fails where a part of that goes away meanwhile, as mounts of containers do.
SANDBOX_TRIES, SANDBOX_REST_S = 5, 0.05
# Below are the numbers that a shell before the sandbox may open for it.
FIRST_STATUS_FD = 10
KEY = "DUTO_SEAL"  # the variable by which a container's shim gets its key


def main(directory: str, notes: str = "") -> int:
    """Run the step of this directory, once in its life. `notes` is where we leave what we know, unless it is there, too.

    With a key in our variables the verdict is sealed, and we are closed to the script, who is the same user.
    """
    notes, key = notes or directory, os.environ.pop(KEY, "")
    if key:
        tree.close_memory()
    if not take_lock(os.path.join(notes, "runner.lock")):
        return BUSY
    # pid.json without a verdict is a step that was lost: it may have run, so it never runs again.
    if any(os.path.exists(os.path.join(notes, name)) for name in ("status.json", "pid.json")):
        return DONE
    with open(os.path.join(directory, "launch.json"), encoding="utf-8") as file:
        launch = json.load(file)
    place = os.path.join(notes, "status.json")
    reserve(place)
    step = Step(directory, notes, launch)
    verdict = step.run()
    leave(place, {**verdict, SEAL: seal_of(verdict, key)} if key else verdict)
    step.notifier.notify(force=True)
    return 0


def take_lock(path: str) -> bool:
    """Held until this process ends: liveness without a pid that could be somebody else's."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    for _ in range(LOCK_TRIES):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError:
            time.sleep(0.005)  # the agent's own look at the lock lasts microseconds
    return False


class Step:
    """One script, its pipe, its tree of processes."""

    def __init__(self, directory: str, notes: str, launch: dict[str, Any]) -> None:
        self.directory, self.notes, self.launch = directory, notes, launch
        # `bell` is where the agent hears wake-ups of shims; the key is the one of all releases.
        self.notifier = AgentNotifier(launch.get("bell"), os.path.basename(directory))
        self.log = Log(directory, int(launch.get("log_cap") or 1 << 30))
        self.masks = Masks()
        for value in launch.get("masks") or ():
            self.masks.add(value.encode(), is_given=True)
        self.mask_requests: MaskRequests | None = None
        self.ranks: RankLogs | None = None
        self.child = 0
        self.exit: int | None = None
        self.alone = False  # no child of ours lives any more
        self.canceled = self.timed_out = False
        self.terminated = False  # somebody else than our agent told us to end
        self.signals: list[str] = []  # what the tree was told to make it end, in order
        self.stopping = 0.0  # seconds until it had ended
        self.exceeded = 0  # bytes that the tree held when it was ended for holding too many
        self.pipe: int | None = None  # what the script says, until nobody can say more
        self.status: int | None = None  # what bubblewrap says of the sandbox
        self.poller = select.poll()
        self.last_read = self.last_look = self.last_weighing = 0.0
        self.started = time.time()
        self.began = time.monotonic()
        self.group = launch.get("cgroup")
        self.ooms = self._oom_kills()

    def run(self) -> dict[str, Any]:
        self._adopt_descendants()
        self._tell_pid(None)
        if self._cancel_grace() is not None:
            self.canceled, self.alone = True, True
            return self._verdict()
        self._listen_for_masks()
        for tries_left in reversed(range(SANDBOX_TRIES)):
            try:
                if self.launch.get("ranks") and self.ranks is None:
                    self.ranks = RankLogs(self.launch, self.notes, self.log, self.masks, self.poller)
                self._spawn()
            except OSError as error:
                self.log.write(("duto: the script could not be started: %s\n" % error).encode())
                self.alone, self.exit = True, 127 << 8
                return self._verdict()
            with contextlib.suppress(OSError):  # the disk is full already: orphans are then known by their mark alone
                self._tell_pid(self.child)
            while self.exit is None:
                self._turn(POLL_S)
                self._check_limits()
            if self._has_begun() or not tries_left:
                break
            self._forget_sandbox()
        self._close()
        return self._verdict()

    def _has_begun(self) -> bool:
        """Whether the script was started; if in doubt it was, for it never runs twice.

        bubblewrap tells of an exit code only of a program that it started (`report_child_exit_status` in its source).
        """
        if self.status is None or self.exit is None:
            return True
        try:
            report = os.read(self.status, CHUNK)
        except BlockingIOError:
            report = b""
        os.close(self.status)
        self.status = None
        is_ended = self.canceled or self.timed_out or bool(self.signals) or os.WIFSIGNALED(self.exit)
        return is_ended or self.exit == 0 or b'"exit-code"' in report

    def _forget_sandbox(self) -> None:
        """Nothing of the script has run: its sandbox is made once more."""
        while self.pipe is not None and self._turn(POLL_S):
            pass
        if self.pipe is not None:
            self.poller.unregister(self.pipe)
            os.close(self.pipe)
        self.log.write(b"duto: The sandbox could not be made, as the line above says; it is tried once more.\n")
        time.sleep(SANDBOX_REST_S)
        self.pipe, self.exit, self.alone = None, None, False

    def _adopt_descendants(self) -> None:
        tree.adopt_orphans()
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, _noted)  # not SIG_IGN, which the script would inherit
        if self.launch.get("term_grace_seconds") is not None:
            signal.signal(signal.SIGTERM, self._note_term)
        self.wake, wake_write = os.pipe()
        os.set_blocking(self.wake, False)
        os.set_blocking(wake_write, False)
        signal.signal(signal.SIGCHLD, _noted)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        self.poller.register(self.wake, select.POLLIN)
        for name, wanted in (self.launch.get("limits") or {}).items():
            tree.limit_resource(name, int(wanted))

    def _note_term(self, *_: Any) -> None:
        self.terminated = True

    def _listen_for_masks(self) -> None:
        """Where this fails no secret is given: the script is told so when it asks for one."""
        path = self.launch["env"].get("DUTO_MASKS")
        if path:
            with contextlib.suppress(OSError):
                self.mask_requests = MaskRequests(path, self.launch.get("user"), self.masks, self.poller)

    def _spawn(self) -> None:
        # One pipe for both streams: only so does the kernel keep the order in which the script wrote to them.
        read, write = os.pipe()
        try:
            fcntl.fcntl(read, F_SETPIPE_SZ, CHUNK)
        except OSError:
            pass  # the user's share of pipe memory is spent; the small pipe works as well
        os.set_blocking(read, False)
        if self.launch.get("user") is not None:
            os.umask(
                0o002
            )  # steps have one group, by which they share the folders that their host shows to all of them
            os.fchown(write, self.launch["user"], -1)  # a script may open /dev/stdout by its name
        argv, status = self._argv_with_status()
        try:
            # No preexec_fn: subprocess then takes vfork, which costs the same however large we are.
            with group.joined(self.group):
                process = subprocess.Popen(
                    argv,
                    pass_fds=status,
                    cwd=self.launch["cwd"],
                    env={**self.launch["env"], **self._passed()},
                    start_new_session=True,
                    stdin=subprocess.DEVNULL,
                    stdout=write,
                    stderr=write,
                    restore_signals=True,
                )
        finally:
            for number in (write, *status):
                os.close(number)
        self.child = process.pid
        process.returncode = 0  # we reap by ourselves; this object must not
        self.pipe = read
        self.poller.register(read, select.POLLIN | select.POLLHUP)

    def _passed(self) -> dict[str, str]:
        """Of our own variables those that the script is to know, by how they begin: who gave us a place says there what it gave."""
        beginnings = tuple(self.launch.get("passed") or ())
        return {name: value for name, value in os.environ.items() if beginnings and name.startswith(beginnings)}

    def _argv_with_status(self) -> tuple[list[str], list[int]]:
        """The words of the program, and the numbers that it inherits: in a sandbox the one to which that is told."""
        argv, place = list(self.launch["argv"]), self.launch.get("status_at")
        if place is None:
            return argv, []
        self.status, write = os.pipe()
        os.set_blocking(self.status, False)
        high = fcntl.fcntl(write, fcntl.F_DUPFD_CLOEXEC, FIRST_STATUS_FD)
        os.close(write)
        argv[place] = str(high)
        return argv, [high]

    def _tell_pid(self, child: int | None) -> None:
        """Written before the spawn: a crash in between is `lost`, never a second run."""
        write_json(
            os.path.join(self.notes, "pid.json"),
            {
                "pid": os.getpid(),
                "start": tree.start_ticks(os.getpid()),
                "boot": tree.boot_id(),
                "child": child,
                "child_start": tree.start_ticks(child) if child else None,
            },
        )

    def _turn(self, seconds: float) -> bool:
        """Wait for output or for the end of a child, and take what there is."""
        if self.notifier.owed:
            seconds = min(seconds, BELL_GAP_S)
        ready = self.poller.poll(seconds * 1000)
        moved = False
        for number, _ in ready:
            if number == self.wake:
                drain_pipe(self.wake)
            elif self.ranks is not None and self.ranks.reads(number):
                moved = self.ranks.take(number) or moved
            elif self.mask_requests is None or not self.mask_requests.took(number):
                moved = self._read(number) or moved
        if moved or self.notifier.owed:
            self.notifier.notify()
        self._reap()
        now = time.monotonic()
        if moved and now - self.last_read < FLOOD_GAP_S and self.exit is None:
            time.sleep(FLOOD_REST_S)
            now = time.monotonic()
        if moved:
            self.last_read = now
        return moved

    def _read(self, number: int) -> bool:
        try:
            data = os.read(number, CHUNK)
        except BlockingIOError:
            return False
        if data:
            self.log.write(self.masks.hide(data))
            return True
        self.poller.unregister(number)
        os.close(number)
        self.pipe = None
        return False

    def _reap(self) -> None:
        while not self.alone:
            try:
                pid, status, _ = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                self.alone = True
                return
            if pid == 0:
                return
            if pid == self.child:
                self.exit = status

    def _check_limits(self) -> None:
        """Look for a cancel, and at the clock, ten times a second."""
        now = time.monotonic()
        if self.exit is not None or now - self.last_look < POLL_S * 0.9:
            return
        self.last_look = now
        grace = self._cancel_grace()
        limit = self.launch.get("timeout_seconds")
        if grace is not None:
            self.canceled = True
        elif limit and now - self.began > float(limit):
            self.timed_out, grace = True, float(self.launch.get("grace_seconds") or 0)
        elif self._is_too_large(now):
            grace = 0.0
        if grace is not None:
            self._stop_tree(grace)

    def _is_too_large(self, now: float) -> bool:
        """Where no control group holds the limit, the tree is weighed once a second."""
        limit = self.launch.get("memory_watch")
        if not limit or now - self.last_weighing < WEIGH_S:
            return False
        self.last_weighing = now
        held = group.resident()
        if held > limit:
            self.exceeded = held
        return bool(self.exceeded)

    def _oom_kills(self) -> int:
        """The group's own count, else that of the whole host."""
        own = group.oom_kills(self.group)
        return tree.oom_kills() if own is None else own

    def _cancel_grace(self) -> float | None:
        try:
            with open(os.path.join(self.directory, "cancel"), encoding="utf-8") as file:
                text = file.read()
        except OSError:
            # KILL follows soon: what is left of that time is the script's.
            return float(self.launch["term_grace_seconds"]) if self.terminated else None
        try:
            return float(json.loads(text)["grace_seconds"])
        except (ValueError, KeyError, TypeError):
            return float(self.launch.get("grace_seconds") or 0)

    def _stop_tree(self, grace: float) -> None:
        """TERM to all, patience, KILL to all, until the kernel says that no child is left."""
        began = time.monotonic()
        self._tell_tree(signal.SIGTERM)
        deadline = began + grace
        while not self.alone and time.monotonic() < deadline:
            self._turn(0.02)
        deadline = time.monotonic() + KILL_S
        while not self.alone and time.monotonic() < deadline:
            self._tell_tree(signal.SIGKILL)
            self._turn(0.02)
        self.stopping += time.monotonic() - began

    def _tell_tree(self, number: signal.Signals) -> None:
        tree.signal_tree(number)
        name = number.name[3:]
        if name not in self.signals:
            self.signals.append(name)

    def _close(self) -> None:
        """The script is gone: take its last words, then end whoever still holds its pipe."""
        deadline = time.monotonic() + DRAIN_S
        while self.pipe is not None and self._turn(0) and time.monotonic() < deadline:
            pass
        self._close_sandbox()
        if not self.alone:
            self._stop_tree(LEFT_BEHIND_GRACE_S)
        deadline = time.monotonic() + DRAIN_S
        while self.pipe is not None and self._turn(0) and time.monotonic() < deadline:
            pass
        self.log.write(self.masks.hide(b"", is_last=True))
        if self.ranks is not None:
            self.ranks.close()

    def _close_sandbox(self) -> None:
        """The first process in a sandbox ends a moment after the script, and is nothing that the script left."""
        deadline = time.monotonic() + (WALLS_S if self.launch.get("wrapped") else 0)
        while not self.alone and time.monotonic() < deadline:
            self._turn(0.01)

    def _proof(self) -> dict[str, Any] | None:
        """What was done to end the tree and what is left of it; None for a script that ended by itself."""
        if not (self.canceled or self.signals):
            return None
        left = 0 if self.alone else len(tree.descendants())
        return {"left_over": left, "signals": self.signals, "seconds": round(self.stopping, 3)}

    def _verdict(self) -> dict[str, Any]:
        code, number = decode(self.exit, bool(self.launch.get("wrapped")))
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        ranks = self.ranks.ended() if self.ranks is not None else {}
        said = self.ranks.tail(ranks.get("failed")) if self.ranks is not None else None
        return {
            "exit_code": code,
            "signal": number,
            "started_at": iso(self.started),
            "finished_at": iso(time.time()),
            "log_size": self.log.size,
            "log_dropped": self.log.dropped,
            "log_error": self.log.error,
            "canceled": self.canceled,
            "timed_out": self.timed_out,
            **({"terminated": True} if self.terminated else {}),
            "left_over": 0 if self.alone else len(tree.descendants()),
            "proof": self._proof(),
            "disk_free": free_at(self.directory),
            "oom_kills": max(0, self._oom_kills() - self.ooms),
            "oom_scope": "host" if group.oom_kills(self.group) is None else "step",
            "memory_exceeded": self.exceeded or None,
            "usage": {
                "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 3),
                "max_rss": usage.ru_maxrss * 1024,
                "wall_seconds": round(time.monotonic() - self.began, 3),
                "peak_memory": group.peak_memory(self.group),
            },
            "traceback": last_frame(said or self.log.tail, self.launch["cwd"]) if self.exit else None,
            **({"ranks": ranks.get("ranks"), "failed_rank": ranks.get("failed")} if ranks else {}),
            **({"missing": ranks["missing"]} if ranks.get("missing") else {}),
        }


def free_at(directory: str) -> int:
    facts = os.statvfs(directory)
    return facts.f_bavail * facts.f_frsize


def _noted(*_: Any) -> None:
    """A handler must exist for the wake-up pipe to be written."""


def drain_pipe(number: int) -> None:
    try:
        os.read(number, 4096)
    except BlockingIOError:
        pass
