"""Steps that leave far more than others do, and what must hold while and after they run: in processes and in containers alike."""

from __future__ import annotations

import base64
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psutil

from studio.testing.live import eventually
from tests.live.studio import ENDS, LiveRun, Studio

PARTS = ("web", "worker", "agent")
MIB = 1 << 20
# What a part may hold beyond what it held before: windows, slices and caches, but not the whole of the long line.
MOST_GROWTH = 128 * MIB
DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
LINES, LINE_MIB, POINTS, FILES, IMAGES = 300_000, 144, 20_000, 2_000, 60


@dataclass(frozen=True)
class Flood:
    """A script, how it ends, and what is left of it."""

    code: str
    holds: Callable[[LiveRun], None]
    status: str = "Completed"


def _lines(run: LiveRun) -> None:
    log = run.log("flood")
    assert log.count(b"\n") == LINES and log.endswith(b"line %d\n" % (LINES - 1))


def _line(run: LiveRun) -> None:
    log = run.log("flood")
    assert len(log) == LINE_MIB * MIB + len(b"after\n") and log.endswith(b"after\n")


def _points(run: LiveRun) -> None:
    (found,) = run.studio.get(f"runs/{run.step('flood')['id']}/metrics/")["metrics"]
    assert (found["name"], found["count"]) == ("loss", POINTS)


def _files(run: LiveRun) -> None:
    step, after, paths = run.step("flood")["id"], "", set()
    while after is not None:
        page = run.studio.get(f"runs/{step}/artifacts/", limit=500, **({"after": after} if after else {}))
        paths |= {each["path"] for each in page["items"]}
        after = page["next"]
    assert {f"outputs/{number % 50}/{number}.txt" for number in range(FILES)} <= paths


def _images(run: LiveRun) -> None:
    step, after, names = run.step("flood")["id"], "", []
    while after is not None:
        page = run.studio.get(f"runs/{step}/metrics/points/", **({"after": after} if after else {}))
        names += [each["name"] for each in page["items"]]
        after = page["next"]
    assert sorted(names) == sorted(f"epoch {number}" for number in range(IMAGES))
    first = run.studio.rest("GET", f"runs/{step}/artifacts/images/epoch 0.png")
    assert first.content == base64.b64decode(DOT)


def _forks(run: LiveRun) -> None:
    step = run.step("flood")
    assert b"no more" in run.log("flood") and step["error"]["cause"] == "user_error", step["error"]


FLOODS = {
    "lines": Flood(f"for number in range({LINES}): print('line', number)", _lines),
    "line": Flood(
        f"import sys\nfor _ in range({LINE_MIB}): sys.stdout.write('x' * {MIB - 1} + '.')\nsys.stdout.write('after\\n')",
        _line,
    ),
    "points": Flood(
        f"from azureml.core import Run\nrun = Run.get_context()\nfor n in range({POINTS}): run.log('loss', n / 7)",
        _points,
    ),
    "files": Flood(
        "import pathlib\n"
        f"for number in range({FILES}):\n"
        "    folder = pathlib.Path('outputs', str(number % 50))\n"
        "    folder.mkdir(parents=True, exist_ok=True)\n"
        "    (folder / f'{number}.txt').write_text(str(number))\n",
        _files,
    ),
    "images": Flood(
        "import base64, pathlib\n"
        "from azureml.core import Run\n"
        f"pathlib.Path('dot.png').write_bytes(base64.b64decode('{DOT}'))\n"
        "run = Run.get_context()\n"
        f"for number in range({IMAGES}): run.log_image(f'epoch {{number}}', 'dot.png')\n",
        _images,
    ),
    "forks": Flood(
        "import os, time\n"
        "try:\n"
        "    for _ in range(100_000):\n"
        "        if os.fork() == 0:\n"
        "            time.sleep(600)\n"
        "            os._exit(0)\n"
        "except OSError as refused:\n"
        "    print('no more:', refused.strerror)\n"
        "raise SystemExit(3)\n",
        _forks,
        "Failed",
    ),
}


def survives(studio: Studio, name: str) -> None:
    """Run a flood to its end: the verdict right, what it left whole, pages answering meanwhile, memory bounded, nothing left."""
    flood = FLOODS[name]
    studio.submit({"first": "pass"}).wait()  # parts load some of their modules when there is something to do
    processes = {part: psutil.Process(pid) for part, pid in studio.parts.items() if part in PARTS}
    before = {part: process.memory_info().rss for part, process in processes.items()}
    with watched(processes) as peaks:
        run = studio.submit({"flood": flood.code})
        while run.status not in ENDS:
            assert studio.rest("GET", f"runs/{run.id}/steps/").status_code == 200
            time.sleep(0.2)
        run.wait(flood.status)
        flood.holds(run)
    assert studio.parts.keys() >= set(PARTS) and all(process.is_running() for process in processes.values())
    growth = {part: peaks[part] - before[part] for part in PARTS}
    assert max(growth.values()) < MOST_GROWTH, {part: f"{each >> 20} MiB" for part, each in growth.items()}
    attempt = run.step("flood")["step"]["attempts"][0]["id"]
    folder = studio.data_dir / "agent" / "attempts"
    eventually(lambda: not any(each.name.startswith(attempt) for each in folder.iterdir()), 30, "an empty host")
    eventually(lambda: not [line for line in commands() if attempt in line], 30, "the end of all its processes")


@contextlib.contextmanager
def watched(processes: dict[str, psutil.Process]) -> Iterator[dict[str, int]]:
    """The most that each holds in memory, in bytes, looked at ten times a second."""
    peaks, over = dict.fromkeys(processes, 0), threading.Event()

    def look() -> None:
        while not over.wait(0.1):
            for part, process in processes.items():
                with contextlib.suppress(psutil.NoSuchProcess):
                    peaks[part] = max(peaks[part], process.memory_info().rss)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield peaks
    finally:
        over.set()
        thread.join()


def commands() -> list[str]:
    """The command lines and folders of all processes."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            found.append(f"{' '.join(process.cmdline())} {process.cwd()}")
    return found
