"""`transfer`: a gigabyte in four files, and twenty thousand small files, from Azure Blob and S3 to a step, cold and warm."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from itertools import count
from pathlib import Path

from benchmarks import graphs
from benchmarks.bench_env import folder
from benchmarks.registry import Sample, Setting, benchmark
from benchmarks.transfer_stores import Store, azurite, s3
from benchmarks.warm_studio import ENDS, WarmStudio, warm_studio

# What the step says of its input, to which the files of the seed are compared.
SCRIPT = """
import os, sys
found = [os.path.getsize(os.path.join(place, name)) for place, _, names in os.walk(sys.argv[1]) for name in names]
print(len(found), sum(found))
"""
ENV = {"DUTO_FETCH_PRIVATE": "true", "DUTO_FUSE": "off"}
LOOK_S = 0.2
_numbers = count(1)


@benchmark("transfer", "s", "big >= 0.8", "small >= 0.5", "warm <= 1.2", rounds=3)
def transfer(setting: Setting) -> Iterator[Sample]:
    """From when a step may start until its script does, all four in a row; the floor is rclone's copy of the same. `big` and `small` are
    the worse store's shares of rclone's speed; `warm` is the worse store's time for small files that the host has, beside `cp -rl`."""
    with folder() as base, ExitStack() as stack:
        seeds = {
            "big": seed(base / "big", 4, setting.size(1 << 28, 9 << 20)),
            "small": seed(base / "small", setting.size(20_000, 20), 4096),
        }
        stores = {each.kind: each for each in (stack.enter_context(start(base)) for start in (azurite, s3))}
        warm = stack.enter_context(warm_studio(setting, ENV))
        document = graphs.upload(warm.rest, SCRIPT)
        for store in stores.values():
            for name, place in seeds.items():
                store.copy(str(place), f"{store.remote}/{name}")
        while True:
            yield round_of(warm, stores, seeds, document, base / "out")


def seed(place: Path, files: int, size: int) -> Path:
    """A folder of files that compress badly, in folders of a thousand."""
    for number in range(files):
        file = place / f"{number // 1000:03}" / f"{number:06}.bin"
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as target:
            for start in range(0, size, 1 << 20):
                target.write(os.urandom(min(1 << 20, size - start)))
    return place


def round_of(warm: WarmStudio, stores: dict[str, Store], seeds: dict[str, Path], snapshot: str, out: Path) -> Sample:
    """The floor and the steps of each store in turn. A store that is registered anew is another one for the host's cache."""
    figures: dict[str, float] = {}
    value = floor = 0.0
    for kind, store in stores.items():
        name = f"{kind}_{next(_numbers)}"
        register(warm, store, name)
        for data, place in seeds.items():
            plain = store.copy(f"{store.remote}/{data}", str(out / "plain"))
            require_same(place, out / "plain")
            cold = stepped(warm, snapshot, name, data, place)
            again = stepped(warm, snapshot, name, data, place)
            linked = links(out / "plain", out / "links")
            shutil.rmtree(out)
            value, floor = value + cold["whole"], floor + plain
            figures |= {
                f"{kind}_{data}": plain / cold["whole"], f"{kind}_{data}_moved": plain / cold["moved"],
                f"{kind}_{data}_warm_s": again["moved"], f"{kind}_{data}_warm": again["moved"] / linked,
            }  # fmt: skip
        warm.rest.send("DELETE", f"datastores/{name}/")
    worst: dict[str, float] = {data: min(figures[f"{kind}_{data}"] for kind in stores) for data in seeds}
    worst["warm"] = max(figures[f"{kind}_small_warm"] for kind in stores)
    return Sample(value, floor, {**worst, **figures})


def register(warm: WarmStudio, store: Store, name: str) -> None:
    """Have the studio know it by this name."""
    options, credentials = dict(store.options), dict(store.credentials)
    warm.rest.post("datastores/", {"name": name, "kind": store.kind, "options": options, "credentials": credentials})


def stepped(warm: WarmStudio, snapshot: str, store: str, data: str, place: Path) -> dict[str, float]:
    """A step that reads all of it: seconds from when it may start until its script does (`whole`), and those of them in which bytes
    came or were found (`moved`)."""
    source = {"name": "data", "mode": "mount", "from": {"datastore": store, "path": data}}
    document = graphs.graph([graphs.step(snapshot, "read", inputs=[source], arguments=[{"input": "data"}])])
    run = warm.submit(document)
    while (status := warm.rest.get(f"runs/{run}/")["status"]) not in ENDS:
        time.sleep(LOOK_S)
    if status != "Completed":
        raise RuntimeError(f"run {run} ended as {status}")
    found = warm.rest.get(f"runs/{run}/steps/")["items"][0]
    files = [each for each in place.rglob("*") if each.is_file()]
    said = warm.log_of(found["id"]).decode().split()
    if said != [str(len(files)), str(sum(each.stat().st_size for each in files))]:
        raise RuntimeError(f"the step found {said} of {len(files)} files")
    (attempt,) = found["step"]["attempts"]
    begins, starts = (datetime.fromisoformat(attempt[name]) for name in ("queued_at", "started_at"))
    return {
        "whole": (starts - begins).total_seconds(),
        "moved": float(attempt["transfers"]["inputs"]["seconds"]) or 0.001,
    }


def require_same(place: Path, copied: Path) -> None:
    """Raises RuntimeError where the plain tool has not copied all."""
    names = [{each.relative_to(top) for each in top.rglob("*") if each.is_file()} for top in (place, copied)]
    if names[0] != names[1]:
        raise RuntimeError(f"rclone copied {len(names[1])} of {len(names[0])} files")


def links(source: Path, target: Path) -> float:
    """Seconds of `cp -rl`."""
    began = time.monotonic()
    subprocess.run(["cp", "-rl", str(source), str(target)], check=True)
    return time.monotonic() - began
