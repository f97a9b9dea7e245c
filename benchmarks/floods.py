"""`floods`: steps that leave far more than others do; that all of it arrives, pages answer, and no part holds it in memory."""

from __future__ import annotations

import contextlib
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import psutil  # type: ignore[import-untyped]

from benchmarks import graphs
from benchmarks.registry import Sample, Setting, benchmark
from benchmarks.warm_studio import WarmStudio, warm_studio

PARTS = ("web", "worker", "agent")
MIB = 1 << 20
WINDOW = 4 * MIB
LOOK_S, PAGE_S = 0.1, 1.0
# The largest log by default is a little smaller than the line.
ROOM = {"DUTO_LOG_CAP_BYTES": str(2 << 30)}

LINES = "for number in range({size}): print('line', number)\n"
LINE = f"import sys\nfor _ in range({{size}}): sys.stdout.write('x' * {MIB})\n"
POINTS = "from azureml.core import Run\nrun = Run.get_context()\nfor n in range({size}): run.log('loss', n / 7)\n"
FILES = """
import pathlib
for number in range({size}):
    folder = pathlib.Path('outputs', str(number % 100))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / str(number)).write_text(str(number))
"""
# As many figures as a long training logs; each is a request of its own before the next.
IMAGES = """
import pathlib
from azureml.core import Run
run = Run.get_context()
pathlib.Path('figure.png').write_bytes(bytes(range(256)) * 100)
for number in range({size}): run.log_image(f'epoch {{number}}', 'figure.png')
"""
# Children that outlive the script, as many as the host lets it have.
FORKS = """
import os, time
try:
    for _ in range({size}):
        if os.fork() == 0:
            time.sleep(600)
            os._exit(0)
except OSError as refused:
    print('refused:', refused.strerror)
"""


@dataclass
class Watch:
    """What was seen while a flood ran: bytes by part, and how the run's page answered."""

    peaks: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PARTS, 0))
    slowest_s: float = 0.0
    refusals: int = 0


@benchmark("floods", "MiB", "value <= 192", "lost <= 0", "left <= 0", "refused_pages <= 0", rounds=1)
def floods(setting: Setting) -> Iterator[Sample]:
    """The most that a part holds beyond what it held before: 10^7 lines, a line of 1 GiB, 10^6 points, 10^5 files, 2,000 images, a fork bomb."""
    sizes: list[tuple[str, str, int, Callable[[WarmStudio, str], int]]] = [
        ("lines", LINES, setting.size(10_000_000, 5_000), lambda warm, run: log_of(warm, run, b"\n")),
        ("line", LINE, setting.size(1024, 2), lambda warm, run: log_of(warm, run, b"x") // MIB),
        ("points", POINTS, setting.size(1_000_000, 500), points_of),
        ("files", FILES, setting.size(100_000, 40), files_of),
        ("images", IMAGES, setting.size(2_000, 4), images_of),
        ("forks", FORKS, 1_000_000, refused_forks),
    ]
    while True:
        most, figures = 0.0, {"lost": 0.0, "left": 0.0, "refused_pages": 0.0, "slowest_page_s": 0.0}
        with warm_studio(setting, ROOM) as warm:
            for name, source, size, arrived in sizes:
                before = resident(warm)
                document = graphs.graph([graphs.step(graphs.upload(warm.rest, source.format(size=size)), name)])
                with watched(warm) as watch:
                    run, seconds = warm.complete(document, "script")
                    lost = size - arrived(warm, run)
                growth = {part: (watch.peaks[part] - before[part]) / MIB for part in PARTS}
                setting.say(f"floods: {size} {name}: {seconds:.1f} s, lost {lost}, MiB more {growth}")
                most = max(most, *growth.values())
                figures |= {f"{name}_s": seconds, f"{name}_mib": max(growth.values())}
                figures["lost"] += lost
                figures["left"] += left_of(warm)
                figures["refused_pages"] += watch.refusals
                figures["slowest_page_s"] = max(figures["slowest_page_s"], watch.slowest_s)
        yield Sample(most, None, figures)


def resident(warm: WarmStudio) -> dict[str, int]:
    """Bytes by part."""
    parts = warm.live.state["parts"]
    return {part: psutil.Process(parts[part]).memory_info().rss for part in PARTS}


@contextlib.contextmanager
def watched(warm: WarmStudio) -> Iterator[Watch]:
    """Look at memory ten times a second, and open the list of runs as a person does once a second."""
    watch, over = Watch(), threading.Event()

    def memory() -> None:
        while not over.wait(LOOK_S):
            for part, size in resident(warm).items():
                watch.peaks[part] = max(watch.peaks[part], size)

    def page() -> None:
        asked = urllib.request.Request(f"{warm.live.url}/w/main/runs/", headers={"Cookie": warm.cookie})
        while not over.wait(PAGE_S):
            began = time.monotonic()
            try:
                urllib.request.urlopen(asked, timeout=60).read()
            except OSError:
                watch.refusals += 1
            watch.slowest_s = max(watch.slowest_s, time.monotonic() - began)

    threads = [threading.Thread(target=each) for each in (memory, page)]
    for thread in threads:
        thread.start()
    try:
        yield watch
    finally:
        over.set()
        for thread in threads:
            thread.join()


def log_of(warm: WarmStudio, run: str, what: bytes) -> int:
    """How often `what` stands in the log."""
    found = stored = 0
    while data := warm.rest.read(f"runs/{run}/log/?offset={stored}&limit={WINDOW}"):
        found += data.count(what)
        stored += len(data)
    return found


def points_of(warm: WarmStudio, run: str) -> int:
    """Points of all series."""
    return sum(int(each["count"]) for each in warm.rest.get(f"runs/{run}/metrics/")["metrics"])


def images_of(warm: WarmStudio, run: str) -> int:
    """Logged images, and whether each has its file."""
    found = 0
    after: str | None = ""
    while after is not None:
        page = warm.rest.get(f"runs/{run}/metrics/points/" + (f"?after={after}" if after else ""))
        found += sum(len(each["points"]) for each in page["items"] if each["kind"] == "image")
        after = page["next"]
    return min(found, artifacts_of(warm, run, "images/"))


def files_of(warm: WarmStudio, run: str) -> int:
    return artifacts_of(warm, run, "outputs/")


def artifacts_of(warm: WarmStudio, run: str, folder: str) -> int:
    """Files of a run below a folder."""
    found: int = 0
    after = ""
    while True:
        page = warm.rest.get(f"runs/{run}/artifacts/?limit=500{f'&after={after}' if after else ''}")
        found += sum(each["path"].startswith(folder) for each in page["items"])
        if not (after := page["next"]):
            return found


def refused_forks(warm: WarmStudio, run: str) -> int:
    """All of them, if the host has refused some: the bomb is bounded, and the step has ended by itself."""
    return 1_000_000 if b"refused" in warm.log_of(run) else 0


def left_of(warm: WarmStudio, seconds: float = 60.0) -> int:
    """Folders and processes of attempts, once the host has had time to drop them."""
    attempts = warm.live.home / "agent" / "attempts"
    until = time.monotonic() + seconds
    while (left := len(list(attempts.iterdir())) + processes_in(str(attempts))) and time.monotonic() < until:
        time.sleep(0.2)
    return left


def processes_in(folder: str) -> int:
    """Processes whose command or working directory names a folder."""
    found = 0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            found += folder in f"{' '.join(process.cmdline())} {process.cwd()}"
    return found
