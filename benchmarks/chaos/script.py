"""The script of every chaos step, and what it says: the step runs this file, and the check computes from it.

Standard library and the SDK only. All that a step says and writes follows from its plan, which is its only argument.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

BAD_INPUT = 97
# The two streams share no byte, so that a log in which they are mixed can be taken apart again.
STDERR_BIT = 0x80
PIECE = 512


def said(seed: str, size: int, newline: bool) -> bytes:
    """`size` bytes of lines without bytes above 127; the last one ends only if `newline`."""
    lines, length, number = [], 0, 0
    while length < size:
        line = b"%06d %s\n" % (number, hashlib.sha256(b"%s %d" % (seed.encode(), number)).hexdigest().encode())
        lines.append(line)
        length += len(line)
        number += 1
    data = b"".join(lines)[:size]
    if not data:
        return data
    return data[:-1] + (b"\n" if newline else b"x")


def raised(data: bytes) -> bytes:
    """The same in the bytes of stderr."""
    return bytes(byte | STDERR_BIT for byte in data)


def expected_output(plan: dict[str, Any]) -> tuple[bytes, bytes]:
    """All of stdout and all of stderr, as they are found in the log."""
    name = plan["name"]
    out = said(f"{name} out", plan["out"], plan["newline"])
    return out, raised(said(f"{name} err", plan["err"], plan["newline"]))


def written(name: str, number: int, size: int) -> bytes:
    """The content of one output file."""
    block = hashlib.sha256(f"{name} file {number}".encode()).digest()
    return (block * (size // len(block) + 1))[:size]


def manifest(plan: dict[str, Any]) -> dict[str, str]:
    """Digest by path of what the step leaves for the next one."""
    return {
        f"part {number}/data.bin": hashlib.sha256(written(plan["name"], number, size)).hexdigest()
        for number, size in enumerate(plan["files"])
    }


def metric_name(attempt: str) -> str:
    """Each attempt logs a series of its own."""
    return f"count-{attempt}"


def main(plan: dict[str, Any], inputs: list[str], output: str) -> int:
    """Do all of it, in pieces with rests between them."""
    attempt, _, epoch = Path(os.environ["DUTO_STUDIO_FILE"]).parent.name.rpartition("-")
    _append(plan["effects"], {"step": plan["name"], "attempt": attempt, "epoch": int(epoch)})
    for place, source in zip(inputs, plan["sources"], strict=True):
        found = {
            path.relative_to(place).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in Path(place).rglob("*")
            if path.is_file()
        }
        if found != source:
            return BAD_INPUT
    if plan["spawns"]:  # a child that outlives its parent unless somebody ends it
        subprocess.Popen(["sleep", "3600"], start_new_session=True)
    _write_streams(plan, attempt)
    for number, size in enumerate(plan["files"]):
        path = Path(output) / f"part {number}" / "data.bin"
        path.parent.mkdir(parents=True)
        path.write_bytes(written(plan["name"], number, size))
    return int(plan["code"])


def _write_streams(plan: dict[str, Any], attempt: str) -> None:
    """Both streams, the metrics and the rests, interleaved."""
    from azureml.core import Run  # type: ignore[import-not-found]  # of the step's Python

    run = Run.get_context()
    streams = [(1, expected_output(plan)[0]), (2, expected_output(plan)[1])]
    rounds = max(1, plan["metrics"], *(1 + len(data) // (PIECE * 64) for _, data in streams))
    for turn in range(rounds):
        for number, data in streams:
            share = data[len(data) * turn // rounds : len(data) * (turn + 1) // rounds]
            # A write that a pipe takes whole is found whole in the log.
            for start in range(0, len(share), PIECE):
                os.write(number, share[start : start + PIECE])
        if turn < plan["metrics"]:
            run.log(metric_name(attempt), turn)
        time.sleep(plan["seconds"] / rounds)


def _append(path: str, document: dict[str, Any]) -> None:
    """One line by one write: several steps write at the same time."""
    number = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(number, json.dumps(document).encode() + b"\n")
    finally:
        os.close(number)


if __name__ == "__main__":
    given = json.loads(Path(__file__).with_name(sys.argv[1]).read_text())
    sys.exit(main(given, sys.argv[3:], sys.argv[2]))
